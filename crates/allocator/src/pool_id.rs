//! Pool ids: what an engine keeps on its disk and sends back.

use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::{Prefix, SessionId, SpaceName};

/// Names a pool: `SPACE/PREFIX[/SUBPOOL]`, in an exclusive space `SPACE~EPOCH/PREFIX[/SUBPOOL]`.
///
/// The epoch is the session under which the id was given: a manager that has been deposed since is
/// known by it. Without one, an id of an exclusive space means the pool as it is now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolId {
    /// The address space.
    pub space: SpaceName,
    /// The session under which the id was given; exclusive spaces only.
    pub epoch: Option<SessionId>,
    /// The pool's prefix.
    pub prefix: Prefix,
    /// The part of the prefix from which dynamic requests are served.
    pub sub_pool: Option<Prefix>,
}

/// A text that is no pool id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid pool id: {text}")]
pub struct PoolIdError {
    /// The text.
    pub text: String,
}

impl core::str::FromStr for PoolId {
    type Err = PoolIdError;

    fn from_str(text: &str) -> Result<Self, PoolIdError> {
        parse(text).ok_or_else(|| PoolIdError { text: text.to_string() })
    }
}

fn parse(text: &str) -> Option<PoolId> {
    let (head, prefixes) = text.split_once('/')?;
    let (space, epoch) = match head.split_once('~') {
        Some((space, epoch)) => (space, Some(SessionId::new(plain_number(epoch)?))),
        None => (head, None),
    };
    let mut slashes = prefixes.match_indices('/').map(|(at, _)| at);
    let (_, between) = (slashes.next()?, slashes.next());
    let (prefix, sub_pool) = match between {
        Some(at) => (prefixes.get(..at)?, Some(prefixes.get(at + 1..)?)),
        None => (prefixes, None),
    };
    Some(PoolId {
        space: space.parse().ok()?,
        epoch,
        prefix: prefix.parse().ok()?,
        sub_pool: sub_pool.map(str::parse).transpose().ok()?,
    })
}

/// A number as we write it: one pool must not have two ids.
fn plain_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.space)?;
        if let Some(epoch) = self.epoch {
            write!(f, "~{epoch}")?;
        }
        write!(f, "/{}", self.prefix)?;
        match self.sub_pool {
            Some(sub_pool) => write!(f, "/{sub_pool}"),
            None => Ok(()),
        }
    }
}
