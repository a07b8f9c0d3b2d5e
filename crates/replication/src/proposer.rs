//! The way in for commands: those that wait together go into one log entry.
//!
//! Nothing lingers: a batch is taken as soon as one of the few slots for entries in flight is free,
//! and is whatever waits then. Each command keeps track of whether it may have been executed, so that its
//! error is honest.

mod batch;
mod item;

use std::future::Future;
use std::sync::Arc;

use berth_allocator::{Answer, Batch, Envelope, Timestamp};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

#[cfg(shuttle)]
use crate::interleavings::JoinSetExt as _;
use crate::replica::{Executed, Hindrance};
use crate::{Deadline, LogIndex};
use item::{Item, Progress};

/// Commands that may wait; then callers do.
const QUEUE_MAX: usize = 8_192;
/// Commands in one entry.
const COMMANDS_MAX: usize = 512;
/// Bytes of commands in one entry, unless a single command is larger.
const BYTES_MAX: usize = 256 << 10;
/// Entries in flight.
const IN_FLIGHT_MAX: usize = 4;

/// A command took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The log entry that held it. A repeated command has the entry of its repetition.
    pub log_index: LogIndex,
    /// Its answer.
    pub answer: Answer,
}

/// A command got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was not executed, and will not be.
    #[error("the command was not executed: {0}")]
    NotExecuted(NotExecuted),
    /// It may have been executed, or yet be. Proposing the same envelope again tells.
    #[error("it is not known whether the command was executed: {reason}")]
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// Why a command was not executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExecuted {
    /// No leader was known until the deadline.
    #[error("the cluster has no leader; is a majority of its nodes running?")]
    NoLeader,
    /// The leader had no quorum until the deadline.
    #[error("the leader cannot reach a majority of the nodes")]
    NoQuorum,
    /// The leader could not be reached until the deadline.
    #[error("the leader cannot be reached: {reason}")]
    Unreachable {
        /// Why not.
        reason: String,
    },
    /// Earlier commands were waited for until the deadline.
    #[error("earlier commands still wait to be executed; is a majority of the nodes running?")]
    Busy,
    /// It is no command that the log can hold.
    #[error("the command is refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// This node takes nothing that needs room.
    #[error("{reason}")]
    NoRoom {
        /// Why.
        reason: String,
    },
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}

impl From<Hindrance> for ProposeError {
    fn from(hindrance: Hindrance) -> Self {
        Self::NotExecuted(match hindrance {
            Hindrance::NoLeader => NotExecuted::NoLeader,
            Hindrance::NoQuorum => NotExecuted::NoQuorum,
            Hindrance::Unreachable { reason } => NotExecuted::Unreachable { reason },
            Hindrance::Refused { reason } => NotExecuted::Refused { reason },
            Hindrance::Unknown { reason } => return Self::Unknown { reason },
        })
    }
}

/// Has commands executed by the leader, wherever that is.
pub(crate) trait Execute: Clone + Send + Sync + 'static {
    /// Has commands executed. Tries once.
    fn execute(
        &self,
        commands: Vec<Envelope>,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Executed, Hindrance>> + Send;
}

/// The queue's end.
pub(crate) struct Proposer {
    queue: mpsc::Sender<Item>,
}

impl Proposer {
    /// Starts taking commands.
    pub(crate) fn start(executor: impl Execute, tasks: &mut JoinSet<()>) -> Self {
        let (queue, items) = mpsc::channel(QUEUE_MAX);
        tasks.spawn(dispatch(executor, items));
        Self { queue }
    }

    /// See [`crate::Replica::propose`].
    pub(crate) async fn propose(
        &self,
        envelope: Envelope,
        deadline: Deadline,
    ) -> Result<Proposed, ProposeError> {
        let refuse = |why| Err(ProposeError::NotExecuted(why));
        let (envelope, bytes) = match measure(envelope) {
            Ok(measured) => measured,
            Err(reason) => return refuse(NotExecuted::Refused { reason }),
        };
        let progress = Arc::new(Progress::default());
        let (reply, answer) = oneshot::channel();
        let item = Item { envelope, bytes, deadline, progress: Arc::clone(&progress), reply };
        match timeout_at(deadline.instant(), self.queue.send(item)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return refuse(NotExecuted::Stopping),
            Err(_) => return refuse(NotExecuted::Busy),
        }
        match timeout_at(deadline.instant(), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(progress.abandon(NotExecuted::Stopping)),
            Err(_) => Err(progress.abandon(NotExecuted::Busy)),
        }
    }
}

/// The length of a command in a batch; an error if the log cannot hold it.
fn measure(envelope: Envelope) -> Result<(Envelope, usize), String> {
    let batch = Batch { at: Timestamp::new(0), commands: vec![envelope] };
    let bytes = berth_codec::encode(&batch).map_err(|error| error.to_string())?.len();
    let envelope = batch.commands.into_iter().next().expect("the batch holds one command");
    Ok((envelope, bytes))
}

async fn dispatch(executor: impl Execute, mut items: mpsc::Receiver<Item>) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut batches = JoinSet::new();
    let mut next = None;
    loop {
        while batches.try_join_next().is_some() {}
        let slot = Arc::clone(&slots).acquire_owned().await.expect("it is never closed");
        let first = match next.take() {
            Some(item) => item,
            None => match items.recv().await {
                Some(item) => item,
                None => return,
            },
        };
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        while batch.len() < COMMANDS_MAX
            && let Ok(item) = items.try_recv()
        {
            bytes += item.bytes;
            if bytes > BYTES_MAX {
                next = Some(item);
                break;
            }
            batch.push(item);
        }
        let executor = executor.clone();
        batches.spawn(async move {
            batch::run(&executor, batch).await;
            drop(slot);
        });
    }
}
