//! Who leads, as far as anybody can tell: asked of all nodes, all the time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::api::Api;
use crate::hosts::Host;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(500);
/// How long a node may take to tell.
const PATIENCE: Duration = Duration::from_secs(3);

/// The leaders of a run.
#[derive(Default)]
pub struct Watch(Mutex<Vec<(Duration, usize, u64)>>);

impl Watch {
    /// The number of the node that was last seen to lead.
    pub fn leader(&self) -> Option<usize> {
        self.terms().last().map(|(_, leader, _)| *leader)
    }

    /// When who began to lead, and in which term.
    pub fn terms(&self) -> Vec<(Duration, usize, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the nodes, for ever.
    pub async fn look(&self, hosts: &[Host], begin: Instant) {
        loop {
            for host in hosts.iter().filter(|host| host.is_node) {
                let api = Api::new(host.api_socket.clone());
                let Ok(Ok(status)) = timeout(PATIENCE, api.status()).await else { continue };
                let leader = status.leader.as_ref();
                let Some(leader) = hosts.iter().position(|host| Some(&host.name) == leader) else {
                    continue;
                };
                let mut terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if terms.last().is_none_or(|(_, _, term)| *term < status.term) {
                    terms.push((begin.elapsed(), leader, status.term));
                }
            }
            sleep(EVERY).await;
        }
    }
}
