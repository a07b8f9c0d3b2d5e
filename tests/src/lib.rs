//! What the process-level suites share: real `berth` processes, alone or as a cluster, called on
//! their plugin sockets as an engine calls them, and asked through their own commands.
//!
//! `BERTH_BIN` names another binary to test than the one built from this checkout.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "that is where a test reports")]

mod cluster;
mod engine;
mod history;
mod hosts;
mod judged;
mod load;
mod node;
mod not_run;
mod page;
mod ports;
mod raw;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use cluster::{Cluster, GLOBAL, LOCAL};
pub use engine::Engine;
pub use history::{History, Hold};
pub use hosts::Hosts;
pub use judged::Judged;
pub use load::Load;
pub use node::{Node, binary};
pub use not_run::{has_program, is_root};
pub use page::{Block, blocks};
pub use ports::free_ports;
pub use raw::{RawConnection, request};

/// How long something may take that has no promise of its own, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds what it looks for; fails, naming `what`, when that takes too long.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// The same, for what takes longer.
pub async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < patience, "not so after {patience:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
