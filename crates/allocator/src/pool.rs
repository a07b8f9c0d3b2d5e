//! Pools: who holds a prefix, or a part of it.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::claim::{ClientNumber, PoolNumber};
use crate::names::{Labels, PoolName};
use crate::{ClaimId, Prefix, Revision, SessionId, Timestamp};

/// A pool over a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its place among the pools over the same prefix.
    pub number: PoolNumber,
    /// The part of the prefix for dynamic requests.
    pub sub_pool: Option<Prefix>,
    /// Who holds it: the one claimant of an exclusive or local space, or hosts of a shared one, in
    /// order of their numbers. Never empty.
    pub holders: Vec<Holding>,
    /// Offset of its gateway.
    pub gateway: Option<u128>,
    /// The name by which hosts of a shared space ask for it.
    pub name: Option<PoolName>,
    /// Kept and shown.
    pub labels: Labels,
    /// When it was first claimed.
    pub since: Timestamp,
    /// The state may lack addresses that were given from it: nothing new is given.
    pub behind: bool,
}

/// A claim on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The host through which it was made or adopted.
    pub client: ClientNumber,
    /// The session that made or adopted it: the pool's epoch for this holder.
    pub epoch: SessionId,
    /// Identifies it.
    pub claim: ClaimId,
    /// When it was made; an adoption does not change it.
    pub since: Timestamp,
    /// It was adopted, and the gateway has not been claimed again: the replay is not over, or failed.
    pub gateway_due: bool,
    /// In doubt since this revision: out of service, and granted again to an explicit request.
    pub suspect: Option<Revision>,
}
