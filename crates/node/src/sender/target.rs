//! Where commands are executed and questions answered.

use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{Answer, Envelope};
use berth_replication::{
    Consistency, Deadline, Ledger, LedgerError, NotExecuted, ProposeError, ReadError, Replica,
    Servers,
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

    pub(super) async fn execute(
        &self,
        envelope: Envelope,
        deadline: Deadline,
    ) -> Result<Answer, SubmitError> {
        let proposed = match self {
            Self::Replica(replica) => replica.propose(envelope, deadline).await,
            Self::Servers(servers) => servers.propose(envelope, deadline).await,
            Self::Ledger(ledger) => {
                return ledger.submit(envelope).await.map_err(|error| match error {
                    LedgerError::Refused { reason } => SubmitError::NotExecuted(reason),
                    LedgerError::NoRoom { reason } => SubmitError::NoRoom(reason),
                    error => SubmitError::Unknown(error.to_string()),
                });
            }
        };
        match proposed {
            Ok(proposed) => Ok(proposed.answer),
            Err(ProposeError::NotExecuted(NotExecuted::NoRoom { reason })) => {
                Err(SubmitError::NoRoom(reason))
            }
            Err(ProposeError::NotExecuted(why)) => Err(SubmitError::NotExecuted(why.to_string())),
            Err(ProposeError::Unknown { reason }) => Err(SubmitError::Unknown(reason)),
        }
    }
}
