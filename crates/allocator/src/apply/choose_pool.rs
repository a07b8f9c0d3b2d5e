//! Automatic pools: the lowest block of the space's ranges that overlaps nothing.

use alloc::vec::Vec;

use crate::prefix::number;
use crate::range_set::RangeSet;
use crate::space::Space;
use crate::{Family, Prefix, Rejection, State};

impl State {
    /// The prefix of a new automatic pool.
    pub(super) fn choose_pool(
        &self,
        space: &Space,
        family: Family,
        length: Option<u8>,
        exclude: &[Prefix],
    ) -> Result<Prefix, Rejection> {
        let given = excluded(space, family, exclude);
        let mut avoided = self.pools_to_avoid(space, family);
        avoided.push(&given);
        let mut fits = false;
        for range in space.settings.ranges.iter().filter(|range| range.family() == family) {
            let length = length.unwrap_or(range.length);
            if length < range.base.prefix_len() || length > family.bits() {
                continue;
            }
            fits = true;
            if let Some(found) = lowest_block(family, range.bounds(), length, &avoided) {
                return Ok(found);
            }
        }
        Err(if fits {
            Rejection::NoMoreSubnets
        } else {
            Rejection::NoRange { space: space.name.clone() }
        })
    }

    /// The space's pools, and those of other spaces where both are to be apart.
    fn pools_to_avoid<'a>(&'a self, space: &'a Space, family: Family) -> Vec<&'a RangeSet> {
        let others = self
            .spaces
            .values()
            .filter(|other| space.settings.apart && other.settings.apart)
            .filter(|other| other.name != space.name);
        core::iter::once(space)
            .chain(others)
            .filter_map(|space| space.covered.get(&family))
            .collect()
    }
}

/// What the request excludes, and what is reserved.
fn excluded(space: &Space, family: Family, exclude: &[Prefix]) -> RangeSet {
    let mut excluded = RangeSet::default();
    for prefix in exclude.iter().filter(|prefix| prefix.family() == family) {
        excluded.insert(prefix.first(), prefix.last());
    }
    for reserved in space.reservations.values() {
        if Family::of(reserved.first) == family {
            excluded.insert(number(reserved.first), number(reserved.last));
        }
    }
    excluded
}

/// The lowest aligned block of this length within the bounds that touches nothing avoided.
fn lowest_block(
    family: Family,
    (first, last): (u128, u128),
    length: u8,
    avoided: &[&RangeSet],
) -> Option<Prefix> {
    let mut from = first;
    while from <= last {
        let block = aligned_from(family, from, length)?;
        if block.last() > last {
            return None;
        }
        let in_the_way = avoided.iter().filter_map(|set| set.touching(block.first(), block.last()));
        match in_the_way.map(|(_, end)| end).max() {
            None => return Some(block),
            Some(end) => from = end.checked_add(1)?,
        }
    }
    None
}

/// The first block of this length that begins at or after `from`.
fn aligned_from(family: Family, from: u128, length: u8) -> Option<Prefix> {
    let block = Prefix::of(family.address(from), length)?;
    if block.first() == from {
        return Some(block);
    }
    let next = block.last().checked_add(1)?;
    let beyond = family == Family::V4 && next > u128::from(u32::MAX);
    if beyond { None } else { Prefix::of(family.address(next), length) }
}
