//! Released addresses that are not free yet, longest released first.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::RangeInclusive;

use crate::claim::Cooling;
use crate::{Millis, Revision, Timestamp};

/// The cooling addresses of a prefix, by offset and by age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CoolingList {
    entries: BTreeMap<u128, Cooling>,
    /// Revision of the release and offset of those that need no observation.
    queue: BTreeSet<(Revision, u128)>,
    /// The same of those that wait for one.
    unverified: BTreeSet<(Revision, u128)>,
}

impl CoolingList {
    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entry at `offset`.
    pub(crate) fn get(&self, offset: u128) -> Option<&Cooling> {
        self.entries.get(&offset)
    }

    /// Adds an entry.
    pub(crate) fn insert(&mut self, offset: u128, entry: Cooling) {
        self.remove(offset);
        self.queue_of(entry.unverified).insert((entry.released, offset));
        self.entries.insert(offset, entry);
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, offset: u128) -> Option<Cooling> {
        let entry = self.entries.remove(&offset)?;
        self.queue_of(entry.unverified).remove(&(entry.released, offset));
        Some(entry)
    }

    fn queue_of(&mut self, unverified: bool) -> &mut BTreeSet<(Revision, u128)> {
        if unverified { &mut self.unverified } else { &mut self.queue }
    }

    /// The offset released longest ago that has cooled for `delay` by `now`.
    pub(crate) fn cooled(&self, now: Timestamp, delay: Millis) -> Option<u128> {
        let (_, offset) = *self.queue.first()?;
        (self.entries.get(&offset)?.at.after(delay) <= now).then_some(offset)
    }

    /// Of the usable offsets the one released longest ago, with its release.
    pub(crate) fn oldest(
        &self,
        unverified: bool,
        usable: impl Fn(u128) -> bool,
    ) -> Option<(Revision, u128)> {
        let queue = if unverified { &self.unverified } else { &self.queue };
        queue.iter().find(|(_, offset)| usable(*offset)).copied()
    }

    /// All entries, in order of their offsets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, &Cooling)> {
        self.entries.iter().map(|(offset, entry)| (*offset, entry))
    }

    /// The entries in a range of offsets, in order.
    pub(crate) fn within(
        &self,
        offsets: RangeInclusive<u128>,
    ) -> impl Iterator<Item = (u128, &Cooling)> {
        self.entries.range(offsets).map(|(offset, entry)| (*offset, entry))
    }
}
