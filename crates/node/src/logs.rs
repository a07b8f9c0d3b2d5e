//! The log: to standard error, for people or as JSON. Who changed what, and who was turned away, is in
//! it at every level (`audit`).

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::audit;
use crate::config::{AuditRecord, LogFormat, LogLevel};

/// Starts logging. The Raft library speaks much: it is heard from one level further on.
pub fn start(level: LogLevel, format: LogFormat, record: AuditRecord) {
    let logged = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn,openraft=error",
        LogLevel::Info => "info,openraft=error",
        LogLevel::Debug => "debug,openraft=info",
        LogLevel::Trace => "trace,openraft=debug",
    };
    let recorded = match record {
        // Peers that were turned away are warnings.
        AuditRecord::Off => "warn",
        AuditRecord::Admin => "info",
        AuditRecord::All => "debug",
    };
    let filter = EnvFilter::new(format!("{logged},{}={recorded}", audit::TARGET));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
