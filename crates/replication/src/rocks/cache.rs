//! The newest entries, in memory: what replication and applying read, and what is not yet in the
//! database.

use std::collections::VecDeque;
use std::ops::Range;

use crate::raft::Entry;

/// Entries kept, unless more of them wait to be written.
const ENTRIES_MAX: usize = if cfg!(shuttle) { 2 } else { 16_384 };
/// Bytes of them, likewise.
const BYTES_MAX: usize = 64 << 20;

struct Cached {
    entry: Entry,
    bytes: usize,
    /// The number of the write that stores it.
    write: u64,
}

/// A gapless run of entries that ends with the log.
#[derive(Default)]
pub(super) struct Recent {
    entries: VecDeque<Cached>,
    bytes: usize,
}

impl Recent {
    /// Appends an entry that write number `write` stores, `bytes` long.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize, write: u64) {
        debug_assert!(self.end().is_none_or(|end| end == entry.log_id.index()), "no holes");
        self.bytes += bytes;
        self.entries.push_back(Cached { entry, bytes, write });
    }

    /// Drops the oldest entries beyond the limits, of those that can be read from the database
    /// since `written` writes were made.
    pub(super) fn shrink(&mut self, written: u64) {
        while self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX {
            match self.entries.front() {
                Some(oldest) if oldest.write <= written => self.pop_front(),
                _ => return,
            }
        }
    }

    /// Drops entries up to and with `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while self.first().is_some_and(|first| first <= index) {
            self.pop_front();
        }
    }

    /// Drops entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.end().is_some_and(|end| end > index) {
            let newest = self.entries.pop_back().expect("it has an end");
            self.bytes -= newest.bytes;
        }
    }

    /// The first index held.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|cached| cached.entry.log_id.index())
    }

    /// The entries of a range that are held, until `bytes_max` is exceeded, but at least one.
    pub(super) fn range(&self, range: Range<u64>, bytes_max: usize) -> Vec<Entry> {
        let Some(first) = self.first() else { return Vec::new() };
        let skip = usize::try_from(range.start.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        self.entries
            .iter()
            .skip(skip)
            .take_while(|cached| cached.entry.log_id.index() < range.end)
            .take_while(|cached| {
                let fits = bytes == 0 || bytes + cached.bytes <= bytes_max;
                bytes += cached.bytes;
                fits
            })
            .map(|cached| cached.entry.clone())
            .collect()
    }

    fn end(&self) -> Option<u64> {
        self.entries.back().map(|cached| cached.entry.log_id.index() + 1)
    }

    fn pop_front(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }
}
