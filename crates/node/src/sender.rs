//! How this process has commands executed: registered as a client, each command numbered, so that a
//! command that is sent again is not executed again.

mod identity;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use berth_allocator::{
    Answer, ClientName, Command, Envelope, Incarnation, Millis, Register, Rejection, Renew,
    Response, Sequence, Text,
};
use berth_replication::Deadline;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

pub use identity::Identity;
pub use target::Target;

use identity::Run;

use crate::audit::{self, Asker, Pending};

/// How far numbers may run ahead of the oldest one without an answer: half of the answers that are
/// kept for a client.
const AHEAD_MAX: u64 = 2_048;

/// A command was refused, or got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The state machine refused it: nothing was changed.
    #[error(transparent)]
    Rejected(Rejection),
    /// It was not executed, and will not be.
    #[error("not executed: {0}")]
    NotExecuted(String),
    /// The same, since there is no room for what it would give.
    #[error("{0}")]
    NoRoom(String),
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
    asker: Asker,
    /// An attempt got no answer, and that is on record.
    unanswered: AtomicBool,
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
    /// What guards its identity, where nothing else does.
    identity: Option<Identity>,
    incarnation: tokio::sync::Mutex<Option<Incarnation>>,
    /// Why it cannot register, where another one has its name.
    refused: watch::Sender<Option<Rejection>>,
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
        let instance = berth_replication::random().expect("the system gives random numbers");
        Self {
            target,
            client,
            address,
            instance: u128::from_le_bytes(instance),
            identity: None,
            incarnation: tokio::sync::Mutex::default(),
            refused: watch::Sender::default(),
            numbers: Arc::default(),
        }
    }

    /// The same, with its identity guarded by a lease, which [`Self::keep_identity`] renews.
    #[must_use]
    pub fn guarded(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
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
        Ok(Ticket {
            incarnation,
            sequence,
            numbers: Arc::clone(&self.numbers),
            asker: audit::asker(),
            unanswered: AtomicBool::default(),
            command,
        })
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
            let (asker, unanswered) = (Asker::Berth, AtomicBool::default());
            Ticket { incarnation, sequence, numbers, asker, unanswered, command }
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
        match self.execute(envelope, &ticket.asker, &ticket.unanswered, deadline).await?.outcome {
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
        if let Some(run) = self.identity.as_ref().and_then(Identity::earlier_run) {
            self.end(run, deadline).await?;
        }
        let register = Register {
            instance: self.instance,
            address: self.address.clone(),
            lease: self.lease(),
        };
        let command = Command::Register(register);
        let answered = self.unnumbered(Incarnation::new(0), Sequence::new(0), command, deadline);
        match answered.await? {
            Ok(Response::Registered(incarnation)) => {
                if let Some(identity) = &self.identity {
                    let noted = identity.begin(Run { incarnation, instance: self.instance });
                    noted.map_err(|error| SubmitError::NotExecuted(error.to_string()))?;
                }
                self.refused.send_replace(None);
                *known = Some(incarnation);
                Ok(incarnation)
            }
            Ok(other) => unreachable!("a registration is not answered with {other:?}"),
            Err(rejection) => {
                self.refused.send_replace(Some(rejection.clone()));
                Err(SubmitError::Rejected(rejection))
            }
        }
    }

    /// A server needs no lease: its data directory's lock and its place in the cluster guard its
    /// identity, and a crashed node's successor need not wait for one to end.
    fn lease(&self) -> Millis {
        self.identity.as_ref().map_or(Millis::new(0), |_| Identity::LEASE)
    }

    /// Executes a command beside the numbers.
    async fn unnumbered(
        &self,
        incarnation: Incarnation,
        sequence: Sequence,
        command: Command,
        deadline: Deadline,
    ) -> Result<Result<Response, Rejection>, SubmitError> {
        let (client, heard) = (self.client.clone(), Sequence::new(0));
        let envelope = Envelope { client, incarnation, sequence, heard, command };
        let once = AtomicBool::default();
        Ok(self.execute(envelope, &Asker::Berth, &once, deadline).await?.outcome)
    }

    /// Executes a command, and has it recorded; without an answer only once.
    async fn execute(
        &self,
        envelope: Envelope,
        asker: &Asker,
        unanswered: &AtomicBool,
        deadline: Deadline,
    ) -> Result<Answer, SubmitError> {
        let mut pending = Pending::begin(asker, &envelope.command);
        if matches!(envelope.command, Command::Register(_)) {
            pending = pending.of_client(&self.client);
        }
        match self.target.execute(envelope, deadline).await {
            Ok((log_index, answer)) => {
                pending.decided(log_index, &answer);
                Ok(answer)
            }
            Err(error) => {
                pending.failed(&error, unanswered.swap(true, Ordering::Relaxed));
                Err(error)
            }
        }
    }

    /// Ends the lease of a run of this process that is over, so that nobody waits for its end. The
    /// number is one that no command of a run comes to.
    async fn end(&self, run: Run, deadline: Deadline) -> Result<(), SubmitError> {
        let over = Command::Renew(Renew { instance: run.instance, lease: Millis::new(0) });
        let last = Sequence::new(u64::MAX);
        // Refused where that run does not count any more.
        let _ = self.unnumbered(run.incarnation, last, over, deadline).await?;
        Ok(())
    }

    /// Registers, and keeps the hold on this client's identity, until it is dropped.
    pub async fn keep_identity(&self) {
        loop {
            let deadline = Deadline::after(Identity::RENEW_EVERY);
            let renew = Renew { instance: self.instance, lease: self.lease() };
            match self.submit(Command::Renew(renew), deadline).await {
                Ok(_) => {}
                Err(SubmitError::Rejected(rejection)) => {
                    tracing::error!(error = %rejection, "this host's name is another one's");
                }
                Err(error) => tracing::debug!(%error, "the identity is not renewed yet"),
            }
            tokio::time::sleep(Identity::RENEW_EVERY).await;
        }
    }

    /// Gives the identity up: another run may have it at once.
    pub async fn leave(&self, deadline: Deadline) {
        let incarnation = *self.incarnation.lock().await;
        let Some(incarnation) = incarnation.filter(|_| self.identity.is_some()) else { return };
        let run = Run { incarnation, instance: self.instance };
        if let Err(error) = self.end(run, deadline).await {
            tracing::debug!(%error, "the identity is held until its lease ends");
        }
    }

    /// Why this client could not register, when it last tried.
    pub fn refused(&self) -> Option<Rejection> {
        self.refused.borrow().clone()
    }
}
