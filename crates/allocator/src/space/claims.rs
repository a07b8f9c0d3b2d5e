//! Claims on addresses: made, adopted, shared, ended.

use alloc::boxed::Box;

use super::Space;
use crate::claim::{AddressKind, Claim, Cooling, More};
use crate::{ClaimId, Prefix};

impl Space {
    /// Puts a claim on an offset that is free, or cooling.
    pub(crate) fn claim(&mut self, prefix: Prefix, offset: u128, claim: Claim) {
        self.end_cooling(prefix, prefix.address(offset));
        if let Some(set) = self.sets.get_mut(&prefix) {
            self.bytes += claim.bytes();
            set.claims.insert(offset, claim);
            self.occupy(prefix, offset);
        }
    }

    /// The claimant takes over what it claimed before: `claim` is held since its predecessor was.
    pub(crate) fn adopt(&mut self, prefix: Prefix, offset: u128, claim: Claim) {
        let claimant = self.claimant(claim.client);
        let Some(set) = self.sets.get_mut(&prefix) else { return };
        let Some(first) = set.claims.get_mut(offset) else { return };
        let own = |other: &Claim| claimant.is_none_or(|claimant| claimant == other.client);
        let before = if own(first) {
            Some(first)
        } else {
            first.more.as_mut().and_then(|more| more.sharers.iter_mut().find(|c| own(c)))
        };
        if let Some(before) = before {
            let old = before.bytes();
            let more = merged(before.more.take(), claim.more);
            *before = Claim { since: before.since, more, ..claim };
            self.bytes = self.bytes - old + before.bytes();
        }
    }

    /// One more host holds an address that is common to all.
    pub(crate) fn join(&mut self, prefix: Prefix, offset: u128, claim: Claim) {
        let Some(set) = self.sets.get_mut(&prefix) else { return };
        if let Some(first) = set.claims.get_mut(offset) {
            self.bytes += claim.bytes();
            first.more.get_or_insert_default().sharers.push(claim);
        }
    }

    /// Ends one claim on an offset. With the last one, the address cools, or is free.
    pub(crate) fn end_claim(
        &mut self,
        prefix: Prefix,
        offset: u128,
        id: ClaimId,
        cooling: Option<Cooling>,
    ) {
        let Some(set) = self.sets.get_mut(&prefix) else { return };
        let Some(mut first) = set.claims.remove(offset) else { return };
        let mut sharers = first.take_sharers();
        sharers.insert(0, first);
        let ended = sharers.extract_if(.., |claim| claim.id == id);
        self.bytes -= ended.map(|claim| claim.bytes()).sum::<u64>();
        for pool in set.pools.values_mut().filter(|pool| pool.gateway == Some(offset)) {
            let gateway =
                |claim: &Claim| claim.kind == AddressKind::Gateway && claim.pool == pool.number;
            pool.gateway = pool.gateway.filter(|_| sharers.iter().any(gateway));
        }
        if sharers.is_empty() {
            match cooling {
                Some(entry) => {
                    self.bytes += entry.bytes();
                    set.cooling.insert(offset, entry);
                }
                None => self.vacate(prefix, offset),
            }
            return;
        }
        let mut first = sharers.remove(0);
        if !sharers.is_empty() {
            first.more.get_or_insert_default().sharers = sharers;
        }
        set.claims.insert(offset, first);
    }
}

/// What was known before, unless something is said anew.
fn merged(before: Option<Box<More>>, now: Option<Box<More>>) -> Option<Box<More>> {
    match (before, now) {
        (Some(before), Some(now)) => {
            let owner = now.owner.or(before.owner);
            Some(Box::new(More { owner, sharers: before.sharers }))
        }
        (before, now) => before.or(now),
    }
}
