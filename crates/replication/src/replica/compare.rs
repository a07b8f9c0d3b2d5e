//! Comparing the states of all nodes, which never stand still at one entry together: an entry without
//! commands marks a place in the log, and each node keeps its state as of that place for a while.

use std::time::Duration;

use super::{Fingerprint, Hindrance, Replica};
use crate::blocking;
use crate::proposer::Execute;
use crate::{Deadline, LogIndex, ReadError};

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// A node cannot tell the fingerprint at a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMarked {
    /// It has not come there yet.
    #[error("log entry {index} is not applied yet")]
    Behind {
        /// The mark.
        index: LogIndex,
    },
    /// Its state has gone on.
    #[error(
        "the state as of log entry {index} is not kept any more: another comparison came between, or \
         the node has started since"
    )]
    Gone {
        /// The mark.
        index: LogIndex,
    },
}

impl Replica {
    /// Marks a place in the log at which the states of all nodes can be compared.
    pub async fn mark(&self, deadline: Deadline) -> Result<LogIndex, ReadError> {
        loop {
            let unknown = match self.0.core.execute(Vec::new(), deadline).await {
                Ok((index, _)) => return Ok(LogIndex::new(index)),
                // Another mark does no harm.
                Err(hindrance) => hindrance,
            };
            if deadline.has_passed() || matches!(unknown, Hindrance::Refused { .. }) {
                return Err(unknown.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hashes the state as of a mark, once this node has come there.
    pub async fn fingerprint_at(
        &self,
        mark: LogIndex,
        deadline: Deadline,
    ) -> Result<Fingerprint, NotMarked> {
        let applied = self.0.core.applied();
        if !applied.reaches(mark.get(), deadline).await {
            return Err(NotMarked::Behind { index: mark });
        }
        let state = applied.marked(mark.get()).ok_or(NotMarked::Gone { index: mark })?;
        let hashing = blocking::spawn(move || Fingerprint {
            applied: mark,
            revision: state.revision(),
            value: state.fingerprint(),
        });
        Ok(hashing.await.expect("hashing a state does not panic"))
    }
}
