//! The log: to standard error, for people or as JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel};

/// Starts logging. The Raft library speaks much: it is heard from one level further on.
pub fn start(level: LogLevel, format: LogFormat) {
    let filter = EnvFilter::new(match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn,openraft=error",
        LogLevel::Info => "info,openraft=error",
        LogLevel::Debug => "debug,openraft=info",
        LogLevel::Trace => "trace,openraft=debug",
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
