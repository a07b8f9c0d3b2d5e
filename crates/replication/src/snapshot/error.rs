//! Why a snapshot cannot be used.

use std::path::PathBuf;

use berth_allocator::RestoreError;
use berth_codec::{DecodeError, EncodeError};

use crate::fatal::FatalError;
use crate::{ClusterId, Fatal};

/// A snapshot could not be written, read or installed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The state cannot be encoded.
    #[error("cannot encode a snapshot")]
    Encode(#[source] EncodeError),
    /// The file ends early, or goes on after its end.
    #[error("the snapshot {} has {found} bytes instead of {expected}: it is damaged", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// A part of the file is damaged, or was written by a newer Berth.
    #[error("the snapshot {} cannot be read", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: DecodeError,
    },
    /// The state in the file is not one.
    #[error("the state in the snapshot {} is not valid", path.display())]
    Restore {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: RestoreError,
    },
    /// The state is not the one that was written.
    #[error(
        "the state in the snapshot {} has fingerprint {found:016x} instead of {expected:016x}",
        path.display()
    )]
    Fingerprint {
        /// The file.
        path: PathBuf,
        /// As written.
        expected: u64,
        /// As read.
        found: u64,
    },
    /// The file belongs to another cluster.
    #[error("the snapshot {} belongs to cluster {found}, this is {expected}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// This cluster.
        expected: ClusterId,
        /// The file's.
        found: ClusterId,
    },
    /// The log was cut behind a snapshot that is not there.
    #[error(
        "{} holds no snapshot that reaches log index {needed}, behind which the log was cut",
        dir.display()
    )]
    Missing {
        /// Where snapshots are.
        dir: PathBuf,
        /// What a snapshot must reach.
        needed: u64,
    },
}

impl SnapshotError {
    /// Latches it as the end of the node. What is on disk is in doubt only where the file system
    /// refused.
    pub(crate) fn raise(&self, fatal: &Fatal, operation: &'static str) -> FatalError {
        match self {
            Self::Io { source, .. } => fatal.raise_write(operation, &format!("{self}: {source}")),
            _ => fatal.raise(operation, self),
        }
    }
}

impl From<SnapshotError> for std::io::Error {
    fn from(error: SnapshotError) -> Self {
        Self::other(error)
    }
}
