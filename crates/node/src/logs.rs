//! The log: to standard error, for people or as JSON. Who changed what, and who was turned away, is in
//! it at every level (`audit`). All of it may change while the process runs.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::audit;
use crate::config::{AuditRecord, Log, LogFormat, LogLevel};

/// What is logged, and how.
pub struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
    json: Arc<AtomicBool>,
}

impl Logs {
    /// Starts logging.
    pub fn start(log: Log) -> Self {
        let (filter, handle) = reload::Layer::new(filter(log));
        let json = Arc::new(AtomicBool::new(log.format == LogFormat::Json));
        let (of_text, of_json) = (Arc::clone(&json), Arc::clone(&json));
        // Each sees the spans that begin while it is the one that writes, and no others.
        let text = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_filter(dynamic_filter_fn(move |_, _| !of_text.load(Ordering::Relaxed)));
        let lines = fmt::layer()
            .json()
            .with_writer(io::stderr)
            .with_filter(dynamic_filter_fn(move |_, _| of_json.load(Ordering::Relaxed)));
        tracing_subscriber::registry().with(filter).with(text).with(lines).init();
        Self { filter: handle, json }
    }

    /// From now on logs so much, and so.
    pub fn set(&self, log: Log) {
        self.json.store(log.format == LogFormat::Json, Ordering::Relaxed);
        // It fails when logging has ended, which it never does.
        let _ = self.filter.reload(filter(log));
    }
}

/// The Raft library speaks much: it is heard from one level further on.
fn filter(log: Log) -> EnvFilter {
    let logged = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn,openraft=error",
        LogLevel::Info => "info,openraft=error",
        LogLevel::Debug => "debug,openraft=info",
        LogLevel::Trace => "trace,openraft=debug",
    };
    let recorded = match log.audit {
        // Peers that were turned away are warnings.
        AuditRecord::Off => "warn",
        AuditRecord::Admin => "info",
        AuditRecord::All => "debug",
    };
    EnvFilter::new(format!("{logged},{}={recorded}", audit::TARGET))
}
