//! Settings that may change while the process runs.

use std::sync::{Arc, Mutex, PoisonError};

use super::{AuditRecord, DiskReserve, LogFormat, LogLevel};

/// What may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// Room that the host keeps free on its disk.
    pub disk_reserve: DiskReserve,
    /// What it logs.
    pub log: Log,
}

/// What a host logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
    /// Which changes are on record.
    pub audit: AuditRecord,
}

impl Live {
    /// The keys of what may change.
    pub const KEYS: [&str; 4] = ["disk-reserve", "log-level", "log-format", "audit"];
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
