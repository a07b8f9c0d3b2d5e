//! Durable storage on RocksDB: the Raft log, and the same group commit for the local ledger.
//!
//! One thread writes ([`Commits`]); a round is one atomic write with one sync, and is numbered. The
//! number of the last synced round is kept beside the database ([`witness`]), so that a write-ahead
//! log that lost acknowledged writes is noticed when it is opened.

mod cache;
mod commits;
mod committed;
mod error;
mod log;
mod reader;
mod store;
#[cfg(test)]
mod tests;
mod witness;

pub(crate) use commits::{Commits, Write};
pub use committed::{CommittedEntry, committed_entries};
pub(crate) use error::LOST;
pub use error::{EntryError, StoreError};
pub(crate) use log::RaftLog;
#[cfg(feature = "sim")]
pub(crate) use store::Pair;
pub(crate) use store::Store;
pub(crate) use store::{Change, Family, index_key};
#[cfg(feature = "fuzzing")]
pub(crate) use witness::Round;
#[cfg(test)]
pub(crate) use witness::golden;
pub(crate) use witness::{FILE as WITNESS_FILE, Witness};
