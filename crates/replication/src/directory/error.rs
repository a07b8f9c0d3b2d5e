//! Why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use berth_codec::DecodeError;

use crate::rocks::LOST;

/// A data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("{} is in use by another process: stop it, or use another data directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The record cannot be read: damaged, or of a newer Berth.
    #[error("cannot tell whom {} belongs to. If it is damaged: {}", path.display(), LOST)]
    Unreadable {
        /// The record's file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: DecodeError,
    },
    /// It belongs to another node or cluster.
    #[error(
        "{} belongs to node {found}, this is {expected}: use that name and cluster, or another \
         data directory. (A node that knows its cluster needs no --initial-cluster.)", path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whom it belongs to.
        found: String,
        /// Who wants it.
        expected: String,
    },
    /// It holds no cluster, and none was named.
    #[error("{} holds no cluster: form one with --bootstrap, or join one with --join", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("{} is not empty and not a data directory of Berth: use another one", path.display())]
    NotBerths {
        /// The directory.
        path: PathBuf,
    },
    /// No randomness to be had.
    #[error("the system gives no random numbers: {reason}")]
    Random {
        /// The reason.
        reason: String,
    },
}

impl From<getrandom::Error> for DirectoryError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random { reason: error.to_string() }
    }
}

impl DirectoryError {
    /// Work on a directory was given up, since the process ends.
    pub(crate) fn interrupted(source: io::Error) -> Self {
        io_error("go on with", Path::new("the data directory"), source)
    }
}

pub(super) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io { operation, path: path.to_owned(), source }
}
