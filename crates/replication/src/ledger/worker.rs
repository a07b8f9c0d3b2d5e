//! The one task that changes a ledger.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use berth_allocator::{Answer, Batch, Envelope};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::entry::Entry;
use super::recovery::TRIMMED;
use super::{LedgerError, Shared};
use crate::Clock;
use crate::blocking;
use crate::directory::DataDirectory;
use crate::failpoint::strike;
use crate::raft::{LogPosition, MembershipRecord};
use crate::rocks::{Commits, StoreError, Write};
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotStore};

/// Commands in one entry.
const COMMANDS_MAX: usize = 512;
/// Bytes of commands in one entry, unless a single command is larger.
const BYTES_MAX: usize = 256 << 10;

/// A command that waits for its answer.
pub(super) struct Item {
    pub(super) envelope: Envelope,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Result<Answer, LedgerError>>,
}

type Snapshotting = JoinHandle<Result<SnapshotFile, SnapshotError>>;

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) commits: Commits,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) snapshot_after: u64,
    /// The last entry cut off the front of the log.
    pub(super) trimmed: u64,
    /// Locked as long as the ledger is open.
    pub(super) _directory: DataDirectory,
}

impl Worker {
    /// Executes what comes until nobody can send any more, or the ledger cannot go on.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Item>) {
        let mut next = None;
        let mut snapshotting: Option<Snapshotting> = None;
        while let Some(first) = match next.take() {
            Some(item) => Some(item),
            None => queue.recv().await,
        } {
            let mut bytes = first.bytes;
            let mut items = vec![first];
            while items.len() < COMMANDS_MAX
                && let Ok(item) = queue.try_recv()
            {
                bytes += item.bytes;
                if bytes > BYTES_MAX {
                    next = Some(item);
                    break;
                }
                items.push(item);
            }
            self.execute(items).await;
            if self.shared.fatal.error().is_some() {
                return;
            }
            match snapshotting.take() {
                Some(done) if done.is_finished() => self.trim(done).await,
                Some(running) => snapshotting = Some(running),
                None => snapshotting = self.snapshot(),
            }
        }
        if let Some(running) = snapshotting {
            self.trim(running).await;
        }
    }

    async fn execute(&mut self, items: Vec<Item>) {
        let (commands, replies): (Vec<_>, Vec<_>) =
            items.into_iter().map(|item| (item.envelope, item.reply)).unzip();
        let batch = Batch { at: self.clock.now(), commands };
        let results: Vec<Result<Answer, LedgerError>> = match self.store(&batch).await {
            Ok(index) => {
                let mut state = self.shared.state_mut();
                let answers = state.apply(&batch);
                self.shared.last.store(index, Ordering::Release);
                answers.into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error); replies.len()],
        };
        for (reply, result) in replies.into_iter().zip(results) {
            // The caller may have gone.
            let _ = reply.send(result);
        }
    }

    /// Makes a batch durable; gives its index.
    async fn store(&mut self, batch: &Batch) -> Result<u64, LedgerError> {
        let index = self.shared.last.load(Ordering::Acquire) + 1;
        let refused =
            |error: berth_codec::EncodeError| LedgerError::Refused { reason: error.to_string() };
        let batch = berth_codec::encode(batch).map_err(refused)?.into();
        let entry = berth_codec::encode(&Entry { index, batch }).map_err(refused)?;
        self.strike("entry.before")?;
        let mut write = Write::default();
        write.put_entry(index, entry);
        self.commits.commit(write).await.map_err(|error| match error {
            StoreError::Fatal(fatal) => LedgerError::Failed(fatal),
            other => LedgerError::Failed(self.shared.fatal.raise("writing the ledger", &other)),
        })?;
        self.strike("entry.after")?;
        Ok(index)
    }

    fn strike(&self, place: &'static str) -> Result<(), LedgerError> {
        let latch = |error| self.shared.fatal.raise_write("writing the ledger", &error);
        strike(place).map_err(|error| LedgerError::Failed(latch(error)))
    }

    /// Begins a snapshot if it is time for one.
    fn snapshot(&self) -> Option<Snapshotting> {
        let index = self.shared.last.load(Ordering::Acquire);
        if index < self.shared.snapshot.load(Ordering::Acquire) + self.snapshot_after {
            return None;
        }
        let state = self.shared.state().clone();
        let snapshots = Arc::clone(&self.snapshots);
        let last = LogPosition { term: 0, leader: 0, index };
        Some(blocking::spawn(move || {
            snapshots.write(Some(last), MembershipRecord::default(), &state)
        }))
    }

    /// Cuts the log behind a finished snapshot. The cut needs no sync: losing it loses nothing.
    async fn trim(&mut self, snapshotting: Snapshotting) {
        let fatal = self.shared.fatal.clone();
        let file = match snapshotting.await {
            Ok(Ok(file)) => file,
            Ok(Err(error)) => {
                error.raise(&fatal, "writing a snapshot");
                return;
            }
            Err(error) => {
                fatal.raise("writing a snapshot", &error);
                return;
            }
        };
        let index = file.header.index().unwrap_or(0);
        self.shared.snapshot.store(index, Ordering::Release);
        match self.cut(index).await {
            Ok(()) => self.trimmed = index,
            Err(error) => {
                fatal.raise("cutting the ledger's log", &error);
            }
        }
    }

    async fn cut(&mut self, index: u64) -> io::Result<()> {
        strike("cut.before")?;
        let mut write = Write::default();
        write.delete_entries(self.trimmed + 1, index + 1);
        write.put_value(TRIMMED, &LogPosition { term: 0, leader: 0, index })?;
        self.commits.submit(write).await?;
        strike("cut.after")
    }
}
