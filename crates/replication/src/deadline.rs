//! Until when a caller waits.

use std::time::Duration;

use tokio::time::Instant;

/// A point in time at which an operation gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Longest time that may be asked for; more is cut to it.
    pub const AFTER_MAX: Duration = Duration::from_hours(1);

    /// This long from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration.min(Self::AFTER_MAX))
    }

    /// How much is left; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// What is left, as it is told to another node.
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.remaining().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn instant(self) -> Instant {
        self.0
    }
}
