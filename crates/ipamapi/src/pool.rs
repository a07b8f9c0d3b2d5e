//! Pools: what is asked for, and what is given.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use crate::constants::GATEWAY;
use crate::prefix::{Family, parse_interface, parse_prefix};
use crate::{ErrorKind, IpamError, Options, Result};

/// A driver's name for a pool it gave: opaque to everybody else, never empty.
///
/// The engine stores it and uses it for every later call, also after upgrades and restarts, while
/// Swarm asks again at each leader start. So a good id is derived from the request
/// (`SPACE/POOL[/SUBPOOL]`), not counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(String);

impl PoolId {
    /// Takes an id. An empty one is refused.
    pub fn new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        if id.is_empty() {
            return Err(IpamError::bad_request("invalid pool id: it is empty"));
        }
        Ok(Self(id))
    }

    /// The id as the engine sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request for a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRequest {
    /// The address space, one of the driver's own names; never empty.
    pub space: String,
    /// Which pool.
    pub pool: PoolSpec,
    /// Options of the user and the engine.
    pub options: Options,
    /// Prefixes that an automatic pool had better not overlap (the host's routes). Engines keep
    /// this to themselves: over a socket it is always empty.
    pub exclude: Vec<IpNet>,
}

impl PoolRequest {
    /// Reads a request from the strings of the contract, which engines, old and new, write in
    /// several ways; see [`PoolSpec::parse`].
    pub fn parse(space: &str, pool: &str, sub_pool: &str, v6: bool) -> Result<Self> {
        if space.is_empty() {
            return Err(ErrorKind::InvalidAddressSpace.because("the address space is empty"));
        }
        let pool = PoolSpec::parse(pool, sub_pool, v6)?;
        Ok(Self { space: space.to_owned(), pool, options: Options::new(), exclude: Vec::new() })
    }

    /// The same request with these options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

/// Which pool is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolSpec {
    /// Any pool that overlaps no other. Each such request gets a pool not given before: engines
    /// ask again, holding the first, until none overlaps a route of their host.
    Automatic {
        /// Of this family.
        family: Family,
        /// Of this length, where the request names one (`0.0.0.0/24`).
        prefix_len: Option<u8>,
    },
    /// This pool.
    Exact {
        /// The pool, without host bits.
        prefix: IpNet,
        /// Where dynamic addresses come from: a prefix inside the pool, or the pool itself.
        sub_pool: Option<IpNet>,
    },
}

impl PoolSpec {
    /// Reads `Pool`, `SubPool` and `V6` as the contract has them.
    ///
    /// - No pool, `0.0.0.0/0` or `::/0`: automatic. `0.0.0.0/24`: automatic of this length.
    /// - The family is the pool's; `v6` counts only where there is no pool (Swarm never sets it).
    /// - Host bits are masked; where that leaves `0.0.0.0` or `::`, the pool is refused, since it could
    ///   not be told from an automatic one. A sub-pool wider than its pool is the pool; one that lies
    ///   elsewhere, is of the other family or has no pool is refused.
    pub fn parse(pool: &str, sub_pool: &str, v6: bool) -> Result<Self> {
        let no_pool = || ErrorKind::InvalidSubPool.because("a subpool needs a pool");
        if pool.is_empty() {
            let family = if v6 { Family::V6 } else { Family::V4 };
            let automatic = Self::Automatic { family, prefix_len: None };
            return if sub_pool.is_empty() { Ok(automatic) } else { Err(no_pool()) };
        }
        let interface = parse_interface(pool).ok_or_else(|| {
            ErrorKind::InvalidPool.because(format!("{pool:?} is not a prefix such as 10.0.0.0/24"))
        })?;
        if interface.addr().is_unspecified() {
            let prefix_len = Some(interface.prefix_len()).filter(|&length| length > 0);
            let automatic = Self::Automatic { family: Family::of(&interface), prefix_len };
            return if sub_pool.is_empty() { Ok(automatic) } else { Err(no_pool()) };
        }
        let prefix = interface.trunc();
        if prefix.addr().is_unspecified() {
            return Err(ErrorKind::InvalidPool.because(format!(
                "{pool:?} begins at {}, where it means any pool of that length: ask for a part of it",
                prefix.addr()
            )));
        }
        let sub_pool = match sub_pool {
            "" => None,
            text => Some(parse_sub_pool(text, prefix)?),
        };
        Ok(Self::Exact { prefix, sub_pool })
    }

    /// The family of the pool.
    pub fn family(&self) -> Family {
        match self {
            Self::Automatic { family, .. } => *family,
            Self::Exact { prefix, .. } => Family::of(prefix),
        }
    }

    /// Whether the driver chooses the pool.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic { .. })
    }
}

fn parse_sub_pool(text: &str, pool: IpNet) -> Result<IpNet> {
    let refused = |why: String| Err(ErrorKind::InvalidSubPool.because(why));
    let Some(sub_pool) = parse_prefix(text) else {
        return refused(format!("{text:?} is not a prefix such as 10.0.0.0/24"));
    };
    if Family::of(&sub_pool) != Family::of(&pool) {
        return refused(format!("{sub_pool} and its pool {pool} are of different families"));
    }
    if pool.contains(&sub_pool) {
        return Ok(sub_pool);
    }
    if sub_pool.contains(&pool) {
        return Ok(pool);
    }
    refused(format!("{sub_pool} lies outside its pool {pool}"))
}

/// A pool that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocatedPool {
    /// The driver's name for it.
    pub id: PoolId,
    /// The pool: the whole of it, not its sub-pool.
    pub pool: IpNet,
    /// Addresses that come with it, by well-known keys; most often none.
    pub data: BTreeMap<String, String>,
    /// A mark of the driver's own, such as a claim's number. It never leaves the process, and
    /// comes back in [`Ipam::undelivered`](crate::Ipam::undelivered).
    pub mark: Option<u64>,
}

impl AllocatedPool {
    /// A pool without data.
    pub fn new(id: PoolId, pool: IpNet) -> Self {
        Self { id, pool: pool.trunc(), data: BTreeMap::new(), mark: None }
    }

    /// Names the gateway together with the pool, so that the engine does not ask for one. It will
    /// release it all the same when the network goes.
    #[must_use]
    pub fn with_gateway(mut self, gateway: IpNet) -> Self {
        self.data.insert(GATEWAY.to_owned(), gateway.to_string());
        self
    }

    /// Sets the driver's own mark.
    #[must_use]
    pub fn with_mark(mut self, mark: u64) -> Self {
        self.mark = Some(mark);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pool: &str, sub_pool: &str, v6: bool) -> Result<PoolSpec, ErrorKind> {
        PoolSpec::parse(pool, sub_pool, v6).map_err(|error| error.kind())
    }

    fn automatic(family: Family, prefix_len: Option<u8>) -> PoolSpec {
        PoolSpec::Automatic { family, prefix_len }
    }

    #[test]
    fn automatic_in_all_its_spellings() {
        assert_eq!(parse("", "", false), Ok(automatic(Family::V4, None)));
        assert_eq!(parse("", "", true), Ok(automatic(Family::V6, None)));
        assert_eq!(parse("0.0.0.0/0", "", true), Ok(automatic(Family::V4, None)));
        assert_eq!(parse("::/0", "", false), Ok(automatic(Family::V6, None)));
        assert_eq!(parse("0.0.0.0/24", "", false), Ok(automatic(Family::V4, Some(24))));
        assert_eq!(parse("::/64", "", false), Ok(automatic(Family::V6, Some(64))));
    }

    #[test]
    fn a_pool_that_could_be_taken_for_any_is_refused() {
        for pool in ["1.0.0.0/4", "1.2.3.4/0", "::1/64", "100::/6"] {
            assert_eq!(parse(pool, "", false), Err(ErrorKind::InvalidPool), "{pool}");
        }
    }

    #[test]
    fn the_pool_tells_the_family() {
        let spec = parse("fd00:9::1/64", "", false).unwrap();
        assert_eq!(spec.family(), Family::V6);
        assert!(!spec.is_automatic());
    }

    #[test]
    fn sub_pools_are_checked_against_their_pool() {
        let sub_pool = |pool, sub_pool| match parse(pool, sub_pool, false)? {
            PoolSpec::Exact { sub_pool, .. } => Ok(sub_pool.unwrap().to_string()),
            PoolSpec::Automatic { .. } => panic!("{pool} is exact"),
        };
        assert_eq!(sub_pool("10.20.0.0/16", "10.20.3.9/24").unwrap(), "10.20.3.0/24");
        assert_eq!(sub_pool("10.20.0.0/16", "10.20.0.0/15").unwrap(), "10.20.0.0/16");
        for (pool, sub) in [
            ("10.20.0.0/16", "10.21.0.0/24"),
            ("10.20.0.0/16", "fd00::/64"),
            ("10.20.0.0/16", "10.20.0.0"),
            ("", "10.20.0.0/16"),
            ("0.0.0.0/24", "10.20.0.0/16"),
        ] {
            assert_eq!(sub_pool(pool, sub), Err(ErrorKind::InvalidSubPool), "{pool} {sub}");
        }
    }

    #[test]
    fn a_request_names_its_space() {
        let error = PoolRequest::parse("", "", "", false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddressSpace);
        assert!(PoolId::new("").is_err());
    }
}
