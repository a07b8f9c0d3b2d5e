//! Releases of addresses (rules 6 and 9): each names the claim that it ends.

use super::Outcome;
use crate::claim::{Claim, ClientNumber, Cooling};
use crate::settings::Sharing;
use crate::{Ending, Rejection, ReleaseAddress, Response, Revision, State};

impl State {
    pub(super) fn release_address(
        &mut self,
        client: ClientNumber,
        release: &ReleaseAddress,
    ) -> Outcome {
        let ReleaseAddress { pool: id, address, .. } = release;
        let (space, set, pool) = self.find_pool(id)?;
        let prefix = set.prefix;
        let offset =
            prefix.offset(*address).ok_or(Rejection::OutOfRange { address: *address, prefix })?;
        let fenced = |claim: &Claim| id.epoch.is_some_and(|epoch| claim.epoch > epoch);
        let named = |claim: &Claim| claim.id == release.claim;
        #[cfg(feature = "canary")]
        let named = |claim: &Claim| {
            named(claim) || crate::canary::sins(crate::canary::Canary::StaleRelease)
        };
        let standing = set.claims.get(offset).and_then(|claim| {
            claim
                .all()
                .find(|claim| named(claim) && claim.pool == pool.number)
                .filter(|claim| space.same_claimant(claim.client, client) && !fenced(claim))
        });
        let Some(claim) = standing.cloned() else {
            return Ok(Response::Released(Ending::Nothing));
        };
        let exclusive = space.settings.sharing == Sharing::Exclusive;
        let deposed = space
            .holding(pool, client)
            .is_some_and(|holding| id.epoch.is_some_and(|epoch| epoch < holding.epoch));
        // A manager that was deposed speaks of an old store: its successor may claim the address yet.
        let verify = exclusive && (release.verify || deposed);
        let (revision, at) = self.current();
        let mut space = self.found_space(&id.space);
        let cools = verify || space.settings.reuse_delay.get() > 0;
        let cooling = cools.then(|| Cooling {
            claim: claim.clone(),
            released: Revision::new(revision),
            at,
            unverified: verify,
        });
        space.end_claim(prefix, offset, claim.id, cooling);
        Ok(Response::Released(Ending::Ended))
    }
}
