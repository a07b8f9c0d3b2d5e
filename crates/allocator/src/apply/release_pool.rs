//! Releases of pools (rule 8): fenced, and in doubt the pool goes out of service instead.

use alloc::vec::Vec;

use super::Outcome;
use crate::claim::{Claim, ClientNumber, PoolNumber};
use crate::pool::Holding;
use crate::settings::Sharing;
use crate::space::Space;
use crate::{ClaimId, Ending, PoolId, Prefix, ReleasePool, Response, Revision, State};

impl State {
    pub(super) fn release_pool(&mut self, client: ClientNumber, release: &ReleasePool) -> Outcome {
        let id = &release.pool;
        let (space, set, pool) = self.find_pool(id)?;
        let fenced = |holding: &Holding| id.epoch.is_some_and(|epoch| holding.epoch > epoch);
        let standing = space
            .holding(pool, client)
            .filter(|holding| holding.claim == release.claim && !fenced(holding));
        let Some(holding) = standing.cloned() else {
            return Ok(Response::Released(Ending::Nothing));
        };
        let stale = set
            .claims
            .iter()
            .flat_map(|(_, claim)| claim.all())
            .filter(|claim| claim.pool == pool.number)
            .filter(|claim| space.same_claimant(claim.client, client))
            .any(|claim| claim.epoch < holding.epoch);
        let verify = release.verify && space.settings.sharing == Sharing::Exclusive;
        // Of a shared space a host knows best what itself holds: its word clears what was in doubt.
        let suspect = holding.suspect.is_some() && space.settings.sharing != Sharing::Shared;
        let in_doubt = verify || stale || suspect || holding.gateway_due;
        let number = pool.number;
        let revision = self.revision;
        let mut space = self.found_space(&id.space);
        let ending = if in_doubt {
            suspect_holding(&mut space, id, number, client, revision);
            Ending::Suspected
        } else {
            drop_holding(&mut space, id, client, holding.claim);
            Ending::Ended
        };
        Ok(Response::Released(ending))
    }
}

/// Takes a holder's part of a pool out of service, its addresses included.
pub(super) fn suspect_holding(
    space: &mut Space,
    id: &PoolId,
    number: PoolNumber,
    client: ClientNumber,
    revision: Revision,
) {
    let claimant = space.claimant(client);
    let own = |other: ClientNumber| claimant.is_none_or(|claimant| claimant == other);
    let Some(set) = space.sets.get_mut(&id.prefix) else { return };
    if let Some(pool) = set.pools.get_mut(&id.sub_pool) {
        let holdings = pool.holders.iter_mut().filter(|holding| own(holding.client));
        holdings.for_each(|holding| holding.suspect = Some(revision));
    }
    let in_doubt = |claim: &Claim| claim.pool == number && own(claim.client);
    let offsets: Vec<u128> = set
        .claims
        .iter()
        .filter(|(_, claim)| claim.all().any(in_doubt))
        .map(|(offset, _)| offset)
        .collect();
    for offset in offsets {
        if let Some(claim) = set.claims.get_mut(offset) {
            claim.suspect_where(in_doubt);
        }
    }
}

/// Ends a holder's claim on a pool, and its claims on addresses under it; the last holder's frees
/// the pool, the last pool's the prefix.
pub(super) fn drop_holding(space: &mut Space, id: &PoolId, client: ClientNumber, claim: ClaimId) {
    let claimant = space.claimant(client);
    let own = |other: ClientNumber| claimant.is_none_or(|claimant| claimant == other);
    let prefix = id.prefix;
    let Some(set) = space.sets.get_mut(&prefix) else { return };
    let Some(pool) = set.pools.get_mut(&id.sub_pool) else { return };
    let before = pool.bytes();
    pool.holders.retain(|holding| holding.claim != claim);
    let left = if pool.holders.is_empty() { 0 } else { pool.bytes() };
    space.bytes -= before - left;
    let number = pool.number;
    if pool.holders.is_empty() {
        if let Some(name) = pool.name.take() {
            space.named.remove(&(name, prefix.family()));
        }
        set.pools.remove(&id.sub_pool);
    }
    if set.pools.is_empty() {
        space.remove_set(prefix);
        return;
    }
    let ended: Vec<(u128, ClaimId)> = set
        .claims
        .iter()
        .flat_map(|(offset, claim)| claim.all().map(move |claim| (offset, claim)))
        .filter(|(_, claim)| claim.pool == number && own(claim.client))
        .map(|(offset, claim)| (offset, claim.id))
        .collect();
    for (offset, claim) in ended {
        space.end_claim(prefix, offset, claim, None);
    }
}

/// The prefix and sub-pool of every pool that a client holds in a space.
pub(super) fn pools_held(
    space: &Space,
    client: ClientNumber,
) -> Vec<(Prefix, Option<Prefix>, PoolNumber)> {
    space
        .sets
        .values()
        .flat_map(|set| set.pools.values().map(move |pool| (set.prefix, pool)))
        .filter(|(_, pool)| pool.holders.iter().any(|holding| holding.client == client))
        .map(|(prefix, pool)| (prefix, pool.sub_pool, pool.number))
        .collect()
}
