//! Settings that may change while the process runs.

use std::sync::{Arc, Mutex, PoisonError};

use super::{DiskReserve, LogFormat, LogLevel};

/// What may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// Room that the host keeps free on its disk.
    pub disk_reserve: DiskReserve,
    /// How much it logs.
    pub log_level: LogLevel,
    /// How it writes the log.
    pub log_format: LogFormat,
}

impl Live {
    /// The keys of what may change.
    pub const KEYS: [&str; 3] = ["disk-reserve", "log-level", "log-format"];
}

/// The same for all who have a clone, whoever changes it.
#[derive(Debug, Clone, Default)]
pub struct LiveConfig(Arc<Mutex<Live>>);

impl LiveConfig {
    /// Begins with these.
    pub fn new(live: Live) -> Self {
        Self(Arc::new(Mutex::new(live)))
    }

    /// As they are now.
    pub fn get(&self) -> Live {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these.
    pub fn set(&self, live: Live) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }
}
