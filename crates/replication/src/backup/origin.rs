//! From which backup a data directory was made. It is part of who the cluster is: one that was
//! restored is another than the one whose backup it began with, though its members have the same
//! names.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use berth_codec::{DecodeError, Kind, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ClusterId;
use crate::directory::DirectoryError;

/// From what a cluster began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Whose backup it was.
    pub(super) cluster: ClusterId,
    /// Which backup.
    pub(super) backup: [u8; 32],
    /// Which of the restorations of this backup.
    pub(super) restoration: u128,
    /// The index at which its log begins: a snapshot reaches it.
    pub(super) index: u64,
}

impl Record for Origin {
    const KIND: Kind = Kind::Origin;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

impl Origin {
    pub(super) const FILE: &str = "berth.origin";

    /// What a data directory began with; `None` where it began with nothing.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, DirectoryError> {
        let path = dir.join(Self::FILE);
        match fs::read(&path) {
            Ok(bytes) => berth_codec::decode(&bytes)
                .map(Some)
                .map_err(|source: DecodeError| DirectoryError::Unreadable { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DirectoryError::Io { operation: "read", path, source }),
        }
    }

    /// Notes it, durably once the directory is synced.
    pub(super) fn write(&self, dir: &Path) -> Result<(), DirectoryError> {
        let path: PathBuf = dir.join(Self::FILE);
        let written = berth_codec::encode(self).map_err(io::Error::other).and_then(|bytes| {
            let mut file = File::create_new(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()
        });
        written.map_err(|source| DirectoryError::Io { operation: "write", path, source })
    }

    /// What goes into the cluster's id beside the names.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let bytes = berth_codec::encode(self).expect("an origin is shorter than its limit");
        Sha256::digest(bytes).into()
    }

    /// The log index that a snapshot must reach.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }
}

/// An example of the encoding.
#[cfg(test)]
pub(super) fn golden() -> String {
    let cluster = ClusterId::new([7; 16]);
    let origin = Origin { cluster, backup: [8; 32], restoration: 9 << 80, index: 1_001 };
    crate::golden::line("origin", &origin)
}
