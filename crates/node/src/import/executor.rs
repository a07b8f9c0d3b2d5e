//! Where an import's steps are executed: on a copy of the state first, then in the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{
    Answer, Batch, ClientName, Command, Envelope, Incarnation, Millis, Register, Rejection,
    Response, Sequence, State, Text, Timestamp,
};
use berth_replication::{Deadline, Replica};
use tokio::sync::mpsc;

use super::steps::{Executor, Outcome};
use crate::api::Problem;
use crate::api::types::ImportLine;
use crate::code::Code;
use crate::sender::{Sender, SubmitError, Target, Ticket};

/// Where the hosts' commands come from, as a host is told that wants its name.
const ADDRESS: &str = "import";
/// How long a command waits for the cluster before it is asked for again.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long commands are asked for again before the import is given up.
const PATIENCE: Duration = Duration::from_mins(2);
/// Pause before that.
const PAUSE: Duration = Duration::from_millis(200);

/// Executes on a copy of the state.
#[derive(Clone)]
pub(crate) struct Rehearsal {
    state: State,
    now: Timestamp,
    /// Of the API.
    own: ClientName,
    runs: BTreeMap<ClientName, (Incarnation, u64)>,
}

impl Rehearsal {
    /// A rehearsal of commands of the API's client, and of hosts, at this time.
    pub(crate) fn new(state: State, own: ClientName, now: Timestamp) -> Self {
        Self { now: now.max(state.now()), state, own, runs: BTreeMap::new() }
    }

    #[cfg(test)]
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    fn apply(&mut self, envelope: Envelope) -> Outcome {
        let batch = Batch { at: self.now, commands: vec![envelope] };
        let answer = self.state.apply(&batch).pop();
        answer.map(|Answer { outcome, .. }| outcome).expect("a command has an answer")
    }

    fn register(&mut self, client: &ClientName) -> Result<Incarnation, Problem> {
        let address = Text::new(ADDRESS).expect("it is plain");
        let register = Register { instance: 0, address, lease: Millis::new(0) };
        let outcome = self.apply(Envelope {
            client: client.clone(),
            incarnation: Incarnation::new(0),
            sequence: Sequence::new(0),
            heard: Sequence::new(0),
            command: Command::Register(register),
        });
        match outcome {
            Ok(Response::Registered(incarnation)) => Ok(incarnation),
            Ok(other) => Err(strange(&other)),
            Err(rejection @ Rejection::IdentityTaken { .. }) => {
                let detail = format!("a host of the file runs in this cluster: {rejection}");
                Err(Problem::new(Code::Import, detail))
            }
            Err(rejection) => Err(rejection.into()),
        }
    }
}

impl Executor for Rehearsal {
    async fn execute(
        &mut self,
        client: Option<&ClientName>,
        commands: Vec<Command>,
    ) -> Result<Vec<Outcome>, Problem> {
        let client = client.unwrap_or(&self.own).clone();
        let (incarnation, last) = match self.runs.get(&client) {
            Some(run) => *run,
            None => (self.register(&client)?, 0),
        };
        let sequence = last + 1;
        self.runs.insert(client.clone(), (incarnation, sequence));
        let sequence = Sequence::new(sequence);
        let command = Command::Batch(commands);
        let envelope = Envelope { client, incarnation, sequence, heard: sequence, command };
        each(self.apply(envelope)?)
    }
}

/// Executes in the cluster, and tells how far it is.
pub(crate) struct InCluster {
    replica: Replica,
    own: Arc<Sender>,
    hosts: BTreeMap<ClientName, Sender>,
    of: u64,
    progress: mpsc::Sender<ImportLine>,
}

impl InCluster {
    /// Commands of the API's client go through `own`; there are `of` claims in all.
    pub(crate) fn new(
        replica: Replica,
        own: Arc<Sender>,
        of: u64,
        progress: mpsc::Sender<ImportLine>,
    ) -> Self {
        Self { replica, own, hosts: BTreeMap::new(), of, progress }
    }

    fn sender(&mut self, client: Option<&ClientName>) -> &Sender {
        let Some(client) = client else { return &self.own };
        let address = || Text::new(ADDRESS).expect("it is plain");
        let target = || Target::Replica(self.replica.clone());
        let sender = self.hosts.entry(client.clone());
        sender.or_insert_with(|| Sender::new(target(), client.clone(), address()))
    }
}

impl Executor for InCluster {
    async fn execute(
        &mut self,
        client: Option<&ClientName>,
        commands: Vec<Command>,
    ) -> Result<Vec<Outcome>, Problem> {
        let sender = self.sender(client);
        let patience = Deadline::after(PATIENCE);
        let command = Command::Batch(commands);
        let mut ticket: Option<Ticket> = None;
        loop {
            let deadline = Deadline::after(DEADLINE);
            let answered = match &ticket {
                Some(ticket) => sender.run(ticket, deadline).await,
                None => match sender.ticket(command.clone(), deadline).await {
                    Ok(numbered) => {
                        ticket = Some(numbered);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match answered {
                Ok(response) => return each(response),
                Err(SubmitError::NotExecuted(_) | SubmitError::Unknown(_))
                    if !patience.has_passed() =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn has_claimed(&mut self, done: u64) {
        // Whoever asked may be gone, or slow: the import goes on.
        let _ = self.progress.try_send(ImportLine::Progress { done, of: self.of });
    }
}

fn each(response: Response) -> Result<Vec<Outcome>, Problem> {
    match response {
        Response::Batch(each) => Ok(each),
        other => Err(strange(&other)),
    }
}

pub(super) fn strange(response: &Response) -> Problem {
    Problem::new(Code::OutcomeUnknown, format!("unexpected: {response:?}"))
}
