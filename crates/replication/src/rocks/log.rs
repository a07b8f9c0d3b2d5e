//! The Raft log: entries, vote, committed position, purged position.
//!
//! All of it goes through one [`Commits`], so the order on disk is the order of calls: a vote before
//! the entries of its term. Appended entries can be read at once, from memory; their callback
//! comes after the sync. A vote and a truncation return after the sync. The committed position goes with
//! the next write, and purging is not waited for: losing them to a crash loses nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "canary")]
use berth_allocator::canary;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};

use super::reader::{LogReader, Memory, decode};
use super::{Commits, Store, StoreError, Write};
use crate::Fatal;
use crate::failpoint::strike;
use crate::raft::{Entry, EntryRecord, LogId, LogPosition, TypeConfig, Vote, VoteRecord};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

const VOTE: &str = "vote";
pub(super) const COMMITTED: &str = "committed position";
const PURGED: &str = "purged position";

/// The durable Raft log of one node.
pub(crate) struct RaftLog {
    reader: LogReader,
    commits: Commits,
    written: Arc<AtomicU64>,
}

impl RaftLog {
    /// Opens the log in a data directory, or makes it, and reads all of it once: what was acknowledged
    /// must be there, without holes, undamaged.
    pub(crate) fn open(dir: &Path, fatal: &Fatal) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(&dir.join("log"))?);
        let commits = Commits::start(Arc::clone(&store), dir, fatal)?;
        let memory = load(&store)?;
        #[cfg(feature = "sim")]
        crate::sim::observe(|| crate::sim::Event::vote_found(memory.vote.as_ref()));
        let memory = Mutex::new(memory);
        let written = commits.written();
        let reader = LogReader { store, memory: Arc::new(memory) };
        Ok(Self { reader, commits, written })
    }

    /// The last position that was purged.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.reader.memory().purged
    }

    async fn append_entries(
        &mut self,
        entries: Vec<Entry>,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), StoreError> {
        let mut write = Write::default();
        let number = self.commits.next();
        {
            let mut memory = self.reader.memory();
            for entry in entries {
                let value =
                    berth_codec::encode(&EntryRecord::from(&entry)).map_err(StoreError::Encode)?;
                let index = entry.log_id.index();
                if memory.last.is_some() && index != memory.end() {
                    let (path, expected) = (self.reader.store.path().to_owned(), memory.end());
                    return Err(StoreError::Hole { path, expected, found: index });
                }
                memory.last = Some(entry.log_id);
                memory.recent.push(entry, value.len(), number);
                write.put_entry(index, value);
            }
            memory.recent.shrink(self.written.load(Ordering::Acquire));
        }
        let write =
            write.synced(move |result| callback.io_completed(result.map_err(io::Error::other)));
        self.commits.submit(write).await?;
        Ok(())
    }

    async fn truncate(&mut self, last: Option<LogId>) -> Result<(), StoreError> {
        let mut write = Write::default();
        {
            let mut memory = self.reader.memory();
            let from = last.as_ref().map_or(memory.start(), |last| last.index() + 1);
            if from >= memory.end() {
                return Ok(());
            }
            write.delete_entries(from, memory.end());
            memory.recent.truncate(from);
            memory.last = last.or(memory.purged);
            memory.truncations += 1;
        }
        self.commits.commit(write).await?;
        self.reader.memory().truncations += 1;
        Ok(())
    }

    async fn purge_to(&mut self, upto: LogId) -> Result<(), StoreError> {
        let mut write = Write::default();
        write.put_value(PURGED, &LogPosition::from(&upto))?;
        {
            let mut memory = self.reader.memory();
            write.delete_entries(memory.start(), upto.index() + 1);
            memory.recent.purge(upto.index());
            memory.last = memory.last.max(Some(upto));
            memory.purged = Some(upto);
        }
        self.commits.submit(write).await?;
        Ok(())
    }
}

/// Reads and checks a whole log.
fn load(store: &Store) -> Result<Memory, StoreError> {
    let position = |name| Ok(store.value::<LogPosition>(name)?.map(LogId::from));
    let purged: Option<LogId> = position(PURGED)?;
    let mut memory = Memory {
        vote: store.value::<VoteRecord>(VOTE)?.map(Vote::from),
        committed: position(COMMITTED)?,
        purged,
        last: purged,
        ..Memory::default()
    };
    for item in store.entries(memory.start()) {
        let (index, value) = item?;
        // A log that was never purged begins wherever its first entry is.
        if memory.last.is_some() && index != memory.end() {
            let (path, expected) = (store.path().to_owned(), memory.end());
            return Err(StoreError::Hole { path, expected, found: index });
        }
        let entry = decode(store, index, &value)?;
        memory.last = Some(entry.log_id);
        memory.recent.push(entry, value.len(), 0);
        memory.recent.shrink(0);
    }
    Ok(memory)
}

impl RaftLogStorage<TypeConfig> for RaftLog {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let memory = self.reader.memory();
        Ok(LogState { last_purged_log_id: memory.purged, last_log_id: memory.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        strike("vote.before")?;
        let mut write = Write::default();
        write.put_value(VOTE, &VoteRecord::from(vote))?;
        #[cfg(feature = "canary")]
        let write = if canary::sins(canary::Canary::ForgetVote) { Write::default() } else { write };
        self.commits.commit(write).await?;
        #[cfg(feature = "sim")]
        crate::sim::observe(|| crate::sim::Event::voted(vote));
        self.reader.memory().vote = Some(*vote);
        strike("vote.after")
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        strike("committed.before")?;
        let mut write = Write::default();
        write.put_value(COMMITTED, &LogPosition::from(&committed))?;
        // It changes with every entry, and is worth no write of its own.
        self.commits.defer(write);
        self.reader.memory().committed = Some(committed);
        strike("committed.after")
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.reader.memory().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        strike("append.before")?;
        self.append_entries(entries.into_iter().collect(), callback).await?;
        strike("append.after")
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        strike("truncate.before")?;
        self.truncate(last).await?;
        strike("truncate.after")
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        strike("purge.before")?;
        self.purge_to(upto).await?;
        strike("purge.after")
    }
}
