//! The settings of an address space.

use alloc::vec::Vec;
use core::net::IpAddr;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::limits::{RANGES_MAX, REUSE_DELAY_MS_MAX};
use crate::names::Text;
use crate::prefix::number;
use crate::{Family, Millis, Prefix};

/// Whose the claims in a space are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// One Swarm's (a realm): its managers claim in turn, each new leader adopts what the last held.
    Exclusive,
    /// Many hosts', each for itself, who may all hold the same pool: one network segment.
    Shared,
    /// One host's own; not replicated.
    Local,
}

/// The settings of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceSettings {
    /// Whose claims it holds. Fixed once the space exists.
    pub sharing: Sharing,
    /// Where automatic pools come from, in this order.
    pub ranges: Vec<PoolRange>,
    /// How long a released address is given to nobody.
    pub reuse_delay: Millis,
    /// Automatic pools keep clear of the pools of all other spaces that say so too.
    pub apart: bool,
}

/// A range from which automatic pools are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRange {
    /// Where pools come from; host bits say where in the network the first one may start.
    pub base: IpNet,
    /// Prefix length of a pool, unless the request says otherwise.
    pub length: u8,
}

/// Settings that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SettingsError {
    /// More than [`RANGES_MAX`].
    #[error("a space may have {max} ranges at most", max = RANGES_MAX)]
    TooManyRanges,
    /// Pools would be larger than their range, or smaller than an address.
    #[error("pools of length /{length} cannot be cut from {base}")]
    Length {
        /// The range.
        base: IpNet,
        /// The length asked for.
        length: u8,
    },
    /// Longer than [`REUSE_DELAY_MS_MAX`].
    #[error("the reuse delay may be {max} ms at most", max = REUSE_DELAY_MS_MAX)]
    ReuseDelay,
}

impl SpaceSettings {
    /// Reuse delay of an exclusive space unless set otherwise: 60 s.
    pub const REUSE_DELAY: Millis = Millis::new(60_000);

    /// Defaults of a Swarm's global space, as current engines have them: `10.0.0.0/8` in /24, and
    /// `v6` (the cluster's own unique local /48) in /64.
    pub fn exclusive(v6: Option<Prefix>) -> Self {
        let mut ranges = Vec::from([v4_range([10, 0, 0, 0], 8, 24)]);
        ranges.extend(v6.map(|base| PoolRange { base: base.into(), length: 64 }));
        Self { sharing: Sharing::Exclusive, ranges, reuse_delay: Self::REUSE_DELAY, apart: true }
    }

    /// Defaults of a host's local space, as current engines have them: `172.17.0.0/16` to
    /// `172.31.0.0/16`, then `192.168.0.0/16` in /20; and `v6` in /64.
    pub fn local(v6: Option<Prefix>) -> Self {
        let mut ranges = Vec::new();
        for (second, length) in [(17, 16), (18, 16), (19, 16), (20, 14), (24, 14), (28, 14)] {
            ranges.push(v4_range([172, second, 0, 0], length, 16));
        }
        ranges.push(v4_range([192, 168, 0, 0], 16, 20));
        ranges.extend(v6.map(|base| PoolRange { base: base.into(), length: 64 }));
        Self { sharing: Sharing::Local, ranges, reuse_delay: Millis::new(0), apart: false }
    }

    /// Checks them.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.ranges.len() > RANGES_MAX {
            return Err(SettingsError::TooManyRanges);
        }
        if self.reuse_delay.get() > REUSE_DELAY_MS_MAX {
            return Err(SettingsError::ReuseDelay);
        }
        for &PoolRange { base, length } in &self.ranges {
            if !(base.prefix_len()..=base.max_prefix_len()).contains(&length) {
                return Err(SettingsError::Length { base, length });
            }
        }
        Ok(())
    }
}

fn v4_range(octets: [u8; 4], base: u8, length: u8) -> PoolRange {
    PoolRange { base: IpNet::new_assert(octets.into(), base), length }
}

impl PoolRange {
    /// IPv4 or IPv6.
    pub fn family(&self) -> Family {
        Family::of(self.base.addr())
    }

    /// Numbers of the first and the last address.
    pub fn bounds(&self) -> (u128, u128) {
        (number(self.base.addr()), Prefix::truncated(self.base).last())
    }
}

/// Addresses that are out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// First address.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
    /// What for.
    pub note: Text,
    /// Whether all hosts of a shared space may hold them explicitly, at once.
    pub common: bool,
}
