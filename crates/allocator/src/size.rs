//! What parts of the state take in a snapshot, in bytes, at most: integers, lengths and variants
//! count at their longest, which is how decoding counts them too.

use crate::address_set::AddressSet;
use crate::claim::{Claim, Cooling, Owner};
use crate::names::{Labels, Text};
use crate::pool::Pool;
use crate::settings::Reservation;
use crate::space::Space;

const TAG: u64 = 1;
const U32: u64 = 5;
const U64: u64 = 9;
const U128: u64 = 17;
const ADDRESS: u64 = U32 + 16;
const PREFIX: u64 = ADDRESS + 1;

/// A claim without its owner, with its offset. It is counted as if it cooled, so that a release
/// needs no room.
const CLAIM: u64 = U128 + 3 * U64 + 2 * U32 + U32 + TAG + 2 * TAG + COOLING;
/// What cooling adds to a claim.
const COOLING: u64 = 2 * U64 + TAG;
/// A holder of a pool.
pub(crate) const HOLDING: u64 = U32 + 3 * U64 + TAG + TAG + U64;
/// A pool without its holders, name and labels.
const POOL: u64 = U32 + TAG + PREFIX + U64 + TAG + U128 + TAG + U64 + U64 + TAG;
/// A prefix without all that is in it.
pub(crate) const SET: u64 = PREFIX + TAG + U128 + U32 + 4 * U64;

fn text(text: &str) -> u64 {
    U64 + text.len() as u64
}

/// A key and its offset.
pub(crate) fn key(key: &Text) -> u64 {
    text(key.as_str()) + U128
}

fn optional(value: Option<&Text>) -> u64 {
    TAG + value.map_or(0, |value| text(value.as_str()))
}

fn labels(labels: &Labels) -> u64 {
    labels.iter().map(|(key, value)| text(key.as_str()) + text(value.as_str())).sum()
}

fn owner(owner: &Owner) -> u64 {
    optional(owner.name.as_ref()) + optional(owner.mac.as_ref()) + U64 + labels(&owner.labels)
}

impl Claim {
    /// Bytes of this claim alone, without those of hosts that share its address.
    pub(crate) fn bytes(&self) -> u64 {
        CLAIM + self.owner().map_or(0, owner)
    }
}

impl Cooling {
    /// As many as its claim took.
    pub(crate) fn bytes(&self) -> u64 {
        self.claim.bytes()
    }
}

impl Pool {
    /// Bytes of the pool and its holders; a name counts twice, since the space lists it too.
    pub(crate) fn bytes(&self) -> u64 {
        let name = self.name.as_ref().map_or(0, |name| 2 * text(name.as_str()) + U32 + PREFIX);
        POOL + HOLDING * self.holders.len() as u64 + name + labels(&self.labels)
    }
}

impl Reservation {
    /// Bytes of the reservation.
    pub(crate) fn bytes(&self) -> u64 {
        2 * ADDRESS + text(self.note.as_str()) + TAG
    }
}

impl AddressSet {
    /// Bytes of the prefix and all that is in it. Costs as much as there is.
    pub(crate) fn bytes(&self) -> u64 {
        let pools: u64 = self.pools.values().map(Pool::bytes).sum();
        let claims = self.claims.iter().flat_map(|(_, first)| first.all());
        let claims: u64 = claims.map(Claim::bytes).sum();
        let cooling: u64 = self.cooling.iter().map(|(_, entry)| entry.bytes()).sum();
        SET + pools + claims + cooling + self.keys.bytes()
    }
}

impl Space {
    /// What [`Space::bytes`] must be. Costs as much as there is.
    pub(crate) fn counted(&self) -> u64 {
        let sets: u64 = self.sets.values().map(AddressSet::bytes).sum();
        let reservations: u64 = self.reservations.values().map(Reservation::bytes).sum();
        sets + reservations
    }
}

#[cfg(test)]
mod tests;
