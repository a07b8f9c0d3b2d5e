//! Where commands are executed and questions answered.

use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{Answer, Envelope};
use berth_replication::{
    Consistency, Deadline, Ledger, LedgerError, LogIndex, NotExecuted, ProposeError, Proposed,
    ReadError, Replica, Servers,
};

use super::SubmitError;
use crate::looks::Look;
use crate::peers;

/// Pause after a server did not answer.
const PAUSE: Duration = Duration::from_millis(50);

/// Where commands are executed.
#[derive(Clone)]
pub enum Target {
    /// By the cluster, of which this host is a node: for global spaces.
    Replica(Replica),
    /// By the cluster, whose servers this host asks: for global spaces.
    Servers(Servers),
    /// On this host, for its local space.
    Ledger(Arc<Ledger>),
}

impl Target {
    /// Looks at the state.
    pub async fn look<L: Look>(
        &self,
        look: L,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<L::Seen, ReadError> {
        match self {
            Self::Replica(replica) => {
                let read = replica.read(consistency, deadline, |state| look.look(state));
                Ok(read.await?.value)
            }
            Self::Ledger(ledger) => Ok(ledger.read(|state| look.look(state))),
            Self::Servers(servers) => loop {
                match peers::look(servers, look.clone(), consistency, deadline).await {
                    Err(_) if !deadline.has_passed() => tokio::time::sleep(PAUSE).await,
                    seen => return seen,
                }
            },
        }
    }

    /// Has a command executed; gives its entry of the replicated log too, where that is the place.
    pub(super) async fn execute(
        &self,
        envelope: Envelope,
        deadline: Deadline,
    ) -> Result<(Option<LogIndex>, Answer), SubmitError> {
        let proposed = match self {
            Self::Replica(replica) => replica.propose(envelope, deadline).await,
            Self::Servers(servers) => servers.propose(envelope, deadline).await,
            Self::Ledger(ledger) => {
                let submitted = ledger.submit(envelope).await;
                return submitted.map(|answer| (None, answer)).map_err(|error| match error {
                    LedgerError::Refused { reason } => SubmitError::NotExecuted(reason),
                    LedgerError::NoRoom { reason } => SubmitError::NoRoom(reason),
                    error => SubmitError::Unknown(error.to_string()),
                });
            }
        };
        match proposed {
            Ok(Proposed { log_index, answer }) => Ok((Some(log_index), answer)),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<ProposeError> for SubmitError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotExecuted(NotExecuted::NoRoom { reason }) => Self::NoRoom(reason),
            ProposeError::NotExecuted(why) => Self::NotExecuted(why.to_string()),
            ProposeError::Unknown { reason } => Self::Unknown(reason),
        }
    }
}
