//! A claim: who holds an address, since when, by which session.

use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::names::{Labels, Text};
use crate::{ClaimId, Revision, SessionId, Timestamp};

/// A client's place in the state's table: what a claim keeps instead of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClientNumber(pub(crate) u32);

/// A pool's place among the pools over one prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolNumber(pub(crate) u32);

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AddressKind {
    /// A container, a load balancer, a service.
    Endpoint,
    /// The pool's gateway.
    Gateway,
    /// Set aside for something that is no container (`--aux-address`).
    Auxiliary,
}

/// For whom an address is, as far as the engine says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The endpoint's name.
    pub name: Option<Text>,
    /// Its MAC address.
    pub mac: Option<Text>,
    /// Anything else.
    pub labels: Labels,
}

/// A claim on an address. It holds until it is released; whether it is *stale* (of an earlier epoch
/// than its pool) depends on the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Identifies it.
    pub id: ClaimId,
    /// The session that made or adopted it.
    pub epoch: SessionId,
    /// When it was made; an adoption does not change it.
    pub since: Timestamp,
    /// The host through which it was made or adopted.
    pub client: ClientNumber,
    /// The pool id under which it was made.
    pub pool: PoolNumber,
    /// What for.
    pub kind: AddressKind,
    /// In doubt: its pool was released around it, or its host forgotten. It is given to nobody, and
    /// granted again to its claimant's explicit request.
    pub suspect: bool,
    /// What few claims have.
    pub more: Option<Box<More>>,
}

/// What few claims have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct More {
    /// For whom.
    pub owner: Option<Owner>,
    /// Further holders of an address that is common to the hosts of a shared space. A snapshot lists
    /// them behind the first.
    #[serde(skip)]
    pub sharers: Vec<Claim>,
}

impl Claim {
    /// For whom, as far as the engine says.
    pub fn owner(&self) -> Option<&Owner> {
        self.more.as_ref()?.owner.as_ref()
    }

    /// Every claim on the address: this one, and those of hosts that share it.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        core::iter::once(self).chain(self.sharers())
    }

    /// Takes the further holders out.
    pub(crate) fn take_sharers(&mut self) -> Vec<Self> {
        let Some(mut more) = self.more.take() else { return Vec::new() };
        let sharers = core::mem::take(&mut more.sharers);
        self.more = more.owner.is_some().then_some(more);
        sharers
    }

    /// Puts those of the claims on the address in doubt that are chosen.
    pub(crate) fn suspect_where(&mut self, chosen: impl Fn(&Self) -> bool) {
        self.suspect |= chosen(self);
        for sharer in self.more.iter_mut().flat_map(|more| &mut more.sharers) {
            sharer.suspect |= chosen(sharer);
        }
    }

    /// The claims of hosts that share the address with this one.
    pub fn sharers(&self) -> &[Self] {
        self.more.as_ref().map_or(&[], |more| &more.sharers)
    }
}

/// An address that was released and is not free yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooling {
    /// The claim that ended.
    pub claim: Claim,
    /// The revision that ended it: an observation must have begun later to count.
    pub released: Revision,
    /// When.
    pub at: Timestamp,
    /// An observation must confirm that it is unused.
    pub unverified: bool,
}
