//! Clients that take addresses and give them back, on all nodes, whatever happens to these.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipamapi::PoolId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::{Engine, History, Node};

/// Addresses that a client holds at a time.
const HELD_MAX: usize = 8;
/// Pause after an error: the node may be down.
const PAUSE: Duration = Duration::from_millis(50);

/// Clients at work.
pub struct Load {
    history: Arc<History>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts this many clients on each node.
    pub fn start<'a>(
        nodes: impl IntoIterator<Item = &'a Node>,
        pool: &PoolId,
        clients_per_node: usize,
    ) -> Self {
        let history = Arc::new(History::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (number, node) in nodes.into_iter().enumerate() {
            for _ in 0..clients_per_node {
                let worker = Worker {
                    engine: node.engine(),
                    node: number,
                    pool: pool.clone(),
                    history: Arc::clone(&history),
                    stop: Arc::clone(&stop),
                };
                clients.spawn(worker.work());
            }
        }
        Self { history, stop, clients }
    }

    /// What they were told so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Lets them finish what they began.
    pub async fn stop(self) -> Arc<History> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        self.history
    }
}

struct Worker {
    engine: Engine,
    node: usize,
    pool: PoolId,
    history: Arc<History>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    async fn work(self) {
        let mut held = VecDeque::new();
        while !self.stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            match self.engine.address(&self.pool).await {
                Ok(address) => {
                    held.push_back((self.history.given(self.node, address, asked), address));
                }
                Err(error) => self.refused(&error).await,
            }
            if held.len() <= HELD_MAX {
                continue;
            }
            let Some((oldest, address)) = held.pop_front() else { continue };
            self.history.released(oldest);
            if let Err(error) = self.engine.release(&self.pool, address).await {
                self.refused(&error).await;
            }
        }
    }

    async fn refused(&self, error: &ipamapi::IpamError) {
        self.history.refused(self.node, error.to_string());
        sleep(PAUSE).await;
    }
}
