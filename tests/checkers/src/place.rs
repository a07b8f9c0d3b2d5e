//! Where something is, and who may claim it again: what the claim rules compare.

use berth_allocator::{PoolId, Prefix, SpaceName};

use crate::{Operation, Scope};

/// A space of one state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place<'a> {
    /// The host whose state it is; nothing for the cluster's.
    host: Option<&'a str>,
    space: &'a SpaceName,
}

impl<'a> Place<'a> {
    /// Where an operation on a pool takes place.
    pub(crate) fn of(operation: &'a Operation, pool: &'a PoolId) -> Self {
        Self::at(operation.scope, &operation.host, &pool.space)
    }

    pub(crate) fn at(scope: Scope, host: &'a str, space: &'a SpaceName) -> Self {
        Self { host: (scope == Scope::Local).then_some(host), space }
    }
}

/// A pool, whatever the epoch of its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Which<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) prefix: Prefix,
    pub(crate) sub_pool: Option<Prefix>,
}

impl<'a> Which<'a> {
    pub(crate) fn of(operation: &'a Operation, pool: &'a PoolId) -> Self {
        Self::at(Place::of(operation, pool), pool)
    }

    pub(crate) fn at(place: Place<'a>, pool: &PoolId) -> Self {
        Self { place, prefix: pool.prefix, sub_pool: pool.sub_pool }
    }
}

/// Who speaks: in an exclusive space the whole realm, elsewhere a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Claimant<'a>(Option<&'a str>);

impl<'a> Claimant<'a> {
    /// Whoever speaks in an exclusive space. The first of all.
    pub(crate) const REALM: Self = Self(None);

    /// Whoever speaks in any other.
    pub(crate) fn host(operation: &'a Operation) -> Self {
        Self(Some(&operation.host))
    }

    /// Ids of exclusive spaces carry an epoch, and no others do.
    pub(crate) fn of(operation: &'a Operation, pool: &PoolId) -> Self {
        if pool.epoch.is_some() { Self::REALM } else { Self::host(operation) }
    }
}
