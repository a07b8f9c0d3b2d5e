//! SIGHUP: reads the configuration anew, takes over what may change while the process runs, and says what may
//! not. A configuration with a mistake changes nothing.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::chain;
use crate::config::{ConfigError, HostConfig, Live, LiveConfig, Settings};
use crate::logs::Logs;
use crate::manager;

/// Reads the settings, and checks them.
pub(super) type Read = Box<dyn Fn() -> Result<(Settings, HostConfig), ConfigError> + Send + Sync>;

/// What reloads the configuration of a process.
pub(super) struct Reload {
    /// With which it started.
    pub(super) started: Settings,
    /// What may change.
    pub(super) live: LiveConfig,
    pub(super) logs: Logs,
    pub(super) read: Read,
}

impl Reload {
    /// Reloads whenever the process is told to. It fails if it cannot be told.
    pub(super) fn run(self) -> io::Result<impl Future<Output = ()> + Send> {
        let mut told: Signal = signal(SignalKind::hangup())?;
        Ok(async move {
            while told.recv().await.is_some() {
                manager::reloading();
                self.reload();
                manager::reloaded();
            }
        })
    }

    fn reload(&self) {
        match (self.read)() {
            Ok((settings, config)) => self.take(&settings, config.live.get()),
            Err(error) => {
                let error = chain(&error);
                tracing::error!(%error, "the configuration is wrong: the one before it goes on");
            }
        }
    }

    fn take(&self, settings: &Settings, new: Live) {
        let old = self.live.get();
        self.live.set(new);
        let switch = || self.logs.set(new.log);
        // Said while as much as possible is logged.
        if new.log.level >= old.log.level {
            switch();
        }
        tracing::info!(
            log_level = ?new.log.level, log_format = ?new.log.format, audit = ?new.log.audit,
            disk_reserve = ?new.disk_reserve, changed = old != new, "configuration read anew"
        );
        let changed = self.started.differences(settings);
        let waits: Vec<&str> =
            changed.into_iter().filter(|key| !Live::KEYS.contains(key)).collect();
        if !waits.is_empty() {
            tracing::warn!(
                settings = waits.join(", "),
                "changed, but taken over by a restart only"
            );
        }
        if new.log.level < old.log.level {
            switch();
        }
    }
}
