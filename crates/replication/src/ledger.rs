//! The local ledger: the allocator for one host alone, durable without a quorum.
//!
//! Commands that wait together become one entry with one sync, and are answered once that is over
//! and they were applied. The log is cut behind snapshots. It never waits for Raft, nor for a peer.

mod entry;
mod recovery;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use berth_allocator::{Answer, Batch, Envelope, State, Timestamp};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::blocking;
use crate::directory::DirectoryError;
use crate::fatal::FatalError;
use crate::rocks::{LOST, StoreError};
use crate::snapshot::SnapshotError;
use crate::{Clock, Fatal, Fingerprint, Gate, LogIndex, NodeName};
#[cfg(feature = "fuzzing")]
pub(crate) use entry::Entry;
#[cfg(test)]
pub(crate) use entry::golden;
use worker::{Item, Worker};

/// Commands that may wait; then callers do.
const QUEUE_MAX: usize = 8_192;

/// What a [`Ledger`] must be told to open.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// Where it is kept; nobody else's. Made if it does not exist.
    pub dir: PathBuf,
    /// The host's name; a ledger of another name is refused.
    pub name: NodeName,
    /// Entries after which a snapshot is made and the log is cut.
    pub snapshot_after: u64,
}

/// A ledger could not be opened. Nothing was changed, beyond what an earlier one left.
#[derive(Debug, thiserror::Error)]
pub enum LedgerStartError {
    /// The directory.
    #[error(transparent)]
    Directory(DirectoryError),
    /// The log.
    #[error(transparent)]
    Store(StoreError),
    /// The snapshots.
    #[error("the snapshots cannot be used. If they are damaged: {}", LOST)]
    Snapshot(#[source] SnapshotError),
    /// Opening was interrupted.
    #[error("opening the ledger was interrupted: {reason}")]
    Interrupted {
        /// By what.
        reason: String,
    },
}

/// A command got no answer from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It is no command that the log can hold. It was not executed.
    #[error("the command is refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The host takes nothing that needs room. It was not executed.
    #[error("{reason}")]
    NoRoom {
        /// Why.
        reason: String,
    },
    /// The ledger cannot go on. Whether the command was executed shows after a restart.
    #[error("it is not known whether the command was executed: {0}")]
    Failed(FatalError),
    /// The ledger stops. Whether the command was executed shows after a restart.
    #[error("it is not known whether the command was executed: the ledger is stopping")]
    Stopping,
}

/// How a ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Its last entry; zero without any.
    pub last: LogIndex,
    /// The last entry in its newest snapshot; zero without any.
    pub snapshot: LogIndex,
}

/// The local ledger. It closes with [`Self::shutdown`], or when it goes.
pub struct Ledger {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Item>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
    gate: Gate,
}

/// What the worker and the readers share.
struct Shared {
    state: RwLock<State>,
    last: AtomicU64,
    snapshot: AtomicU64,
    fatal: Fatal,
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("nothing panics while it holds the state")
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("nothing panics while it holds the state")
    }
}

impl Ledger {
    /// Opens the ledger, or makes it: the newest snapshot, and the entries behind it. What was
    /// acknowledged is there, or this is refused.
    pub async fn open(
        config: LedgerConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerStartError> {
        let fatal = Fatal::new();
        let opening = {
            let (config, fatal) = (config.clone(), fatal.clone());
            blocking::spawn(move || recovery::recover(&config, &fatal))
        };
        let interrupted = |error: tokio::task::JoinError| LedgerStartError::Interrupted {
            reason: error.to_string(),
        };
        let recovered = opening.await.map_err(interrupted)??;
        let shared = Arc::new(Shared {
            state: RwLock::new(recovered.state),
            last: AtomicU64::new(recovered.last),
            snapshot: AtomicU64::new(recovered.snapshot),
            fatal,
        });
        let (queue, items) = mpsc::channel(QUEUE_MAX);
        let worker = Worker {
            shared: Arc::clone(&shared),
            clock,
            commits: recovered.commits,
            snapshots: Arc::new(recovered.snapshots),
            snapshot_after: config.snapshot_after.max(1),
            trimmed: recovered.trimmed,
            _directory: recovered.directory,
        };
        let worker = Mutex::new(Some(tokio::spawn(worker.run(items))));
        let gate = Gate::default();
        Ok(Self { shared, queue: Mutex::new(Some(queue)), worker, gate })
    }

    /// Executes a command, and answers once that is durable.
    pub async fn submit(&self, envelope: Envelope) -> Result<Answer, LedgerError> {
        let passed = self.gate.pass(std::iter::once(&envelope.command));
        passed.map_err(|reason| LedgerError::NoRoom { reason })?;
        let batch = Batch { at: Timestamp::new(0), commands: vec![envelope] };
        let bytes = berth_codec::encode(&batch)
            .map_err(|error| LedgerError::Refused { reason: error.to_string() })?
            .len();
        let envelope = batch.commands.into_iter().next().expect("the batch holds one command");
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.lock().await.clone().ok_or(LedgerError::Stopping)?;
        let sent = queue.send(Item { envelope, bytes, reply }).await;
        drop(queue);
        sent.map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())?
    }

    /// What decides whether commands that need room are taken.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Looks at the state. Executing commands waits while it does, so it should be quick.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state())
    }

    /// Hashes the state. Takes time in proportion to it, but holds up nothing.
    pub async fn fingerprint(&self) -> Fingerprint {
        let (state, applied) = {
            let state = self.shared.state();
            (state.clone(), self.shared.last.load(Ordering::Acquire))
        };
        let hashing = blocking::spawn(move || Fingerprint {
            applied: LogIndex::new(applied),
            revision: state.revision(),
            value: state.fingerprint(),
        });
        hashing.await.expect("hashing a state does not panic")
    }

    /// How it is.
    pub fn status(&self) -> LedgerStatus {
        LedgerStatus {
            last: LogIndex::new(self.shared.last.load(Ordering::Acquire)),
            snapshot: LogIndex::new(self.shared.snapshot.load(Ordering::Acquire)),
        }
    }

    /// Tells when the ledger cannot go on. The process must end then.
    pub fn fatal(&self) -> Fatal {
        self.shared.fatal.clone()
    }

    /// Executes what waits, and closes.
    pub async fn shutdown(&self) {
        drop(self.queue.lock().await.take());
        if let Some(worker) = self.worker.lock().await.take() {
            // A panic there was shown by the task itself.
            let _ = worker.await;
        }
    }

    fn stopped(&self) -> LedgerError {
        self.shared.fatal.error().map_or(LedgerError::Stopping, LedgerError::Failed)
    }
}
