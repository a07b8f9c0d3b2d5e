//! How this process has commands executed: registered as a client, each command numbered, so that a
//! command that is sent again is not executed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use berth_allocator::{
    Answer, ClientName, Command, Envelope, Incarnation, Millis, Register, Rejection, Response,
    Sequence, State, Text,
};
use berth_replication::{
    Consistency, Deadline, Ledger, LedgerError, ProposeError, ReadError, Replica,
};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How far numbers may run ahead of the oldest one without an answer: half of the answers that are
/// kept for a client.
const AHEAD_MAX: u64 = 2_048;

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
    /// Its number is no longer known: asking again tells nothing.
    #[error("it is not known any more whether this was done: {0}")]
    Forgotten(Rejection),
}

/// A command with its number: sent again, it gets its first answer. Its answer is kept for it as long
/// as the ticket lives.
pub struct Ticket {
    incarnation: Incarnation,
    sequence: Sequence,
    numbers: Arc<Numbers>,
    /// The command.
    pub command: Command,
}

impl Ticket {
    /// How the command is known to its target.
    pub fn number(&self) -> (Incarnation, Sequence) {
        (self.incarnation, self.sequence)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.numbers.given().unheard.remove(&self.sequence.get());
        self.numbers.heard.notify_one();
    }
}

/// Sends commands for one client. It registers with the first.
pub struct Sender {
    target: Target,
    client: ClientName,
    /// Where this process runs, to be shown to another one of the same name.
    address: Text,
    instance: u128,
    incarnation: tokio::sync::Mutex<Option<Incarnation>>,
    numbers: Arc<Numbers>,
}

/// Gives sequence numbers.
#[derive(Default)]
struct Numbers {
    given: Mutex<Given>,
    /// Held by whoever is next to get a number, so that they come in order.
    gate: tokio::sync::Mutex<()>,
    /// Tells the holder of the gate that an answer was heard.
    heard: Notify,
}

/// Which numbers were given, and which of them still need their answer kept.
#[derive(Default)]
struct Given {
    last: u64,
    unheard: BTreeSet<u64>,
}

impl Numbers {
    fn given(&self) -> std::sync::MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a number may be given.
    async fn next(&self) -> u64 {
        let _first = self.gate.lock().await;
        loop {
            if let Some(number) = self.given().next() {
                return number;
            }
            self.heard.notified().await;
        }
    }

    /// No answer below this number is needed. Never more than the command's own number, and than
    /// those that still wait.
    fn heard_below(&self, sequence: Sequence) -> Sequence {
        let given = self.given();
        let first = given.unheard.first().copied().unwrap_or(sequence.get());
        Sequence::new(first.min(sequence.get()))
    }
}

impl Given {
    /// The next number, unless it would be too far ahead.
    fn next(&mut self) -> Option<u64> {
        let number = self.last + 1;
        let oldest = self.unheard.first().copied().unwrap_or(number);
        if number - oldest >= AHEAD_MAX {
            return None;
        }
        self.last = number;
        self.unheard.insert(number);
        Some(number)
    }
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
            numbers: Arc::default(),
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
        self.run(&ticket, deadline).await
    }

    /// Numbers a command; waits while the oldest command without an answer is too far behind.
    pub async fn ticket(
        &self,
        command: Command,
        deadline: Deadline,
    ) -> Result<Ticket, SubmitError> {
        let incarnation = self.incarnation(deadline).await?;
        let numbered = timeout(deadline.remaining(), self.numbers.next()).await;
        let crowded = |_| SubmitError::NotExecuted("earlier commands have no answer yet".into());
        let sequence = Sequence::new(numbered.map_err(crowded)?);
        Ok(Ticket { incarnation, sequence, numbers: Arc::clone(&self.numbers), command })
    }

    /// Commands that an earlier run of this process numbered. They can be asked for until this one
    /// registers.
    pub fn resume(
        &self,
        earlier: impl IntoIterator<Item = (Incarnation, Sequence, Command)>,
    ) -> Vec<Ticket> {
        let mut runs: BTreeMap<Incarnation, Arc<Numbers>> = BTreeMap::new();
        let resume = |(incarnation, sequence, command): (_, Sequence, _)| {
            let numbers = Arc::clone(runs.entry(incarnation).or_default());
            numbers.given().unheard.insert(sequence.get());
            Ticket { incarnation, sequence, numbers, command }
        };
        earlier.into_iter().map(resume).collect()
    }

    /// Has a numbered command executed, unless it was: then its answer comes again.
    pub async fn run(&self, ticket: &Ticket, deadline: Deadline) -> Result<Response, SubmitError> {
        let envelope = Envelope {
            client: self.client.clone(),
            incarnation: ticket.incarnation,
            sequence: ticket.sequence,
            heard: ticket.numbers.heard_below(ticket.sequence),
            command: ticket.command.clone(),
        };
        let answer = self.target.execute(envelope, deadline).await?;
        match answer.outcome {
            Ok(response) => Ok(response),
            Err(
                rejection @ (Rejection::IncarnationOver { .. } | Rejection::UnknownClient { .. }),
            ) => {
                self.incarnation.lock().await.take_if(|known| *known == ticket.incarnation);
                Err(SubmitError::Forgotten(rejection))
            }
            Err(rejection @ Rejection::AnswerForgotten) => Err(SubmitError::Forgotten(rejection)),
            Err(rejection) => Err(SubmitError::Rejected(rejection)),
        }
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
