//! Claims on addresses: made, adopted, shared, ended.

use alloc::boxed::Box;

use super::Space;
use crate::claim::{AddressKind, Claim, Cooling, More};
use crate::{ClaimId, Prefix};

impl Space {
    /// Puts a claim on an offset that is free, or cooling.
    pub(crate) fn claim(&mut self, prefix: Prefix, offset: u128, claim: Claim) {
        let Some(set) = self.sets.get_mut(&prefix) else { return };
        self.bytes += claim.bytes();
        self.bytes -= set.cooling.remove(offset).map_or(0, |entry| entry.bytes());
        set.claims.insert(offset, claim);
        set.taken.insert(offset, offset);
        if !set.related.is_empty() {
            let related = set.related.clone();
            self.occupy(&related, prefix.address(offset));
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
        let Some(first) = set.claims.remove(offset) else { return };
        let (ended, left) = without(first, id);
        self.bytes -= ended.map_or(0, |claim| claim.bytes());
        for pool in set.pools.values_mut().filter(|pool| pool.gateway == Some(offset)) {
            let gateway =
                |claim: &Claim| claim.kind == AddressKind::Gateway && claim.pool == pool.number;
            let stands = left.iter().flat_map(Claim::all).any(gateway);
            pool.gateway = pool.gateway.filter(|_| stands);
        }
        match (left, cooling) {
            (Some(left), _) => drop(set.claims.insert(offset, left)),
            (None, Some(entry)) => {
                self.bytes += entry.bytes();
                set.cooling.insert(offset, entry);
            }
            (None, None) => self.vacate(prefix, offset),
        }
    }
}

/// Of the claims on an address the one with this id, and the others.
fn without(mut first: Claim, id: ClaimId) -> (Option<Claim>, Option<Claim>) {
    let mut sharers = first.take_sharers();
    let ended = if first.id != id {
        let at = sharers.iter().position(|claim| claim.id == id);
        at.map(|at| sharers.remove(at))
    } else if sharers.is_empty() {
        return (Some(first), None);
    } else {
        let next = sharers.remove(0);
        Some(core::mem::replace(&mut first, next))
    };
    if !sharers.is_empty() {
        first.more.get_or_insert_default().sharers = sharers;
    }
    (ended, Some(first))
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
