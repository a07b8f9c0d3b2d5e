//! Why a backup cannot be made or used.

use std::io;
use std::path::PathBuf;

use berth_codec::{DecodeError, EncodeError};

use crate::cluster::ClusterError;
use crate::directory::DirectoryError;
use crate::snapshot::SnapshotError;

const DAMAGED: &str = "it is damaged, use another backup";

/// A backup could not be made, or is none.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The state cannot be encoded, or what was encoded not written.
    #[error("cannot write the state")]
    Encode(#[source] EncodeError),
    /// Whoever was to have it does not take it.
    #[error("cannot write the backup")]
    Write(#[source] io::Error),
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("this is no backup of Berth")]
    NotABackup,
    /// It ends early.
    #[error("the backup ends after {found} bytes, before its end: {}", DAMAGED)]
    Cut {
        /// Bytes that are there.
        found: u64,
    },
    /// Something comes behind its end.
    #[error("the backup goes on behind its end: {}", DAMAGED)]
    TooLong,
    /// What it says about itself.
    #[error("the backup's header cannot be read; if it is damaged, use another backup")]
    Header(#[source] DecodeError),
    /// The state in it.
    #[error("the backup's state cannot be read; if it is damaged, use another backup")]
    State(#[source] DecodeError),
    /// The state in it is not one.
    #[error("the backup's state is not valid: {}", DAMAGED)]
    NoState(#[source] berth_allocator::RestoreError),
    /// The state is not the one that was written.
    #[error(
        "the backup's state has fingerprint {found:016x} instead of {expected:016x}: {}",
        DAMAGED
    )]
    Fingerprint {
        /// As written.
        expected: u64,
        /// As read.
        found: u64,
    },
}

/// A backup could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup.
    #[error(transparent)]
    Backup(BackupError),
    /// The list of members.
    #[error(transparent)]
    Members(ClusterError),
    /// This machine's clock.
    #[error(
        "this machine's clock is behind the backup, which was made {by_ms} ms later: set the clock"
    )]
    Clock {
        /// How far.
        by_ms: u64,
    },
    /// The restoration began before the backup was made.
    #[error("restoration {id} began before the backup was made: it is of another backup")]
    Restoration {
        /// Which restoration.
        id: String,
    },
    /// No revisions are left.
    #[error("the backup's revision {revision} leaves no numbers for a restored cluster")]
    Revision {
        /// The backup's.
        revision: u64,
    },
    /// The directory holds data.
    #[error(
        "{} is there: a backup is restored into a new cluster only. Name another data directory, or \
         move this aside", path.display()
    )]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// The directory.
    #[error(transparent)]
    Directory(DirectoryError),
    /// The state could not be put there.
    #[error("cannot write the restored state")]
    Snapshot(#[source] SnapshotError),
}
