//! Why a store cannot be used.

use std::path::PathBuf;

use berth_codec::{DecodeError, EncodeError};

use crate::fatal::FatalError;
use crate::raft::RecordError;

/// What can be done about data that is not whole, whatever it was that damaged it.
pub(crate) const LOST: &str = "keep it for a look. A server (`raft`) comes back as a new member only, by `berth \
                    cluster join TOKEN --replace` on its host, and the others go on; what a host \
                    holds for itself (`local`) begins anew once it is moved away, and its engine is \
                    to be restarted then";

/// A store of log entries could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// RocksDB could not open it.
    #[error(
        "cannot open the store in {}. If it is damaged, this node must not go on with it: {}",
        path.display(),
        LOST
    )]
    Open {
        /// Where it is.
        path: PathBuf,
        /// RocksDB's reason.
        #[source]
        source: rocksdb::Error,
    },
    /// The file beside the database, which counts its synced writes, cannot be used.
    #[error(
        "cannot use {}, which counts the store's synced writes. If it is lost: {}",
        path.display(),
        LOST
    )]
    Witness {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The file beside the database is damaged.
    #[error(
        "{} is damaged, so nobody can tell whether the store is complete: {}", path.display(), LOST
    )]
    WitnessDamaged {
        /// The file.
        path: PathBuf,
    },
    /// Writes that were acknowledged are gone.
    #[error(
        "the store in {} lost acknowledged writes: it ends with round {found}, but round {synced} \
         was synced. This node must not go on with it: {}", path.display(), LOST
    )]
    Shortened {
        /// Where it is.
        path: PathBuf,
        /// The last round that was acknowledged.
        synced: u64,
        /// The last round found.
        found: u64,
    },
    /// An entry is missing between others.
    #[error(
        "the store in {} is damaged: entry {expected} is missing, the next is {found}: {}",
        path.display(),
        LOST
    )]
    Hole {
        /// Where it is.
        path: PathBuf,
        /// The index that should be there.
        expected: u64,
        /// The index found.
        found: u64,
    },
    /// An entry is damaged.
    #[error(
        "entry {index} of the store in {} cannot be read. If it is damaged: {}",
        path.display(),
        LOST
    )]
    Entry {
        /// Where it is.
        path: PathBuf,
        /// Its index.
        index: u64,
        /// The reason.
        #[source]
        source: EntryError,
    },
    /// A value other than an entry is damaged.
    #[error(
        "the {name} kept in the store in {} cannot be read. If it is damaged: {}",
        path.display(),
        LOST
    )]
    Value {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        name: &'static str,
        /// The reason.
        #[source]
        source: DecodeError,
    },
    /// RocksDB could not read.
    #[error("cannot read the store in {}. If it is damaged: {}", path.display(), LOST)]
    Read {
        /// Where it is.
        path: PathBuf,
        /// RocksDB's reason.
        #[source]
        source: rocksdb::Error,
    },
    /// A value is too long to be stored.
    #[error("cannot store a value")]
    Encode(#[source] EncodeError),
    /// An earlier write failed, or this one did.
    #[error(transparent)]
    Fatal(FatalError),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EntryError(EntryReason);

#[derive(Debug, thiserror::Error)]
enum EntryReason {
    #[error(transparent)]
    Decode(DecodeError),
    #[error(transparent)]
    Record(RecordError),
}

impl From<DecodeError> for EntryError {
    fn from(error: DecodeError) -> Self {
        Self(EntryReason::Decode(error))
    }
}

impl From<RecordError> for EntryError {
    fn from(error: RecordError) -> Self {
        Self(EntryReason::Record(error))
    }
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
