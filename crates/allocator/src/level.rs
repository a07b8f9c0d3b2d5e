//! The feature level: what every node of a cluster knows.

use serde::{Deserialize, Serialize};

/// Commands and formats that all nodes of a cluster know. It is raised, by an operator, when all of them can
/// do more, and never lowered: until then each can be replaced by an older build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Level(u16);

impl Level {
    /// Of the first release, and of each cluster that nobody has raised.
    pub const FIRST: Self = Self(1);
    /// The newest that this build knows.
    pub const NEWEST: Self = Self(if cfg!(feature = "next-level") { 2 } else { 1 });

    /// A level by its number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether nobody has raised it: snapshots say nothing of it then.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(crate) const fn is_first(&self) -> bool {
        self.0 == Self::FIRST.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::FIRST
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
