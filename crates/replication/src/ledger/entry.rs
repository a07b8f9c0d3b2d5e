//! An entry of the ledger's log.

use berth_codec::{Kind, Record};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Bytes of an entry: a batch of at most 4 MiB, and its index.
const ENTRY_BYTES_MAX: usize = (4 << 20) + 64;

/// A batch of commands at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// From 1, without holes.
    pub(super) index: u64,
    /// The batch, as its own record.
    pub(super) batch: Bytes,
}

impl Record for Entry {
    const KIND: Kind = Kind::LedgerEntry;
    const VERSION: u8 = 1;
    const LIMIT: usize = ENTRY_BYTES_MAX;
}

/// An example of each encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    let entry = Entry { index: 1_000, batch: (&b"batch"[..]).into() };
    crate::golden::line("ledger-entry", &entry)
}
