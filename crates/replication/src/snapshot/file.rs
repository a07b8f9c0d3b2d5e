//! A snapshot file.
//!
//! ```text
//! | length of the header: u32, little endian | header record | state record |
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_allocator::{Snapshot as StateRecord, State};
use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use crate::ClusterId;
use crate::failpoint::strike;
use crate::raft::{LogPosition, MembershipRecord};

const LENGTH_BYTES: usize = 4;

/// What a snapshot covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Whose state it is.
    pub(crate) cluster: ClusterId,
    /// The last log entry it includes.
    pub(crate) last: Option<LogPosition>,
    /// The membership as of that entry.
    pub(crate) membership: MembershipRecord,
    /// The state's fingerprint.
    pub(crate) fingerprint: u64,
    /// Bytes of the state record that follows.
    pub(crate) state_bytes: u64,
}

impl Record for Header {
    const KIND: Kind = Kind::SnapshotMeta;
    const VERSION: u8 = 1;
    const LIMIT: usize = 1 << 20;
}

impl Header {
    /// The log index that the snapshot reaches; entries from the next on are needed after it.
    pub(crate) fn index(&self) -> Option<u64> {
        self.last.map(|last| last.index)
    }
}

/// An open snapshot: stays readable when its file is pruned. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    pub(crate) header: Header,
    pub(super) path: PathBuf,
    file: Arc<File>,
    length: u64,
}

impl SnapshotFile {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path, cluster: ClusterId) -> Result<Self, SnapshotError> {
        let failed = |source| io_error("read the snapshot", path, source);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut bytes = [0; LENGTH_BYTES];
        file.read_exact(&mut bytes).map_err(failed)?;
        let header_bytes = u32::from_le_bytes(bytes);
        let fits = u64::from(header_bytes) <= (Header::LIMIT as u64).min(length);
        if !fits {
            let (path, expected) = (path.to_owned(), u64::from(header_bytes));
            return Err(SnapshotError::Length { path, expected, found: length });
        }
        let mut record = vec![0; header_bytes as usize];
        file.read_exact(&mut record).map_err(failed)?;
        let header: Header = decode(path, &record)?;
        if header.cluster != cluster {
            let (path, found) = (path.to_owned(), header.cluster);
            return Err(SnapshotError::Foreign { path, expected: cluster, found });
        }
        let expected = LENGTH_BYTES as u64 + u64::from(header_bytes) + header.state_bytes;
        if expected != length {
            let path = path.to_owned();
            return Err(SnapshotError::Length { path, expected, found: length });
        }
        Ok(Self { header, path: path.to_owned(), file: Arc::new(file), length })
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads up to `max` bytes from `offset` on.
    pub(crate) fn read(&self, offset: u64, max: usize) -> Result<Vec<u8>, SnapshotError> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; left.min(max)];
        self.file
            .read_exact_at(&mut chunk, offset)
            .map_err(|source| io_error("read the snapshot", &self.path, source))?;
        Ok(chunk)
    }

    /// Decodes the state, and checks that it is the one that was written.
    pub(super) fn state(&self) -> Result<State, SnapshotError> {
        let record = self.read(self.length - self.header.state_bytes, usize::MAX)?;
        let snapshot: StateRecord = decode(&self.path, &record)?;
        let state = State::restore(snapshot)
            .map_err(|source| SnapshotError::Restore { path: self.path.clone(), source })?;
        let (expected, found) = (self.header.fingerprint, state.fingerprint());
        if expected != found {
            return Err(SnapshotError::Fingerprint { path: self.path.clone(), expected, found });
        }
        Ok(state)
    }
}

/// Writes a snapshot and syncs it.
pub(super) fn write(
    path: &Path,
    cluster: ClusterId,
    last: Option<LogPosition>,
    membership: MembershipRecord,
    state: &State,
) -> Result<(), SnapshotError> {
    let record = berth_codec::encode(&state.snapshot()).map_err(SnapshotError::Encode)?;
    let (fingerprint, state_bytes) = (state.fingerprint(), record.len() as u64);
    let header = Header { cluster, last, membership, fingerprint, state_bytes };
    let header = berth_codec::encode(&header).map_err(SnapshotError::Encode)?;
    let length = u32::try_from(header.len()).expect("the header's limit is below 4 GiB");
    let failed = |source| io_error("write the snapshot", path, source);
    strike("snapshot-write.before").map_err(failed)?;
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(&length.to_le_bytes())
        .and_then(|()| file.write_all(&header))
        .and_then(|()| file.write_all(&record))
        .and_then(|()| file.sync_all())
        .and_then(|()| strike("snapshot-write.after"))
        .map_err(failed)
}

fn decode<R: Record>(path: &Path, record: &[u8]) -> Result<R, SnapshotError> {
    berth_codec::decode(record)
        .map_err(|source| SnapshotError::Decode { path: path.to_owned(), source })
}

pub(super) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> SnapshotError {
    SnapshotError::Io { operation, path: path.to_owned(), source }
}
