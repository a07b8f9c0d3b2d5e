//! What a file asks for, in the allocator's words.

use std::net::IpAddr;

use berth_allocator::{
    AddressKind, ClientName, Labels, Owner, PoolName, Prefix, Reserve, Sharing, SpaceName,
    SpaceSettings,
};

use crate::api::types::Imported;

/// A host, by its place in [`Plan::hosts`].
pub(super) type Host = usize;

/// All that a file holds.
#[derive(Default)]
pub(crate) struct Plan {
    pub(super) hosts: Vec<ClientName>,
    pub(super) spaces: Vec<PlannedSpace>,
    /// Cooling addresses that nobody could claim and release.
    pub(super) left_out: u64,
}

/// A space, and what is in it. Numbers of lines are for the words of a refusal.
pub(super) struct PlannedSpace {
    pub(super) line: u64,
    pub(super) name: SpaceName,
    pub(super) settings: SpaceSettings,
    pub(super) reservations: Vec<(u64, Reserve)>,
    pub(super) pools: Vec<PlannedPool>,
}

/// A pool.
pub(super) struct PlannedPool {
    pub(super) line: u64,
    pub(super) prefix: Prefix,
    pub(super) sub_pool: Option<Prefix>,
    pub(super) name: Option<PoolName>,
    pub(super) gateway: Option<IpAddr>,
    pub(super) labels: Labels,
    /// At least one.
    pub(super) holders: Vec<Host>,
    pub(super) addresses: Vec<PlannedAddress>,
}

/// An address.
pub(super) struct PlannedAddress {
    pub(super) line: u64,
    pub(super) address: IpAddr,
    pub(super) host: Host,
    pub(super) kind: AddressKind,
    pub(super) owner: Option<Box<Owner>>,
    pub(super) cooling: Option<Cooling>,
}

/// An address that was released.
#[derive(Clone, Copy)]
pub(super) struct Cooling {
    /// It waits for an observation of the engine.
    pub(super) unverified: bool,
}

impl PlannedSpace {
    pub(super) fn is_shared(&self) -> bool {
        self.settings.sharing == Sharing::Shared
    }
}

impl Plan {
    /// The spaces' names, and the lines in which they stand.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = (u64, &SpaceName)> {
        self.spaces.iter().map(|space| (space.line, &space.name))
    }

    /// How much it is.
    pub(crate) fn counts(&self) -> Imported {
        let mut counts = Imported { left_out: self.left_out, ..Imported::default() };
        for space in &self.spaces {
            counts.spaces += 1;
            counts.reservations += space.reservations.len() as u64;
            counts.pools += space.pools.len() as u64;
            for address in space.pools.iter().flat_map(|pool| &pool.addresses) {
                let of = if address.cooling.is_some() {
                    &mut counts.cooling
                } else {
                    &mut counts.addresses
                };
                *of += 1;
            }
        }
        counts
    }

    /// How many things there are to be claimed.
    pub(crate) fn size(&self) -> u64 {
        let pools = self.spaces.iter().flat_map(|space| &space.pools);
        let claims = |pool: &PlannedPool| pool.holders.len() + pool.addresses.len();
        pools.map(claims).sum::<usize>() as u64
    }
}
