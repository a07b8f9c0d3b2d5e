//! Verified reuse (rule 6): where the engine's API may be asked, what its Swarm released is given
//! again only after a look at the engine that began after the release does not show it. Swarm
//! releases too much.

use std::time::Duration;

use berth_replication::Deadline;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Looks that may be waited for.
const WAITING_MAX: usize = 1_024;
/// What is released together is looked at together.
const GATHER: Duration = Duration::from_secs(1);

/// Asks for looks at the engine.
#[derive(Clone)]
pub struct Observer(mpsc::Sender<Option<oneshot::Sender<()>>>);

/// Those who wait for a look, to whoever looks.
pub struct Observations(mpsc::Receiver<Option<oneshot::Sender<()>>>);

/// Joins who wants looks to who looks.
pub fn observer() -> (Observer, Observations) {
    let (ask, asked) = mpsc::channel(WAITING_MAX);
    (Observer(ask), Observations(asked))
}

impl Observer {
    /// Has the engine looked at now, and waits until what is not in use is free again.
    pub(super) async fn look(&self, deadline: Deadline) {
        let (tell, told) = oneshot::channel();
        let looked = async {
            // Fails when the process ends.
            if self.0.send(Some(tell)).await.is_ok() {
                let _ = told.await;
            }
        };
        // A look that takes too long is none.
        let _ = timeout(deadline.remaining(), looked).await;
    }

    /// Has the engine looked at soon; nobody waits.
    pub(super) fn soon(&self) {
        // If too many are waited for, a look is about to come.
        let _ = self.0.try_send(None);
    }
}

/// A look that is due.
pub(crate) enum Due {
    /// The time between two looks has passed.
    Regular,
    /// Somebody asked; they are told when this goes.
    Asked(#[allow(dead_code, reason = "who waits is told when it goes")] Vec<oneshot::Sender<()>>),
}

impl Observations {
    /// Waits until a look is due: when somebody asks, or after so long.
    pub(crate) async fn due(&mut self, regular: &mut tokio::time::Interval) -> Due {
        let first = tokio::select! {
            _ = regular.tick() => return Due::Regular,
            // The driver, which asks, lives as long as whoever looks.
            asked = self.0.recv() => asked.flatten(),
        };
        let mut waiting: Vec<_> = first.into_iter().collect();
        if waiting.is_empty() {
            tokio::select! {
                () = sleep(GATHER) => {}
                asked = self.0.recv() => waiting.extend(asked.flatten()),
            }
        }
        while let Ok(asked) = self.0.try_recv() {
            waiting.extend(asked);
        }
        Due::Asked(waiting)
    }
}
