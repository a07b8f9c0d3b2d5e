//! Snapshots of the state, as files: what lets the log be short.
//!
//! A snapshot is written to a temporary name, synced, renamed, and its directory synced: a crash at
//! any step leaves the earlier snapshot or the new one. Each part carries a checksum. The newest two
//! are kept.

mod error;
mod file;
mod incoming;
mod store;
#[cfg(test)]
mod tests;

pub use error::SnapshotError;
pub(crate) use file::{Header, SnapshotFile};
pub(crate) use incoming::Incoming;
pub(crate) use store::{Loaded, SnapshotStore};
