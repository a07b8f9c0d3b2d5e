//! How this process has commands executed: registered as a client, each command numbered, so that a
//! command that is sent again is not executed again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use berth_allocator::{
    Answer, ClientName, Command, Envelope, Incarnation, Millis, Register, Rejection, Response,
    Sequence, State, Text,
};
use berth_replication::{
    Consistency, Deadline, Ledger, LedgerError, ProposeError, ReadError, Replica,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Commands whose answer may be awaited at a time: half of the answers that are kept for a client.
const WAITING_MAX: usize = 2_048;

/// Where commands are executed.
#[derive(Clone)]
pub enum Target {
    /// By the cluster, for global spaces.
    Replica(Replica),
    /// On this host, for its local space.
    Ledger(Arc<Ledger>),
}

impl Target {
    /// Looks at the state.
    pub async fn read<T>(
        &self,
        consistency: Consistency,
        deadline: Deadline,
        look: impl FnOnce(&State) -> T,
    ) -> Result<T, ReadError> {
        match self {
            Self::Replica(replica) => Ok(replica.read(consistency, deadline, look).await?.value),
            Self::Ledger(ledger) => Ok(ledger.read(look)),
        }
    }

    async fn execute(&self, envelope: Envelope, deadline: Deadline) -> Result<Answer, SubmitError> {
        match self {
            Self::Replica(replica) => match replica.propose(envelope, deadline).await {
                Ok(proposed) => Ok(proposed.answer),
                Err(ProposeError::NotExecuted(why)) => {
                    Err(SubmitError::NotExecuted(why.to_string()))
                }
                Err(ProposeError::Unknown { reason }) => Err(SubmitError::Unknown(reason)),
            },
            Self::Ledger(ledger) => ledger.submit(envelope).await.map_err(|error| match error {
                LedgerError::Refused { reason } => SubmitError::NotExecuted(reason),
                error => SubmitError::Unknown(error.to_string()),
            }),
        }
    }
}

/// A command was refused, or got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The state machine refused it: nothing was changed.
    #[error(transparent)]
    Rejected(Rejection),
    /// It was not executed, and will not be.
    #[error("not executed: {0}")]
    NotExecuted(String),
    /// It may have been executed, or may yet be.
    #[error("it is not known whether this was done: {0}")]
    Unknown(String),
}

/// A command with its number: sent again, it gets its first answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    incarnation: Incarnation,
    sequence: Sequence,
    /// The command.
    pub command: Command,
}

/// Sends commands for one client. It registers with the first.
pub struct Sender {
    target: Target,
    client: ClientName,
    /// Where this process runs, to be shown to another one of the same name.
    address: Text,
    instance: u128,
    incarnation: tokio::sync::Mutex<Option<Incarnation>>,
    numbers: Mutex<Numbers>,
    /// A permit for each number that may yet wait for its answer.
    room: Semaphore,
}

/// Sequence numbers, and which of them still need their answer kept.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    unheard: BTreeSet<u64>,
}

impl Sender {
    /// A sender for `client`, which is this process's alone. `address` says where it runs.
    pub fn new(target: Target, client: ClientName, address: Text) -> Self {
        let mut instance = [0; 16];
        getrandom::fill(&mut instance).expect("the system gives random numbers");
        Self {
            target,
            client,
            address,
            instance: u128::from_le_bytes(instance),
            incarnation: tokio::sync::Mutex::default(),
            numbers: Mutex::default(),
            room: Semaphore::new(WAITING_MAX),
        }
    }

    /// The client for which it sends.
    pub fn client(&self) -> &ClientName {
        &self.client
    }

    /// Where commands are executed.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Has a command executed, and forgets its number: after an unknown outcome it cannot be asked
    /// for again.
    pub async fn submit(
        &self,
        command: Command,
        deadline: Deadline,
    ) -> Result<Response, SubmitError> {
        let ticket = self.ticket(command, deadline).await?;
        let outcome = self.run(&ticket, deadline).await;
        self.heard(&ticket);
        outcome
    }

    /// Numbers a command; waits while there are too many without an answer.
    pub async fn ticket(
        &self,
        command: Command,
        deadline: Deadline,
    ) -> Result<Ticket, SubmitError> {
        let incarnation = self.incarnation(deadline).await?;
        let room = timeout(deadline.remaining(), self.room.acquire()).await;
        let crowded = || format!("{WAITING_MAX} earlier commands have no answer yet");
        let room = room.map_err(|_| SubmitError::NotExecuted(crowded()))?;
        room.expect("the semaphore is never closed").forget();
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.last += 1;
        let sequence = numbers.last;
        numbers.unheard.insert(sequence);
        Ok(Ticket { incarnation, sequence: Sequence::new(sequence), command })
    }

    /// Has a numbered command executed, unless it was: then its answer comes again.
    pub async fn run(&self, ticket: &Ticket, deadline: Deadline) -> Result<Response, SubmitError> {
        let envelope = Envelope {
            client: self.client.clone(),
            incarnation: ticket.incarnation,
            sequence: ticket.sequence,
            heard: self.heard_below(ticket.sequence),
            command: ticket.command.clone(),
        };
        let answer = self.target.execute(envelope, deadline).await?;
        match answer.outcome {
            Ok(response) => Ok(response),
            Err(
                rejection @ (Rejection::IncarnationOver { .. } | Rejection::UnknownClient { .. }),
            ) => {
                self.incarnation.lock().await.take_if(|known| *known == ticket.incarnation);
                Err(SubmitError::NotExecuted(format!(
                    "another process registered as {}: {rejection}",
                    self.client
                )))
            }
            Err(Rejection::AnswerForgotten) => {
                Err(SubmitError::Unknown(Rejection::AnswerForgotten.to_string()))
            }
            Err(rejection) => Err(SubmitError::Rejected(rejection)),
        }
    }

    /// The answer to a ticket is no longer needed.
    pub fn heard(&self, ticket: &Ticket) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if numbers.unheard.remove(&ticket.sequence.get()) {
            self.room.add_permits(1);
        }
    }

    /// No answer below this number is needed. Never more than the command's own number, and than
    /// those that still wait.
    fn heard_below(&self, sequence: Sequence) -> Sequence {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let first = numbers.unheard.first().copied().unwrap_or(sequence.get());
        Sequence::new(first.min(sequence.get()))
    }

    async fn incarnation(&self, deadline: Deadline) -> Result<Incarnation, SubmitError> {
        let mut known = self.incarnation.lock().await;
        if let Some(incarnation) = *known {
            return Ok(incarnation);
        }
        // The data directory's lock and the node's place in the cluster guard its identity, so it
        // needs no lease, and a crashed node's successor need not wait for one to end.
        let register = Register {
            instance: self.instance,
            address: self.address.clone(),
            lease: Millis::new(0),
        };
        let envelope = Envelope {
            client: self.client.clone(),
            incarnation: Incarnation::new(0),
            sequence: Sequence::new(0),
            heard: Sequence::new(0),
            command: Command::Register(register),
        };
        match self.target.execute(envelope, deadline).await?.outcome {
            Ok(Response::Registered(incarnation)) => {
                *known = Some(incarnation);
                Ok(incarnation)
            }
            Ok(other) => unreachable!("a registration is not answered with {other:?}"),
            Err(rejection) => Err(SubmitError::Rejected(rejection)),
        }
    }
}
