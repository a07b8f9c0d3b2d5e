//! The state machine: the allocator's state in memory, driven by the log.
//!
//! It is durable by the log and the snapshots: after a start it is the newest snapshot plus the
//! committed entries behind it (`docs/adr/0003-state-in-memory.md`). Applying never waits for a disk.

mod applied;
mod builder;
mod state_machine;

pub(crate) use applied::Applied;
#[cfg(shuttle)]
pub(crate) use applied::Point;
pub(crate) use state_machine::{StateMachine, meta};
