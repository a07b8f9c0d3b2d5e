//! A backup in a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use berth_allocator::{Snapshot, State};
use berth_codec::Record;

use super::header::Header;
use super::{BackupError, BackupInfo, check};

/// Bytes of a file that are read: the longest state, and what stands before it.
const FILE_BYTES_MAX: u64 = (Snapshot::LIMIT + Header::LIMIT + 64) as u64;

/// A backup that was read, and is whole.
#[derive(Debug)]
pub struct BackupFile {
    pub(super) header: Header,
    pub(super) state: State,
}

impl BackupFile {
    /// Reads a file, and checks that its state is the one that was written. Takes memory for the file
    /// and the state.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let failed = |source| BackupError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(BackupError::TooLong);
        }
        Self::decode(&bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, BackupError> {
        let (header, record) = check::split(bytes)?;
        let snapshot: Snapshot = berth_codec::decode(record).map_err(BackupError::State)?;
        let state = State::restore(snapshot).map_err(BackupError::NoState)?;
        let (expected, found) = (header.fingerprint, state.fingerprint());
        if expected != found {
            return Err(BackupError::Fingerprint { expected, found });
        }
        Ok(Self { header, state })
    }

    /// What it says about itself.
    pub fn info(&self) -> BackupInfo {
        self.header.info()
    }

    /// The state that it holds.
    pub fn state(&self) -> &State {
        &self.state
    }
}
