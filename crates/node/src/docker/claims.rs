//! Claims that this process was answered: a release ends the claim that the engine was given
//! (rule 6), and remembering it spares a read of the cluster.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use berth_allocator::{ClaimId, PoolId};

/// Claims by pool, of its latest epoch, and address. What is not here is asked of the state.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<PoolId, Pool>>);

/// A pool, and the id under which it was given last.
struct Pool {
    id: PoolId,
    claim: ClaimId,
    addresses: HashMap<IpAddr, ClaimId>,
}

/// A pool's id in any epoch.
fn any_epoch(pool: &PoolId) -> PoolId {
    PoolId { epoch: None, ..pool.clone() }
}

impl Claims {
    fn pools(&self) -> std::sync::MutexGuard<'_, HashMap<PoolId, Pool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool was claimed.
    pub(super) fn pool_given(&self, pool: &PoolId, claim: ClaimId) {
        let id = pool.clone();
        match self.pools().entry(any_epoch(pool)) {
            Entry::Occupied(known) if known.get().id == id => known.into_mut().claim = claim,
            entry => {
                entry.insert_entry(Pool { id, claim, addresses: HashMap::new() });
            }
        }
    }

    /// The claim on a pool.
    pub(super) fn pool(&self, pool: &PoolId) -> Option<ClaimId> {
        self.pools().get(&any_epoch(pool)).filter(|known| known.id == *pool).map(|pool| pool.claim)
    }

    /// The pool was released, with all that it held.
    pub(super) fn pool_released(&self, pool: &PoolId) {
        if let Entry::Occupied(known) = self.pools().entry(any_epoch(pool))
            && known.get().id == *pool
        {
            known.remove();
        }
    }

    /// The address was claimed.
    pub(super) fn address_given(&self, pool: &PoolId, address: IpAddr, claim: ClaimId) {
        let mut pools = self.pools();
        // A pool that was claimed before this process began is asked of the state, addresses too.
        if let Some(pool) = pools.get_mut(&any_epoch(pool)).filter(|known| known.id == *pool) {
            pool.addresses.insert(address, claim);
        }
    }

    /// The claim on an address, which is about to be released.
    pub(super) fn take_address(&self, pool: &PoolId, address: IpAddr) -> Option<ClaimId> {
        let mut pools = self.pools();
        let known = pools.get_mut(&any_epoch(pool)).filter(|known| known.id == *pool)?;
        known.addresses.remove(&address)
    }
}
