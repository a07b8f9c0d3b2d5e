//! Addresses: what is asked for, and what is given.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::prefix::parse_address;
use crate::{IpamError, Options, PoolId, Result};

/// A request for an address of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRequest {
    /// The pool, as the driver named it.
    pub pool_id: PoolId,
    /// This address, or any (`None`).
    pub address: Option<IpAddr>,
    /// What for: gateway, serial order, the endpoint's MAC and name.
    pub options: Options,
}

impl AddressRequest {
    /// Reads a request from the strings of the contract. No address means any.
    pub fn parse(pool_id: &str, address: &str) -> Result<Self> {
        let pool_id = PoolId::new(pool_id)?;
        let address = match address {
            "" => None,
            text => Some(parse_wanted(text)?),
        };
        Ok(Self { pool_id, address, options: Options::new() })
    }

    /// The same request with these options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

/// An address to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRelease {
    /// The pool, as the driver named it.
    pub pool_id: PoolId,
    /// The address.
    pub address: IpAddr,
}

impl AddressRelease {
    /// Reads a release from the strings of the contract. Swarm sends empty ones when it rolls
    /// back: these are refused, and release nothing.
    pub fn parse(pool_id: &str, address: &str) -> Result<Self> {
        Ok(Self { pool_id: PoolId::new(pool_id)?, address: parse_wanted(address)? })
    }
}

fn parse_wanted(text: &str) -> Result<IpAddr> {
    parse_address(text).ok_or_else(|| IpamError::bad_request(format!("invalid address: {text:?}")))
}

/// An address that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatedAddress {
    /// The address with the length of its *pool*, not of the sub-pool: `10.9.0.1/16`.
    pub address: IpNet,
    /// A mark of the driver's own, such as a claim's number. It never leaves the process, and
    /// comes back in [`Ipam::undelivered`](crate::Ipam::undelivered).
    pub mark: Option<u64>,
}

impl AllocatedAddress {
    /// An address, with the length of its pool.
    pub fn new(address: IpNet) -> Self {
        Self { address, mark: None }
    }

    /// Sets the driver's own mark.
    #[must_use]
    pub fn with_mark(mut self, mark: u64) -> Self {
        self.mark = Some(mark);
        self
    }
}
