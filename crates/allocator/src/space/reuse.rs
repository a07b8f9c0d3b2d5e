//! Released addresses: when they are free again, and which is given first when nothing else is left.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;

use super::Space;
use crate::address_set::{AddressSet, is_edge};
use crate::claim::Cooling;
use crate::{Prefix, Timestamp};

impl Space {
    /// Whether anything in a set, or in one that overlaps, has cooled long enough.
    pub(crate) fn has_cooled(&self, set: &AddressSet, now: Timestamp) -> bool {
        let cooled =
            |set: &AddressSet| set.cooling.cooled(now, self.settings.reuse_delay).is_some();
        cooled(set) || set.related.iter().filter_map(|other| self.sets.get(other)).any(cooled)
    }

    /// Frees what has cooled long enough, in a set and in those that overlap.
    pub(crate) fn thaw(&mut self, prefix: Prefix, now: Timestamp) {
        let Some(set) = self.sets.get(&prefix) else { return };
        let delay = self.settings.reuse_delay;
        for prefix in set.related.clone().into_iter().chain([prefix]) {
            while let Some(set) = self.sets.get_mut(&prefix)
                && let Some(offset) = set.cooling.cooled(now, delay)
            {
                self.bytes -= set.cooling.remove(offset).map_or(0, |entry| entry.bytes());
                self.vacate(prefix, offset);
            }
        }
    }

    /// A released address was seen to be unused: it cools on as others do.
    pub(crate) fn confirm_cooling(&mut self, prefix: Prefix, offset: u128, now: Timestamp) {
        let Some(set) = self.sets.get_mut(&prefix) else { return };
        if let Some(entry) = set.cooling.remove(offset) {
            set.cooling.insert(offset, Cooling { unverified: false, ..entry });
            self.thaw(prefix, now);
        }
    }

    /// The cooling of `address`, with the prefix under which it was released.
    pub(crate) fn cooling(&self, prefix: Prefix, address: IpAddr) -> Option<(Prefix, &Cooling)> {
        self.set_and_related(prefix).find_map(|set| {
            let cooling = set.cooling.get(set.prefix.offset(address)?)?;
            Some((set.prefix, cooling))
        })
    }

    /// Of the cooling addresses in a range of a set, the offset of the one released longest ago,
    /// under whichever prefix.
    pub(crate) fn longest_released(
        &self,
        prefix: Prefix,
        range: &RangeInclusive<u128>,
        unverified: bool,
    ) -> Option<u128> {
        let oldest = |set: &AddressSet| {
            let usable = |offset| self.reusable(prefix, range, set.prefix.address(offset));
            let (released, offset) = set.cooling.oldest(unverified, |o| usable(o).is_some())?;
            Some((released, usable(offset)?))
        };
        let (_, offset) = self.set_and_related(prefix).filter_map(oldest).min()?;
        Some(offset)
    }

    /// How many addresses in a range of a set wait for an observation.
    pub(crate) fn waiting(&self, prefix: Prefix, range: &RangeInclusive<u128>) -> u64 {
        let waiting = |set: &AddressSet| {
            let entries = set.cooling.iter().filter(|(_, entry)| entry.unverified);
            let addresses = entries.map(|(offset, _)| set.prefix.address(offset));
            addresses.filter(|address| self.reusable(prefix, range, *address).is_some()).count()
        };
        self.set_and_related(prefix).map(|set| waiting(set) as u64).sum()
    }

    /// The offset of a cooling address in a set, if a dynamic request may be given it one day.
    fn reusable(
        &self,
        prefix: Prefix,
        range: &RangeInclusive<u128>,
        address: IpAddr,
    ) -> Option<u128> {
        let offset = prefix.offset(address)?;
        let given = range.contains(&offset)
            && self.reservation(address).is_none()
            && !is_edge(prefix, offset);
        given.then_some(offset)
    }

    /// A set, and those that overlap it.
    fn set_and_related(&self, prefix: Prefix) -> impl Iterator<Item = &AddressSet> {
        let set = self.sets.get(&prefix);
        let related: Vec<Prefix> =
            set.map_or_else(Vec::new, |set| set.related.iter().copied().collect());
        set.into_iter().chain(related.into_iter().filter_map(|other| self.sets.get(&other)))
    }
}
