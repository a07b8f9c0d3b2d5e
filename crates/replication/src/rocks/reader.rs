//! Reading the Raft log: from memory where it is there, else from the database.

use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use openraft::{OptionalSend, RaftLogReader};

use super::cache::Recent;
use super::error::EntryError;
use super::{Store, StoreError};
use crate::blocking;
use crate::raft::{Entry, EntryRecord, LogId, TypeConfig, Vote};
use crate::sync::{Mutex, MutexGuard};

/// Bytes of entries that one message to a follower carries, unless a single entry is larger.
const READ_BYTES_MAX: usize = 1 << 20;

/// What is known of the log without reading it.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// The last entry deleted from the front.
    pub(super) purged: Option<LogId>,
    /// The last entry, or the last one purged.
    pub(super) last: Option<LogId>,
    pub(super) recent: Recent,
    /// How often entries were deleted from the end: a read that spans one starts again.
    pub(super) truncations: u64,
}

impl Memory {
    /// The index after the last entry.
    pub(super) fn end(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.index() + 1)
    }

    /// The lowest index that can be there.
    pub(super) fn start(&self) -> u64 {
        self.purged.as_ref().map_or(0, |purged| purged.index() + 1)
    }
}

/// A handle for reading; clones read the same log.
#[derive(Clone)]
pub(crate) struct LogReader {
    pub(super) store: Arc<Store>,
    pub(super) memory: Arc<Mutex<Memory>>,
}

impl LogReader {
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("nothing panics while it holds the log's memory")
    }

    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        loop {
            let (older, recent, truncations) = {
                let memory = self.memory();
                let range = range.start.max(memory.start())..range.end.min(memory.end());
                let held_from = memory.recent.first().unwrap_or(range.end);
                let older = range.start..range.end.min(held_from);
                let recent = memory.recent.range(range.start.max(held_from)..range.end, bytes_max);
                (older, recent, memory.truncations)
            };
            if older.is_empty() {
                return Ok(recent);
            }
            let read = self.read_stored(older.clone(), bytes_max).await?;
            let changed = self.memory().truncations != truncations;
            #[cfg(shuttle)]
            let changed = changed
                && !crate::interleavings::sins(crate::interleavings::Sin::OverlookTruncations);
            if changed {
                continue;
            }
            return match read.last().map(|last| last.log_id.index() + 1) {
                // The log begins later, or was purged meanwhile.
                None => Ok(recent),
                Some(_) if bytes_max != usize::MAX => Ok(read),
                Some(end) if end == older.end => Ok([read, recent].concat()),
                Some(expected) => {
                    let (path, found) = (self.store.path().to_owned(), older.end);
                    Err(StoreError::Hole { path, expected, found })
                }
            };
        }
    }

    async fn read_stored(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let store = Arc::clone(&self.store);
        let reading = blocking::spawn(move || stored(&store, range, bytes_max));
        reading.await.map_err(|_| StoreError::Closed)?
    }
}

/// Entries of a range from the database, gapless, until `bytes_max` is exceeded, but at least one.
fn stored(store: &Store, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for item in store.entries(range.start) {
        let (index, value) = item?;
        if index >= range.end {
            break;
        }
        bytes += value.len();
        if !entries.is_empty() && bytes > bytes_max {
            break;
        }
        if let Some(expected) = entries.last().map(|last| last.log_id.index() + 1)
            && expected != index
        {
            return Err(StoreError::Hole { path: store.path().to_owned(), expected, found: index });
        }
        entries.push(decode(store, index, &value)?);
    }
    Ok(entries)
}

/// Decodes an entry, which must be the one its key says.
pub(super) fn decode(store: &Store, index: u64, value: &[u8]) -> Result<Entry, StoreError> {
    let failed = |source| StoreError::Entry { path: store.path().to_owned(), index, source };
    let record: EntryRecord =
        berth_codec::decode(value).map_err(|error| failed(EntryError::from(error)))?;
    if record.position.index != index {
        let found = record.position.index;
        return Err(StoreError::Hole { path: store.path().to_owned(), expected: index, found });
    }
    Entry::try_from(record).map_err(|error| failed(EntryError::from(error)))
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + std::fmt::Debug + OptionalSend,
    {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        Ok(self.read(start..end, usize::MAX).await?)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        Ok(self.read(start..end, READ_BYTES_MAX).await?)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.memory().vote)
    }
}
