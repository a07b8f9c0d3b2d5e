//! File descriptors: as many as this process may have at all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a server needs with as many connections as it takes: 4,096 of peers and agents, twice as many that still
/// greet, 512 on its own sockets, and its files.
const WANTED: u64 = 16_384;

/// Raises the limit as far as it may be raised: shells and service managers often begin with 1,024.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    match limit {
        Some(limit) if limit < WANTED => tracing::warn!(
            limit,
            wanted = WANTED,
            "few file descriptors: enough for a small cluster; raise the process's hard limit (LimitNOFILE)"
        ),
        limit => tracing::debug!(?limit, "file descriptors"),
    }
}
