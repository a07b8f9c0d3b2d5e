//! Frees by itself what the host's engine lost, where it may look at the engine.
//!
//! What is found in two looks, one after the other, is freed as an observation (rule 7): the state
//! machine checks that it was made by the right host, in the right session, and after the claim.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{PoolId, Revision, SpaceName, State};
use berth_replication::{Consistency, Deadline, Ledger, NodeName, Replica};

use super::{Books, Fix, NO_MANAGER, OfHosts, compare, observe};
use crate::api::types::Scope;
use crate::api::views;
use crate::docker::Driver;
use crate::peers;

/// How long reading the cluster's state may take.
const READ_MAX: Duration = Duration::from_secs(5);

/// Looks at the engine now and then, and frees what it lost.
pub struct Reconciler {
    /// The engine's API.
    pub docker_socket: PathBuf,
    /// The pause between two looks.
    pub every: Duration,
    /// Through which the engine speaks: what it may release, this may.
    pub driver: Arc<Driver>,
    /// The cluster.
    pub replica: Replica,
    /// This host's own ledger.
    pub ledger: Arc<Ledger>,
    /// This host.
    pub host: NodeName,
    /// The space of its own networks.
    pub local_space: SpaceName,
    /// The space of its Swarm.
    pub global_space: SpaceName,
}

/// What was lost, as one look shows it, and the revisions that Berth had before it.
struct Look {
    lost: BTreeSet<Fix>,
    local: Revision,
    global: Revision,
}

impl Reconciler {
    /// Goes on until it is dropped.
    pub async fn run(self) {
        let (mut before, mut failure) = (BTreeSet::new(), String::new());
        loop {
            tokio::time::sleep(self.every).await;
            match self.look().await {
                Ok(look) => {
                    failure.clear();
                    for fix in look.lost.intersection(&before) {
                        self.free(fix, &look).await;
                    }
                    before = look.lost;
                }
                Err(reason) => {
                    before.clear();
                    if reason != failure {
                        tracing::warn!(%reason, "the engine cannot be compared: nothing is freed");
                        failure = reason;
                    }
                }
            }
        }
    }

    /// Looks once: Berth, the engine, Berth.
    async fn look(&self) -> Result<Look, String> {
        let (global, local) = self.states().await?;
        let (before, revisions) =
            (self.books(&global, &local), (global.revision(), local.revision()));
        let seen = observe(&self.docker_socket, &[]).await.map_err(|error| error.to_string())?;
        let of_hosts = match &seen.swarm {
            Some(swarm) => self.of_hosts(&global, swarm.hosts).await,
            None => Err(NO_MANAGER.to_owned()),
        };
        let (global, local) = self.states().await?;
        let found = compare(&before, &self.books(&global, &local), &of_hosts, &seen);
        let lost = found.into_iter().filter_map(|finding| finding.fix).collect();
        let (global, local) = revisions;
        Ok(Look { lost, local, global })
    }

    async fn of_hosts(&self, global: &State, expected: usize) -> OfHosts {
        let pools = global.pools(&self.global_space).unwrap_or_default();
        let prefixes = pools.into_iter().map(|pool| pool.id.prefix).collect();
        let (replica, ledger) = (&self.replica, &self.ledger);
        let told = peers::held_by_hosts(replica, ledger, &self.local_space, prefixes).await;
        peers::all_told(told, expected)
    }

    async fn states(&self) -> Result<(State, State), String> {
        let deadline = Deadline::after(READ_MAX);
        let read = self.replica.read(Consistency::Linearizable, deadline, State::clone).await;
        Ok((read.map_err(|error| error.to_string())?.value, self.ledger.read(State::clone)))
    }

    fn books(&self, global: &State, local: &State) -> Books {
        let mut books = Books {
            host: self.host.to_string(),
            local_space: self.local_space.to_string(),
            global_space: self.global_space.to_string(),
            spaces: Vec::new(),
            pools: Vec::new(),
            addresses: Vec::new(),
        };
        for (scope, state) in [(Scope::Global, global), (Scope::Local, local)] {
            for space in state.spaces() {
                let mut pools = state.pools(&space.name).unwrap_or_default();
                books.pools.extend(pools.iter().cloned().map(|pool| views::pool(scope, pool)));
                // Pools over one prefix show the same addresses.
                pools.dedup_by_key(|pool| pool.id.prefix);
                for pool in &pools {
                    let addresses = state.addresses(&pool.id).unwrap_or_default();
                    let addresses = addresses.into_iter();
                    books.addresses.extend(addresses.map(|view| views::address(scope, view)));
                }
                books.spaces.push(views::space(scope, space));
            }
        }
        books
    }

    async fn free(&self, fix: &Fix, look: &Look) {
        let Fix { pool, address, claim } = fix;
        let Ok(id) = pool.parse::<PoolId>() else { return };
        let began = if id.space == self.local_space { look.local } else { look.global };
        match self.driver.free_unused(id, *address, *claim, began).await {
            Ok(()) => tracing::info!(pool, ?address, claim, "freed what the engine lost"),
            // Another host's word counts, or it was claimed again.
            Err(reason) => tracing::debug!(pool, ?address, claim, %reason, "not freed"),
        }
    }
}
