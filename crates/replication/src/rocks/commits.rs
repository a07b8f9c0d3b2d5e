//! Group commit: one thread that writes in the order of submission, one sync for all that waits.
//!
//! While a round is being synced the next one gathers. A round is one atomic write: after a crash
//! it is there as a whole, with all rounds before it, or not at all. The first failure is latched
//! ([`Fatal`]); every write of that round and after it is told so.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use berth_codec::Record;
use tokio::sync::{mpsc, oneshot};

use super::witness::{Round, Witness};
use super::{Change, Family, Store, StoreError};
use crate::Fatal;
use crate::failpoint::strike;
use crate::fatal::FatalError;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Writes that may wait; then submitters do.
const QUEUE_MAX: usize = 1_024;
/// Bytes in a round, unless a single write is larger.
const ROUND_BYTES_MAX: usize = 4 << 20;
/// Where the number of a round is kept in the database.
const ROUND_KEY: &str = "round";

type Done = Box<dyn FnOnce(Result<(), FatalError>) + Send>;

/// Changes that are made together, or not at all.
#[derive(Default)]
pub(crate) struct Write {
    changes: Vec<Change>,
    bytes: usize,
    synced: bool,
    done: Option<Done>,
}

impl Write {
    /// Puts an entry.
    pub(crate) fn put_entry(&mut self, index: u64, value: Vec<u8>) {
        self.put(Family::Log, super::index_key(index).to_vec(), value);
    }

    /// Puts a single value.
    pub(crate) fn put_value<R: Record>(
        &mut self,
        name: &'static str,
        value: &R,
    ) -> Result<(), StoreError> {
        let value = berth_codec::encode(value).map_err(StoreError::Encode)?;
        self.put(Family::Meta, name.into(), value);
        Ok(())
    }

    /// Deletes entries from index `from` up to, and without, `to`.
    pub(crate) fn delete_entries(&mut self, from: u64, to: u64) {
        if from < to {
            self.changes.push(Change::DeleteRange { from, to });
        }
    }

    /// Asks for a sync, and to be told when it is over, from the writing thread.
    #[must_use]
    pub(crate) fn synced(
        mut self,
        done: impl FnOnce(Result<(), FatalError>) + Send + 'static,
    ) -> Self {
        self.synced = true;
        self.done = Some(Box::new(done));
        self
    }

    fn put(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.changes.push(Change::Put { family, key, value });
    }
}

/// The submitting end. There is one, which is what makes the order of writes that of its calls.
pub(crate) struct Commits {
    queue: Option<mpsc::Sender<Write>>,
    /// What goes with the next write, and how long it is.
    deferred: (Vec<Change>, usize),
    submitted: u64,
    written: Arc<AtomicU64>,
    fatal: Fatal,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Commits {
    /// Checks that the store has all rounds that were synced, as the data directory `dir` says, and
    /// starts the writing thread.
    pub(crate) fn start(store: Arc<Store>, dir: &Path, fatal: &Fatal) -> Result<Self, StoreError> {
        let (witness, synced) = Witness::open(dir)?;
        let found = store.value::<Round>(ROUND_KEY)?.map_or(0, |round| round.0);
        if found < synced {
            return Err(StoreError::Shortened { path: store.path().to_owned(), synced, found });
        }
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let written = Arc::new(AtomicU64::new(0));
        let committer = Writer {
            store,
            witness,
            round: found,
            fatal: fatal.clone(),
            written: Arc::clone(&written),
        };
        let thread = committer.start(waiting).map_err(|error| {
            StoreError::Fatal(fatal.raise("starting the writing thread", &error))
        })?;
        let queue = Some(queue);
        Ok(Self {
            queue,
            deferred: (Vec::new(), 0),
            submitted: 0,
            written,
            fatal: fatal.clone(),
            thread,
        })
    }

    /// Hands a write over. Gives its number: [`Self::written`] reaches it once the write can be read.
    pub(crate) async fn submit(&mut self, mut write: Write) -> Result<u64, StoreError> {
        if let Some(error) = self.fatal.error() {
            return Err(StoreError::Fatal(error));
        }
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let (changes, bytes) = std::mem::take(&mut self.deferred);
        write.changes.extend(changes);
        write.bytes += bytes;
        queue.send(write).await.map_err(|_| StoreError::Closed)?;
        self.submitted += 1;
        Ok(self.submitted)
    }

    /// Hands a write over and waits until it is synced.
    pub(crate) async fn commit(&mut self, write: Write) -> Result<(), StoreError> {
        let (done, synced) = oneshot::channel();
        let write = write.synced(move |result| {
            // The submitter may have gone; the write counts all the same.
            let _ = done.send(result);
        });
        self.submit(write).await?;
        synced.await.map_err(|_| StoreError::Closed)?.map_err(StoreError::Fatal)
    }

    /// Has changes made along with the next write that is submitted, or when this is dropped; later ones
    /// take their place. They may be lost to a crash, even one of the process alone.
    pub(crate) fn defer(&mut self, write: Write) {
        self.deferred = (write.changes, write.bytes);
    }

    /// The number the next write will get.
    pub(crate) const fn next(&self) -> u64 {
        self.submitted + 1
    }

    /// How many writes can be read from the store, in the order of submission.
    pub(crate) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }
}

impl Drop for Commits {
    /// Waits for what was submitted, so that the directory can be opened again at once.
    fn drop(&mut self) {
        let (changes, bytes) = std::mem::take(&mut self.deferred);
        if let Some(queue) = self.queue.take()
            && !changes.is_empty()
        {
            // Where there is no room for them, they are lost, as they may be.
            let _ = queue.try_send(Write { changes, bytes, ..Write::default() });
        }
        if let Some(thread) = self.thread.take() {
            // A panic there was shown by the thread itself.
            let _ = thread.join();
        }
    }
}

struct Writer {
    store: Arc<Store>,
    witness: Witness,
    round: u64,
    fatal: Fatal,
    written: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread; in a simulation, which has none, a task.
    fn start(
        mut self,
        mut writes: mpsc::Receiver<Write>,
    ) -> std::io::Result<Option<std::thread::JoinHandle<()>>> {
        #[cfg(feature = "sim")]
        if let Some(machine) = crate::sim::current() {
            tokio::spawn(async move {
                while let Some(first) = writes.recv().await {
                    tokio::time::sleep(machine.disk().delay()).await;
                    self.round(first, &mut writes);
                }
            });
            return Ok(None);
        }
        let run = move || {
            while let Some(first) = writes.blocking_recv() {
                self.round(first, &mut writes);
            }
        };
        std::thread::Builder::new().name("berth-writer".to_owned()).spawn(run).map(Some)
    }

    /// Writes the first and those that wait behind it, and tells those who asked for it.
    fn round(&mut self, first: Write, writes: &mut mpsc::Receiver<Write>) {
        let mut bytes = first.bytes;
        let mut waiting = VecDeque::from([first]);
        while bytes < ROUND_BYTES_MAX
            && let Ok(next) = writes.try_recv()
        {
            bytes += next.bytes;
            waiting.push_back(next);
        }
        #[cfg(shuttle)]
        if crate::interleavings::sins(crate::interleavings::Sin::CountFirst) {
            self.written.fetch_add(waiting.len() as u64, Ordering::Release);
        }
        let result = self.commit(&waiting);
        let synced = matches!(result, Ok(true));
        let result = result.and_then(|_| self.strike("callback.before"));
        if result.is_ok() {
            self.written.fetch_add(waiting.len() as u64, Ordering::Release);
        }
        for done in waiting.into_iter().filter_map(|write| write.done) {
            done(result.clone());
        }
        // Those are latched where it matters: nobody is left to be told.
        let _ = self.strike("callback.after");
        if synced {
            let _ = self.count();
        }
    }

    /// Notes a synced round outside the database, behind all answers, which need not wait for it.
    fn count(&self) -> Result<(), FatalError> {
        let counted = self.witness.write(self.round);
        counted.map_err(|error| self.fatal.raise_write("counting synced writes", &error))
    }

    fn strike(&self, place: &'static str) -> Result<(), FatalError> {
        strike(place).map_err(|error| self.fatal.raise_write("telling of a write", &error))
    }

    /// Makes the writes; true if they were synced.
    fn commit(&mut self, writes: &VecDeque<Write>) -> Result<bool, FatalError> {
        let failed = self.fatal.error();
        #[cfg(shuttle)]
        let failed =
            failed.filter(|_| !crate::interleavings::sins(crate::interleavings::Sin::TryAgain));
        if let Some(error) = failed {
            return Err(error);
        }
        let synced = writes.iter().any(|write| write.synced);
        let round = self.round + u64::from(synced);
        let record = berth_codec::encode(&Round(round))
            .map_err(|error| self.fatal.raise("numbering a round of writes", &error))?;
        let numbered = Change::Put { family: Family::Meta, key: ROUND_KEY.into(), value: record };
        let changes = writes.iter().flat_map(|write| &write.changes).chain([&numbered]);
        self.store
            .write(changes, synced)
            .map_err(|error| self.fatal.raise_write("writing the log", &error))?;
        self.round = round;
        Ok(synced)
    }
}
