//! Which addresses are taken: kept true when sets, reservations, claims and cooling change.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;

use super::Space;
use crate::address_set::{AddressSet, edges, is_edge};
use crate::offset_set::{Numbers as _, OffsetSet};
use crate::prefix::number;
use crate::settings::Reservation;
use crate::size::SET;
use crate::{Family, Prefix};

impl Space {
    /// Makes the set of `prefix`, with all that its addresses are already taken by.
    pub(crate) fn create_set(&mut self, prefix: Prefix) {
        let related: BTreeSet<Prefix> =
            self.all_overlapping(prefix).map(|set| set.prefix).collect();
        for other in &related {
            if let Some(set) = self.sets.get_mut(other) {
                set.related.insert(prefix);
            }
        }
        let mut set = AddressSet::new(prefix);
        set.related = related;
        self.sets.insert(prefix, set);
        self.bytes += SET;
        self.recompute_taken(prefix, 0..=prefix.last_offset());
        let covered = self.covered.entry(prefix.family()).or_default();
        covered.insert(prefix.first(), prefix.last());
    }

    /// Removes the set of `prefix` with all its claims.
    pub(crate) fn remove_set(&mut self, prefix: Prefix) {
        let Some(removed) = self.sets.remove(&prefix) else { return };
        self.bytes -= removed.bytes();
        let covered = self.covered.entry(prefix.family()).or_default();
        covered.remove(prefix.first(), prefix.last());
        for other in &removed.related {
            covered.insert(other.first(), other.last());
        }
        for other in removed.related {
            if let Some(set) = self.sets.get_mut(&other) {
                set.related.remove(&prefix);
                let shared = common(other, prefix);
                self.recompute_taken(other, shared);
            }
        }
        self.named.retain(|_, named| *named != prefix);
    }

    /// Computes anew which offsets of a set are taken, within a range.
    pub(crate) fn recompute_taken(&mut self, prefix: Prefix, within: RangeInclusive<u128>) {
        let Some(set) = self.sets.get(&prefix) else { return };
        let computed = self.taken_within(set, &within);
        if let Some(set) = self.sets.get_mut(&prefix) {
            set.taken.remove(*within.start(), *within.end());
            for (first, last) in computed.to_ranges().iter() {
                set.taken.insert(first, last);
            }
        }
    }

    /// Which offsets of a set are taken within a range, as the set's invariant says.
    pub(crate) fn taken_within(
        &self,
        set: &AddressSet,
        within: &RangeInclusive<u128>,
    ) -> OffsetSet {
        let prefix = set.prefix;
        let (first, last) = (*within.start(), *within.end());
        let mut taken = OffsetSet::default();
        let edges = edges(prefix).filter(|edge| within.contains(edge));
        for offset in edges.chain(claimed_or_cooling(set, within.clone())) {
            taken.insert(offset, offset);
        }
        for other in set.related.iter().filter_map(|other| self.sets.get(other)) {
            for offset in claimed_or_cooling(other, common(other.prefix, prefix)) {
                let offset = other.prefix.first() + offset - prefix.first();
                if within.contains(&offset) {
                    taken.insert(offset, offset);
                }
            }
        }
        for reservation in self.reservations.values() {
            if let Some((from, to)) = overlap(prefix, reservation)
                && from <= last
                && first <= to
            {
                taken.insert(from.max(first), to.min(last));
            }
        }
        taken
    }

    /// Marks an address as taken, and no longer cooling, in sets that overlap the one in which it is.
    pub(super) fn occupy(&mut self, related: &BTreeSet<Prefix>, address: IpAddr) {
        for other in related {
            if let (Some(set), Some(offset)) = (self.sets.get_mut(other), other.offset(address)) {
                self.bytes -= set.cooling.remove(offset).map_or(0, |entry| entry.bytes());
                set.taken.insert(offset, offset);
            }
        }
    }

    /// Marks an offset as free, here and in sets that overlap, where nothing else takes it.
    pub(crate) fn vacate(&mut self, prefix: Prefix, offset: u128) {
        let address = prefix.address(offset);
        let reserved = self.reservation(address).is_some();
        let Some(set) = self.sets.get_mut(&prefix) else { return };
        if set.related.is_empty() {
            if !reserved && !set.holds(offset) && !is_edge(prefix, offset) {
                set.taken.remove(offset, offset);
            }
            return;
        }
        let prefixes: Vec<Prefix> = set.related.iter().copied().chain([prefix]).collect();
        let held = |prefix: &Prefix| {
            let (set, offset) = (self.sets.get(prefix)?, prefix.offset(address)?);
            set.holds(offset).then_some(())
        };
        if reserved || prefixes.iter().any(|p| held(p).is_some()) {
            return;
        }
        for prefix in prefixes {
            if let (Some(set), Some(offset)) = (self.sets.get_mut(&prefix), prefix.offset(address))
                && !is_edge(prefix, offset)
            {
                set.taken.remove(offset, offset);
            }
        }
    }
}

/// Offsets of a range that are claimed or cooling in the set itself.
fn claimed_or_cooling(
    set: &AddressSet,
    within: RangeInclusive<u128>,
) -> impl Iterator<Item = u128> {
    let claims = set.claims.within(within.clone()).map(|(offset, _)| offset);
    claims.chain(set.cooling.within(within).map(|(offset, _)| offset))
}

/// Offsets in `prefix` of the addresses that it has in common with `other`, which overlaps it.
fn common(prefix: Prefix, other: Prefix) -> RangeInclusive<u128> {
    let first = prefix.first().max(other.first()) - prefix.first();
    let last = prefix.last().min(other.last()) - prefix.first();
    first..=last
}

/// Offsets in `prefix` of the first and last address that a reservation takes from it.
pub(crate) fn overlap(prefix: Prefix, reservation: &Reservation) -> Option<(u128, u128)> {
    if Family::of(reservation.first) != prefix.family() {
        return None;
    }
    let first = number(reservation.first).max(prefix.first());
    let last = number(reservation.last).min(prefix.last());
    (first <= last).then(|| (first - prefix.first(), last - prefix.first()))
}
