//! Exports and imports.

use serde::{Deserialize, Serialize};

use super::{Address, Pool, Reading, Reservation, Space};
use crate::api::Problem;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ExportLine {
    /// The first: what follows.
    Export {
        /// The form of the lines.
        version: u64,
        /// Which state of the cluster; nothing for a host's own.
        read: Option<Reading>,
    },
    /// A space; its reservations, pools and addresses follow.
    Space(Box<Space>),
    /// Addresses out of use.
    Reservation {
        /// Where.
        space: String,
        /// Which.
        #[serde(flatten)]
        reservation: Reservation,
    },
    /// A pool.
    Pool(Box<Pool>),
    /// An address that is claimed or cooling.
    Address(Box<Address>),
    /// The last: an export without it was cut.
    End {
        /// Lines before it.
        lines: u64,
    },
}

/// What an import has brought, or would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Spaces.
    pub spaces: u64,
    /// Reservations.
    pub reservations: u64,
    /// Pools.
    pub pools: u64,
    /// Addresses that are held.
    pub addresses: u64,
    /// Addresses that cool, anew.
    pub cooling: u64,
    /// Addresses that cooled and are free now: their hosts had left the pool.
    pub left_out: u64,
}

/// A line of an import's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ImportLine {
    /// How far it is.
    Progress {
        /// Pools and addresses that are claimed.
        done: u64,
        /// All of them.
        of: u64,
    },
    /// The last, if all was done.
    Done(Imported),
    /// The last, if not: the spaces stay closed.
    Failed {
        /// What happened.
        problem: Problem,
    },
}
