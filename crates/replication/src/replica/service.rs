//! Answers what peers ask.

use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{Command, Envelope, TokenHash};
use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    VoteRequest,
};

use super::{Core, Executed, MemberStatus, RespondentSlot};
use crate::attendants::Attendants;
use crate::machine;
use crate::membership::{Admission, ChangeFailure, Grant, Heard, MembershipError};
use crate::proposer::Execute;
use crate::raft::{
    Entry, EntryRecord, LogId, LogPosition, PeerRecord, Snapshot, TypeConfig, Vote, VoteRecord,
};
use crate::snapshot::{Incoming, SnapshotError, SnapshotStore};
use crate::transport::{
    AUDIT, AppendOutcome, Candidacy, Failure, Handle, PeerStream, Request, Response, Session,
    TransferOutcome,
};
use crate::{Build, Deadline, Fatal, LogIndex, NodeId, NodeName, Secret};

/// This node, as its peers see it.
pub(super) struct Service {
    pub(super) core: Core,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) fatal: Fatal,
    pub(super) respondent: RespondentSlot,
    pub(super) attendants: Attendants,
    pub(super) heard: Heard,
    /// What newcomers are told.
    pub(super) secret: Option<Secret>,
}

/// A request could not be answered; the reason goes back to the peer.
type Refused = String;

impl Handle for Service {
    async fn handle(&self, request: Request) -> Response {
        let answered = match request {
            Request::Append { vote, previous, entries, committed } => {
                self.append(vote, previous, entries, committed).await
            }
            Request::Vote(candidacy) => self.vote(candidacy, false).await,
            Request::PreVote(candidacy) => self.vote(candidacy, true).await,
            Request::TransferLeader { from, to, last } => self.take_over(from, to, last).await,
            Request::Propose { commands, patience_ms } => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                Ok(Response::Proposed(self.core.execute_here(commands, deadline).await))
            }
            Request::ReadIndex { patience_ms } => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                Ok(Response::ReadIndex(self.core.read_index_here(deadline).await))
            }
            Request::Question { body } => self.tell(None, body).await,
            Request::Change { change, patience_ms } => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                Ok(Response::Changed(self.core.change_here(&change, deadline).await))
            }
            Request::Admit { admission, patience_ms } => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                Ok(Response::Admitted(self.core.admit_here(&admission, deadline).await))
            }
            Request::Standing { node, since } => {
                Ok(Response::Standing(self.core.standing(node, since)))
            }
            Request::Build => Ok(Response::Build(Build::own())),
            Request::Members | Request::Attend { .. } => {
                Err("members know each other, and attend to nobody".to_owned())
            }
            Request::SnapshotBegin { .. }
            | Request::SnapshotPiece { .. }
            | Request::SnapshotEnd => Err("snapshots have a connection of their own".to_owned()),
        };
        answered.unwrap_or_else(|reason| Response::Failed { reason })
    }

    async fn handle_agent(&self, agent: &NodeName, request: Request) -> Response {
        let answered = match request {
            Request::Propose { commands, .. } if !commands.iter().all(is_agents) => {
                let reason = "that is not an agent's to do".to_owned();
                tracing::warn!(target: AUDIT, agent = agent.as_str(), "an agent was refused");
                Ok(Response::Proposed(Err(Failure::Refused { reason })))
            }
            Request::Propose { commands, patience_ms } => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                Ok(Response::Proposed(self.execute_for(agent, commands, deadline).await))
            }
            Request::Question { body } => self.tell(Some(agent), body).await,
            Request::Members => Ok(self.members()),
            Request::Attend { answered, patience_ms } => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                let question = self.attendants.attend(agent, answered, deadline).await;
                Ok(Response::Asked { question })
            }
            _ => Err("that is not an agent's to ask".to_owned()),
        };
        answered.unwrap_or_else(|reason| Response::Failed { reason })
    }

    async fn handle_newcomer(
        &self,
        (newcomer, token): (&NodeName, &TokenHash),
        request: Request,
    ) -> Response {
        match request {
            Request::Admit { admission, patience_ms } if admission.name == *newcomer => {
                let deadline = Deadline::after(Duration::from_millis(patience_ms));
                let admitted = self.admit(token, &admission, deadline).await;
                match &admitted {
                    Ok(grant) => tracing::info!(target: AUDIT, newcomer = newcomer.as_str(),
                        node = %grant.node, log_index = grant.since, "a host was admitted"),
                    Err(error) => tracing::warn!(target: AUDIT, newcomer = newcomer.as_str(),
                        ?error, "a host was not admitted"),
                }
                Response::Admitted(admitted)
            }
            _ => Response::Failed { reason: "that is not a newcomer's to ask".to_owned() },
        }
    }

    async fn serve_user(&self, stream: PeerStream, peer: &str) {
        if let Some(respondent) = self.respondent.get() {
            respondent.serve_user(Box::new(stream), peer).await;
        }
    }

    async fn handle_in_order(&self, session: &mut Session, request: Request) -> Response {
        let answered = match request {
            Request::SnapshotBegin { vote, length } => self.begin(session, vote, length),
            Request::SnapshotPiece { offset, bytes } => {
                self.receive(session, offset, bytes.to_vec()).await
            }
            Request::SnapshotEnd => self.install(session).await,
            other => Ok(self.handle(other).await),
        };
        answered.unwrap_or_else(|reason| Response::Failed { reason })
    }
}

impl Service {
    async fn tell(&self, agent: Option<&NodeName>, body: Bytes) -> Result<Response, Refused> {
        let respondent = self.respondent.get().ok_or("the node is starting")?;
        let told = match agent {
            Some(agent) => respondent.respond_to_agent(agent, body).await,
            None => respondent.respond(body).await,
        };
        told.map(|body| Response::Told { body })
    }

    /// Executes an agent's commands, of which those who use the replica may keep a record.
    async fn execute_for(
        &self,
        agent: &NodeName,
        commands: Vec<Envelope>,
        deadline: Deadline,
    ) -> Result<Executed, Failure> {
        let respondent = self.respondent.get();
        if respondent.is_none() {
            tracing::info!(target: AUDIT, agent = agent.as_str(), commands = commands.len(),
                "an agent's commands are not on record: this node is starting");
        }
        let witness = respondent.and_then(|it| it.witness(agent, &commands));
        let executed = self.core.execute(commands, deadline).await;
        if let Some(witness) = witness {
            match &executed {
                Ok((index, answers)) => witness(Ok((LogIndex::new(*index), answers))),
                Err(hindrance) => witness(Err(hindrance.clone().into())),
            }
        }
        executed.map_err(Failure::from)
    }

    async fn admit(
        &self,
        token: &TokenHash,
        admission: &Admission,
        deadline: Deadline,
    ) -> Result<Grant, ChangeFailure> {
        let admitted = match self.core.use_token(token, &admission.name, deadline).await {
            Ok(()) => self.core.admit(admission, deadline).await,
            Err(error) => Err(error),
        };
        let admitted = admitted.map(|grant| Grant { secret: self.secret.clone(), ..grant });
        admitted.map_err(|error| match error {
            MembershipError::Refused(refusal) => refusal.into(),
            MembershipError::Unavailable { reason } => Failure::Unreachable { reason }.into(),
            MembershipError::Unknown { reason } => Failure::Unknown { reason }.into(),
        })
    }

    fn members(&self) -> Response {
        let status = self.core.status();
        let member =
            |member: MemberStatus| PeerRecord { name: member.name, address: member.address };
        Response::Members {
            leader: status.leader.map(NodeId::get),
            members: status.members.into_iter().map(|m| (m.node.get(), member(m))).collect(),
        }
    }

    async fn append(
        &self,
        vote: VoteRecord,
        previous: Option<LogPosition>,
        entries: Vec<EntryRecord>,
        committed: Option<LogPosition>,
    ) -> Result<Response, Refused> {
        let entries: Result<Vec<Entry>, _> = entries.into_iter().map(Entry::try_from).collect();
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: vote.into(),
            prev_log_id: previous.map(LogId::from),
            entries: entries.map_err(|error| error.to_string())?,
            leader_commit: committed.map(LogId::from),
        };
        self.heard.now();
        let appended = self.core.raft.append_entries(request).await;
        Ok(Response::Appended(match appended.map_err(|error| error.to_string())? {
            AppendEntriesResponse::Success => AppendOutcome::Stored,
            AppendEntriesResponse::PartialSuccess(upto) => {
                AppendOutcome::Partly(upto.as_ref().map(LogPosition::from))
            }
            AppendEntriesResponse::Conflict => AppendOutcome::Conflict,
            AppendEntriesResponse::HigherVote(vote) => {
                AppendOutcome::HigherVote(VoteRecord::from(&vote))
            }
        }))
    }

    async fn vote(&self, candidacy: Candidacy, pre_vote: bool) -> Result<Response, Refused> {
        let mut request =
            VoteRequest::<TypeConfig>::new(candidacy.vote.into(), candidacy.last.map(LogId::from));
        request.leadership_transfer = candidacy.transfer;
        let voted = if pre_vote {
            self.core.raft.pre_vote(request).await
        } else {
            self.core.raft.vote(request).await
        };
        let voted = voted.map_err(|error| error.to_string())?;
        Ok(Response::Voted {
            vote: VoteRecord::from(&voted.vote),
            granted: voted.vote_granted,
            last: voted.last_log_id.as_ref().map(LogPosition::from),
        })
    }

    async fn take_over(
        &self,
        from: VoteRecord,
        to: u64,
        last: Option<LogPosition>,
    ) -> Result<Response, Refused> {
        let request =
            TransferLeaderRequest::<TypeConfig>::new(from.into(), to, last.map(LogId::from));
        let handled = self.core.raft.handle_transfer_leader(request).await;
        let position = |id: Option<LogId>| id.as_ref().map(LogPosition::from);
        Ok(Response::Transferred(match handled.map_err(|error| error.to_string())? {
            Ok(()) => TransferOutcome::Accepted,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                TransferOutcome::VoteChanged {
                    expected: VoteRecord::from(&expected),
                    actual: VoteRecord::from(&actual),
                }
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                TransferOutcome::Behind { expected: position(expected), actual: position(actual) }
            }
        }))
    }

    fn begin(
        &self,
        session: &mut Session,
        vote: VoteRecord,
        length: u64,
    ) -> Result<Response, Refused> {
        let incoming = self.snapshots.receive(length).map_err(|error| self.not_written(&error))?;
        session.receiving = Some((vote, incoming));
        Ok(Response::SnapshotReceived)
    }

    async fn receive(
        &self,
        session: &mut Session,
        offset: u64,
        piece: Vec<u8>,
    ) -> Result<Response, Refused> {
        self.heard.now();
        let (vote, mut incoming) = session.receiving.take().ok_or("no snapshot was begun")?;
        if incoming.received() != offset {
            return Err(format!("the snapshot's piece at {offset} comes out of order"));
        }
        let (incoming, appended): (Incoming, _) = blocking(move || {
            let appended = incoming.append(&piece);
            (incoming, appended)
        })
        .await?;
        appended.map_err(|error| self.not_written(&error))?;
        session.receiving = Some((vote, incoming));
        Ok(Response::SnapshotReceived)
    }

    /// A piece that cannot be written is the node's end, as any failed write is; one that is too long
    /// is its sender's mistake.
    fn not_written(&self, error: &SnapshotError) -> Refused {
        match error {
            SnapshotError::Io { .. } => {
                error.raise(&self.fatal, "receiving a snapshot").to_string()
            }
            _ => error.to_string(),
        }
    }

    async fn install(&self, session: &mut Session) -> Result<Response, Refused> {
        let (vote, incoming) = session.receiving.take().ok_or("no snapshot was begun")?;
        let (incoming, synced) = blocking(move || {
            let synced = incoming.sync();
            (incoming, synced)
        })
        .await?;
        synced.map_err(|error| self.not_written(&error))?;
        let file = incoming.open().map_err(|error| error.to_string())?;
        let meta = machine::meta(file.header.clone()).map_err(|error| error.to_string())?;
        let snapshot = Snapshot { meta, snapshot: file };
        let installed = self.core.raft.install_full_snapshot(Vote::from(vote), snapshot).await;
        // Until then the received file must stay.
        drop(incoming);
        let response = installed.map_err(|error| error.to_string())?;
        Ok(Response::SnapshotInstalled { vote: VoteRecord::from(&response.vote) })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    crate::blocking::spawn(work).await.map_err(|error| error.to_string())
}

/// Whether an agent may ask for it: what engines need, and what a user of a host may do. Tokens, and that a
/// restored state is whole, are the cluster's.
fn is_agents(envelope: &Envelope) -> bool {
    fn of_command(command: &Command) -> bool {
        match command {
            Command::Batch(commands) => commands.iter().all(of_command),
            Command::MakeToken(_)
            | Command::RevokeToken { .. }
            | Command::UseToken { .. }
            | Command::DeclareBehind
            | Command::ClearBehind { .. }
            | Command::Resume { .. }
            | Command::RaiseLevel { .. } => false,
            _ => true,
        }
    }
    of_command(&envelope.command)
}
