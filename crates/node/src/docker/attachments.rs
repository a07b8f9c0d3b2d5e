//! A user's address against a late replay (rule 4): `docker run --ip` on a Swarm's network asks as a
//! replay does, for an address by name. Where the engine's API may be asked, it tells them apart.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use berth_allocator::PoolId;
use berth_replication::Deadline;
use tokio::time::timeout;

use crate::doctor;

/// What the engine's API shows of containers that are being attached to a Swarm's networks.
pub(super) struct Attachments {
    engine: PathBuf,
    /// The latest session in which Swarm asked for an address of Berth's choice.
    replayed: AtomicU64,
}

impl Attachments {
    /// Asks the engine on this socket.
    pub(super) fn new(engine: PathBuf) -> Self {
        Self { engine, replayed: AtomicU64::new(0) }
    }

    /// Swarm asks for an address of Berth's choice: its managers do so once they have replayed all
    /// that they keep.
    pub(super) fn replay_is_over(&self, pool: &PoolId) {
        if let Some(session) = pool.epoch {
            self.replayed.fetch_max(session.get(), Ordering::Relaxed);
        }
    }

    /// What uses an address that may be asked for by a user: one that a task or a service has, while
    /// a container waits to be attached to its network. `None` if it is a replay, or if the engine
    /// does not tell in time: then the request counts as one.
    pub(super) async fn taken(
        &self,
        pool: &PoolId,
        address: IpAddr,
        deadline: Deadline,
    ) -> Option<String> {
        if pool.epoch?.get() > self.replayed.load(Ordering::Relaxed) {
            return None;
        }
        let seen = timeout(deadline.remaining(), doctor::observe(&self.engine, &[])).await;
        let seen = seen.ok()?.inspect_err(|error| {
            tracing::warn!(%error, %pool, %address, "taken for a replay: the engine cannot be asked");
        });
        let swarm = seen.ok()?.swarm?;
        let here = |network: &&doctor::Network| {
            network.ours && network.attaching && network.prefixes.contains(&pool.prefix.into())
        };
        swarm.networks.iter().find(here)?.uses.get(&address).cloned()
    }
}
