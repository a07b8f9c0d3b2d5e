//! Reading at the newest state: one confirmation of the leadership serves all reads that wait.
//!
//! A read may use an index that the leader gave after the read began. So a round is started when
//! somebody waits, serves whoever waited at its start, and those who come later wait for the next.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use crate::replica::Hindrance;
use crate::{Deadline, LogIndex};

/// Reads that may wait.
const QUEUE_MAX: usize = 8_192;
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// How new a read's state must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// It holds all that was answered, on any node, before the read began.
    Linearizable,
    /// Whatever this node has applied; works without a quorum.
    Stale,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read<T> {
    /// What the look at the state gave.
    pub value: T,
    /// The last entry that the state includes.
    pub applied: LogIndex,
}

/// The newest state could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader was known until the deadline.
    #[error("the cluster has no leader; is a majority of its nodes running?")]
    NoLeader,
    /// The leader had no quorum until the deadline.
    #[error("the leader cannot reach a majority of the nodes")]
    NoQuorum,
    /// The leader could not be reached, or did not answer.
    #[error("the leader cannot be asked: {reason}")]
    Unreachable {
        /// Why not.
        reason: String,
    },
    /// This node had not caught up by the deadline.
    #[error("this node has not applied log entry {index} yet")]
    Behind {
        /// What it must apply first.
        index: LogIndex,
    },
    /// The deadline passed, or the node stops.
    #[error("the read was not finished in time")]
    Unfinished,
}

impl From<Hindrance> for ReadError {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::NoLeader => Self::NoLeader,
            Hindrance::NoQuorum => Self::NoQuorum,
            Hindrance::Unreachable { reason }
            | Hindrance::Refused { reason }
            | Hindrance::Unknown { reason } => Self::Unreachable { reason },
        }
    }
}

/// Asks the leader, wherever that is.
pub(crate) trait Confirm: Send + Sync + 'static {
    /// How far the state must be applied to be read now. Tries once.
    fn read_index(&self, deadline: Deadline)
    -> impl Future<Output = Result<u64, Hindrance>> + Send;
}

struct Waiting {
    deadline: Deadline,
    reply: oneshot::Sender<Result<u64, ReadError>>,
}

/// Gives the indices up to which reads must wait.
pub(crate) struct ReadIndexes {
    queue: mpsc::Sender<Waiting>,
}

impl ReadIndexes {
    /// Starts serving.
    pub(crate) fn start(leader: impl Confirm, tasks: &mut JoinSet<()>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        tasks.spawn(serve(leader, waiting));
        Self { queue }
    }

    /// An index that holds all that was answered before this was called.
    pub(crate) async fn get(&self, deadline: Deadline) -> Result<u64, ReadError> {
        let (reply, index) = oneshot::channel();
        let waiting = Waiting { deadline, reply };
        // The server answers at the deadline; a little later, it will not.
        let patience = deadline.instant() + PAUSE;
        let sent = timeout_at(patience, self.queue.send(waiting)).await;
        sent.map_err(|_| ReadError::Unfinished)?.map_err(|_| ReadError::Unfinished)?;
        let got = timeout_at(patience, index).await.map_err(|_| ReadError::Unfinished)?;
        got.map_err(|_| ReadError::Unfinished)?
    }
}

async fn serve(leader: impl Confirm, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some(first) => waiting.push(first),
                None => return,
            }
        }
        while waiting.len() < QUEUE_MAX
            && let Ok(next) = queue.try_recv()
        {
            waiting.push(next);
        }
        let Some(deadline) = waiting.iter().map(|waiting| waiting.deadline).min() else { continue };
        let confirmed = leader.read_index(deadline).await;
        #[cfg(shuttle)]
        if crate::interleavings::sins(crate::interleavings::Sin::ServeLateReads) {
            while let Ok(late) = queue.try_recv() {
                waiting.push(late);
            }
        }
        match confirmed {
            Ok(index) => waiting.drain(..).for_each(|waiting| {
                // The reader may have gone.
                let _ = waiting.reply.send(Ok(index));
            }),
            Err(hindrance) => {
                for late in waiting.extract_if(.., |waiting| waiting.deadline.has_passed()) {
                    // The reader may have gone.
                    let _ = late.reply.send(Err(hindrance.clone().into()));
                }
                if !waiting.is_empty() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
