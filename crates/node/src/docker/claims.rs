//! Claims that this process was answered: a release ends the claim that the engine was given
//! (rule 6), and remembering it spares a read of the cluster.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use berth_allocator::{ClaimId, PoolId};

/// Claims by pool id and address. What is not here is asked of the state.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<PoolId, Pool>>);

#[derive(Default)]
struct Pool {
    claim: Option<ClaimId>,
    addresses: HashMap<IpAddr, ClaimId>,
}

impl Claims {
    fn pools(&self) -> std::sync::MutexGuard<'_, HashMap<PoolId, Pool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool was claimed.
    pub(super) fn pool_given(&self, pool: &PoolId, claim: ClaimId) {
        self.pools().entry(pool.clone()).or_default().claim = Some(claim);
    }

    /// The claim on a pool.
    pub(super) fn pool(&self, pool: &PoolId) -> Option<ClaimId> {
        self.pools().get(pool)?.claim
    }

    /// The pool was released, with all that it held.
    pub(super) fn pool_released(&self, pool: &PoolId) {
        self.pools().remove(pool);
    }

    /// The address was claimed.
    pub(super) fn address_given(&self, pool: &PoolId, address: IpAddr, claim: ClaimId) {
        let mut pools = self.pools();
        // A pool that was claimed before this process began is asked of the state, addresses too.
        if let Some(pool) = pools.get_mut(pool) {
            pool.addresses.insert(address, claim);
        }
    }

    /// The claim on an address, which is about to be released.
    pub(super) fn take_address(&self, pool: &PoolId, address: IpAddr) -> Option<ClaimId> {
        self.pools().get_mut(pool)?.addresses.remove(&address)
    }
}
