//! What is fuzzed: each target takes bytes from anywhere, and panics if something that must hold
//! does not.
//!
//! `scripts/fuzz` searches with libFuzzer; `tests/replay.rs` runs what is in `corpus/`, which holds
//! the smallest inputs that reach all that was reached, and each input that once found a defect.

mod allocator;
mod configuration;

/// Something that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "plugin_bodies", run: ipamapi::fuzzing::bodies },
    Target { name: "plugin_http", run: ipamapi::fuzzing::connection },
    Target { name: "peer_frames", run: berth_replication::fuzzing::frames },
    Target { name: "log_records", run: berth_replication::fuzzing::records },
    Target { name: "snapshots", run: berth_replication::fuzzing::snapshots },
    Target { name: "allocator", run: allocator::commands },
    Target { name: "configuration", run: configuration::file },
    Target { name: "command_line", run: configuration::command_line },
    Target { name: "unheard", run: berth_node::fuzzing::unheard },
];

/// The target of a name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
