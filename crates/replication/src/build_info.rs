//! What a build knows: which version it is, and which level of a cluster it can do.

use berth_allocator::{Level, State};
use serde::{Deserialize, Serialize};

/// A build of Berth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its version.
    pub version: String,
    /// The newest level that it knows.
    pub newest: Level,
}

impl Build {
    /// This one.
    pub fn own() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), newest: Level::NEWEST }
    }
}

/// The cluster is at a level that this build does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster is at level {level}, and this build of Berth ({version}) knows level {newest} at most: \
     install the version that the other nodes run",
    version = env!("CARGO_PKG_VERSION"),
    newest = Level::NEWEST
)]
pub struct UnknownLevel {
    level: Level,
}

impl UnknownLevel {
    /// Whether this build can go on with a state.
    pub(crate) fn check(state: &State) -> Result<(), Self> {
        let level = state.level();
        if level <= Level::NEWEST { Ok(()) } else { Err(Self { level }) }
    }
}
