//! Clients at work on a cluster, everything they were told, and what must be true of it: whatever the hosts
//! are, and whatever happens to them. `main.rs` has containers, `tests/robustness` has processes.

pub mod api;
pub mod engine;
pub mod home;
pub mod hosts;
pub mod judge;
pub mod logs;
pub mod realm;
pub mod recorder;
pub mod watch;
pub mod workload;
