//! A snapshot that arrives from another node, piece by piece.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::file::io_error;
use super::{SnapshotError, SnapshotFile};
use crate::ClusterId;
use crate::failpoint::strike;

/// A snapshot being received into a temporary file, which goes when this is dropped unfinished.
#[derive(Debug)]
pub(crate) struct Incoming {
    path: PathBuf,
    file: File,
    cluster: ClusterId,
    expected: u64,
    received: u64,
}

impl Incoming {
    pub(super) fn create(
        path: PathBuf,
        cluster: ClusterId,
        expected: u64,
    ) -> Result<Self, SnapshotError> {
        let file = strike("snapshot-receive.before")
            .and_then(|()| File::create(&path))
            .and_then(|file| strike("snapshot-receive.after").map(|()| file))
            .map_err(|source| io_error("receive the snapshot", &path, source))?;
        Ok(Self { path, file, cluster, expected, received: 0 })
    }

    /// Bytes received so far: where the next piece must start.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Appends a piece.
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<(), SnapshotError> {
        let received = self.received + piece.len() as u64;
        if received > self.expected {
            let (path, expected) = (self.path.clone(), self.expected);
            return Err(SnapshotError::Length { path, expected, found: received });
        }
        strike("snapshot-piece.before")
            .and_then(|()| self.file.write_all(piece))
            .and_then(|()| strike("snapshot-piece.after"))
            .map_err(|source| io_error("receive the snapshot", &self.path, source))?;
        self.received = received;
        Ok(())
    }

    /// Syncs what was received.
    pub(crate) fn sync(&self) -> Result<(), SnapshotError> {
        strike("snapshot-received.before")
            .and_then(|()| self.file.sync_all())
            .and_then(|()| strike("snapshot-received.after"))
            .map_err(|source| io_error("sync the received snapshot", &self.path, source))
    }

    /// Checks that what was received is a snapshot of this cluster.
    pub(crate) fn open(&self) -> Result<SnapshotFile, SnapshotError> {
        SnapshotFile::open(&self.path, self.cluster)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Installed files were renamed before; what is left is of no use, and swept at the next
        // start if this fails.
        let _ = std::fs::remove_file(&self.path);
    }
}
