//! What engines ask for, in the allocator's own types.

use std::collections::BTreeMap;
use std::net::IpAddr;

use berth_allocator::{
    AddressKind, Family, Labels, Order, Owner, PoolId, PoolName, Prefix, RequestAddress, SpaceName,
    Text, WantedPool,
};
use ipamapi::{ErrorKind, IpamError, Options, PoolRequest, PoolSpec};

/// Puts a network of one host into a named space.
const SPACE: &str = "berth.space";
/// Names an automatic pool, so that several hosts of a shared space get the same one.
const NETWORK: &str = "berth.network";
/// Remembers an address by this key.
const KEY: &str = "berth.key";

/// The space that a pool request is about: the engine's, or the one that the user named instead of
/// the host's own.
pub(super) fn space(request: &PoolRequest, local: &SpaceName) -> Result<SpaceName, IpamError> {
    let named = request.options.get(SPACE).filter(|_| request.space == local.as_str());
    let name = named.unwrap_or(&request.space);
    SpaceName::new(name).map_err(|error| ErrorKind::InvalidAddressSpace.because(error.to_string()))
}

/// The pool that is asked for.
pub(super) fn wanted(request: &PoolRequest) -> Result<WantedPool, IpamError> {
    Ok(match request.pool {
        PoolSpec::Exact { prefix, sub_pool } => WantedPool::Exact {
            prefix: Prefix::truncated(prefix),
            sub_pool: sub_pool.map(Prefix::truncated),
        },
        PoolSpec::Automatic { family, prefix_len } => WantedPool::Automatic {
            family: match family {
                ipamapi::Family::V4 => Family::V4,
                ipamapi::Family::V6 => Family::V6,
            },
            length: prefix_len,
            exclude: request.exclude.iter().copied().map(Prefix::truncated).collect(),
            name: request.options.get(NETWORK).map(PoolName::new).transpose().map_err(bad)?,
        },
    })
}

/// The user's options, kept with the pool. The engine's own tell nothing about it.
pub(super) fn labels(options: &Options) -> Result<Labels, IpamError> {
    let own = |key: &str| key.starts_with("com.docker.network.") || key == "RequestAddressType";
    let mut labels = BTreeMap::new();
    for (key, value) in options.iter().filter(|(key, _)| !own(key)) {
        labels.insert(Text::new(key).map_err(bad)?, Text::new(value).map_err(bad)?);
    }
    Labels::new(labels).map_err(bad)
}

/// The pool that an engine's id names.
pub(super) fn pool_id(id: &ipamapi::PoolId) -> Result<PoolId, IpamError> {
    id.as_str().parse().map_err(|error: berth_allocator::PoolIdError| bad(error))
}

/// The address that is asked for.
pub(super) fn address(
    pool: PoolId,
    address: Option<IpAddr>,
    options: &Options,
) -> Result<RequestAddress, IpamError> {
    let kind = if options.is_gateway() { AddressKind::Gateway } else { AddressKind::Endpoint };
    let order = if options.is_serial() { Order::Serial } else { Order::First };
    let key = options.get(KEY).map(Text::new).transpose().map_err(bad)?;
    let owner = owner(options);
    Ok(RequestAddress { pool, address, kind, order, key, owner, unverified: true })
}

/// For whom: only what can be shown. An engine's odd name is no reason to refuse a container.
fn owner(options: &Options) -> Option<Owner> {
    let text = |text: &str| Text::new(text).ok();
    let name = options.endpoint_name().and_then(text);
    let mac = options.mac_address().and_then(text);
    (name.is_some() || mac.is_some()).then(|| Owner { name, mac, labels: Labels::default() })
}

fn bad<E: std::fmt::Display>(error: E) -> IpamError {
    IpamError::bad_request(error.to_string())
}
