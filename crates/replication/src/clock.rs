//! Where time comes from: the state machine has no clock of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use berth_allocator::Timestamp;

/// Gives the time that is stamped on a batch when it is proposed.
pub trait Clock: Send + Sync + 'static {
    /// Now. It may go back: the state machine does not let it.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}
