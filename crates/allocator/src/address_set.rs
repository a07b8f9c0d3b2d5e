//! The addresses of one prefix, which its pools share.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::RangeInclusive;

use crate::claim::PoolNumber;
use crate::claim_table::ClaimTable;
use crate::command::Order;
use crate::cooling::CoolingList;
use crate::key_table::KeyTable;
use crate::offset_set::{Numbers as _, OffsetSet};
use crate::pool::Pool;
use crate::{Family, Prefix};

/// The addresses of one prefix, as offsets from its first.
///
/// Invariant: an offset is in `taken` exactly if the address is an edge of this prefix, reserved in
/// the space, or claimed or cooling in this set or in one whose prefix overlaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressSet {
    pub(crate) prefix: Prefix,
    pub(crate) taken: OffsetSet,
    pub(crate) claims: ClaimTable,
    pub(crate) cooling: CoolingList,
    /// The offset that a dynamic request was given last.
    pub(crate) cursor: Option<u128>,
    /// By sub-pool.
    pub(crate) pools: BTreeMap<Option<Prefix>, Pool>,
    pub(crate) next_pool: u32,
    pub(crate) keys: KeyTable,
    /// Prefixes of the space's other sets that overlap this one: rare, since only a request with a
    /// sub-pool may overlap at all.
    pub(crate) related: BTreeSet<Prefix>,
}

impl AddressSet {
    /// All free but the edges.
    pub(crate) fn new(prefix: Prefix) -> Self {
        let mut set = Self {
            prefix,
            taken: OffsetSet::default(),
            claims: ClaimTable::default(),
            cooling: CoolingList::default(),
            cursor: None,
            pools: BTreeMap::new(),
            next_pool: 0,
            keys: KeyTable::default(),
            related: BTreeSet::new(),
        };
        for edge in edges(prefix) {
            set.taken.insert(edge, edge);
        }
        set
    }

    /// The pool with this number.
    pub(crate) fn pool(&self, number: PoolNumber) -> Option<&Pool> {
        self.pools.values().find(|pool| pool.number == number)
    }

    /// Whether an offset is claimed or cooling in this set.
    pub(crate) fn holds(&self, offset: u128) -> bool {
        self.claims.get(offset).is_some() || self.cooling.get(offset).is_some()
    }

    /// The offsets from which a dynamic request of a pool is served.
    pub(crate) fn range(&self, sub_pool: Option<Prefix>) -> RangeInclusive<u128> {
        match sub_pool {
            Some(sub_pool) => {
                let first = sub_pool.first() - self.prefix.first();
                first..=first + sub_pool.last_offset()
            }
            None => 0..=self.prefix.last_offset(),
        }
    }

    /// The free offset that a dynamic request gets.
    pub(crate) fn choose(&self, range: &RangeInclusive<u128>, order: Order) -> Option<u128> {
        let (first, last) = (*range.start(), *range.end());
        let start = match (order, self.cursor) {
            (Order::Serial, Some(cursor)) if cursor < last && first <= cursor => cursor + 1,
            _ => first,
        };
        let gap = |from, last| self.taken.gap(from).filter(|gap| *gap <= last);
        gap(start, last).or_else(|| gap(first, start.checked_sub(1)?))
    }
}

/// Whether an offset belongs to nobody.
pub(crate) fn is_edge(prefix: Prefix, offset: u128) -> bool {
    edges(prefix).any(|edge| edge == offset)
}

/// Offsets that belong to nobody: network and broadcast address of an IPv4 prefix with more than two
/// addresses (RFC 3021 uses both of a /31), the subnet-router anycast address of an IPv6 prefix
/// (RFC 4291, 2.6.1).
pub(crate) fn edges(prefix: Prefix) -> impl Iterator<Item = u128> {
    let last = prefix.last_offset();
    let (network, broadcast) = match prefix.family() {
        Family::V4 if last > 1 => (Some(0), Some(last)),
        Family::V4 => (None, None),
        Family::V6 => (Some(0), None),
    };
    network.into_iter().chain(broadcast)
}
