//! What a node can do itself, and what it asks the leader to do.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "canary")]
use berth_allocator::canary;
use berth_allocator::{Answer, Batch, Envelope, Timestamp};
use openraft::LinearizerOption;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardReason, LinearizableReadError, RaftError};
use tokio::time::timeout_at;

use super::Status;
use super::status::status;
use crate::machine::Applied;
use crate::proposer::Execute;
use crate::raft::{PeerNode, Proposal, Raft, TypeConfig};
use crate::reads::Confirm;
use crate::transport::{CallError, Failure, Lane, Links, Request, Response};
use crate::{Clock, Deadline, Gate, NodeId};

/// Why something was not done. All but [`Hindrance::Unknown`] say that it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// No node is known to lead.
    NoLeader,
    /// The leader has no quorum.
    NoQuorum,
    /// The leader cannot be reached.
    Unreachable { reason: String },
    /// It was refused for good.
    Refused { reason: String },
    /// It may have been done.
    Unknown { reason: String },
}

impl From<Failure> for Hindrance {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotLeader => Self::NoLeader,
            Failure::NoQuorum => Self::NoQuorum,
            Failure::Refused { reason } => Self::Refused { reason },
            Failure::Unknown { reason } => Self::Unknown { reason },
            Failure::Unreachable { reason } => Self::Unreachable { reason },
        }
    }
}

impl From<Hindrance> for Failure {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::NoLeader => Self::NotLeader,
            Hindrance::NoQuorum => Self::NoQuorum,
            Hindrance::Unreachable { reason } => Self::Unreachable { reason },
            Hindrance::Refused { reason } => Self::Refused { reason },
            Hindrance::Unknown { reason } => Self::Unknown { reason },
        }
    }
}

impl From<CallError> for Hindrance {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(reason) => Self::Unreachable { reason },
            CallError::Lost(reason) => Self::Unknown { reason },
        }
    }
}

/// Raft, the state, the peers and the clock. Clones are the same.
#[derive(Clone)]
pub(crate) struct Core {
    pub(super) raft: Raft,
    pub(super) applied: Applied,
    pub(super) links: Links,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whose turn it is to change the membership, while this node leads.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) gate: Gate,
}

/// The index and the answers of an executed batch.
pub(crate) type Executed = (u64, Vec<Answer>);

impl Core {
    pub(crate) fn node(&self) -> NodeId {
        NodeId::new(*self.raft.node_id())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.raft
    }

    pub(crate) fn applied(&self) -> &Applied {
        &self.applied
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// Executes commands if this node leads.
    pub(super) async fn execute_here(
        &self,
        commands: Vec<Envelope>,
        deadline: Deadline,
    ) -> Result<Executed, Failure> {
        if !self.raft.is_leader() {
            return Err(Failure::NotLeader);
        }
        let passed = self.gate.pass(commands.iter().map(|envelope| &envelope.command));
        passed.map_err(|reason| Failure::Refused { reason })?;
        let unknown = |reason: String| Failure::Unknown { reason };
        let proposal = Proposal::new(Batch { at: self.clock.now(), commands })
            .map_err(|error| Failure::Refused { reason: error.to_string() })?;
        #[cfg(feature = "canary")]
        if canary::sins(canary::Canary::EarlyAnswer) {
            let (answers, applied) =
                self.applied.read(|state| state.clone().apply(proposal.batch()));
            let raft = self.raft.clone();
            tokio::spawn(async move { raft.client_write(proposal).await });
            return Ok((applied.get() + 1, answers));
        }
        let written = timeout_at(deadline.instant(), self.raft.client_write(proposal)).await;
        match written.map_err(|_| unknown("the deadline passed before the commit".to_owned()))? {
            Ok(response) => Ok((response.log_id.index(), response.data.0)),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(match forward.reason {
                    ForwardReason::LeaseExpired => Failure::NoQuorum,
                    _ => Failure::NotLeader,
                })
            }
            Err(error) => Err(unknown(error.to_string())),
        }
    }

    /// Confirms with a quorum that this node leads, and gives how far the state must be applied.
    pub(super) async fn read_index_here(&self, deadline: Deadline) -> Result<u64, Failure> {
        let option = LinearizerOption::new(Some(Duration::ZERO), true)
            .with_wait_timeout(deadline.remaining());
        match self.raft.get_read_linearizer(option).await {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) => {
                Err(Failure::NotLeader)
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(Failure::NoQuorum)
            }
            Err(error) => Err(Failure::Refused { reason: error.to_string() }),
        }
    }

    /// A member, as the log has it.
    pub(crate) fn peer(&self, node: NodeId) -> Option<PeerNode> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.get_node(&node.get()).cloned()
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.raft.metrics().borrow_watched().current_leader.map(NodeId::new)
    }

    /// How the node is.
    pub(crate) fn status(&self) -> Status {
        status(self)
    }

    /// Asks the leader; gives up when another one leads.
    pub(crate) async fn ask(
        &self,
        leader: NodeId,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Response, Hindrance> {
        let link = self.links.to(leader, Lane::Forward);
        tokio::select! {
            response = link.call(request, deadline) => Ok(response?),
            () = self.leads_no_more(leader) => {
                Err(Hindrance::Unknown { reason: format!("node {leader} does not lead any more") })
            }
        }
    }

    async fn leads_no_more(&self, leader: NodeId) {
        let mut metrics = self.raft.server_metrics();
        while metrics.borrow_watched().current_leader == Some(leader.get()) {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Confirm for Core {
    /// By the leader's word.
    async fn read_index(&self, deadline: Deadline) -> Result<u64, Hindrance> {
        match self.leader().ok_or(Hindrance::NoLeader)? {
            leader if leader == self.node() => Ok(self.read_index_here(deadline).await?),
            leader => {
                let request = Request::ReadIndex { patience_ms: deadline.millis() };
                match self.ask(leader, &request, deadline).await? {
                    Response::ReadIndex(result) => Ok(result?),
                    other => Err(unexpected(other)),
                }
            }
        }
    }
}

impl Execute for Core {
    /// Here or at the leader.
    async fn execute(
        &self,
        commands: Vec<Envelope>,
        deadline: Deadline,
    ) -> Result<Executed, Hindrance> {
        match self.leader().ok_or(Hindrance::NoLeader)? {
            leader if leader == self.node() => Ok(self.execute_here(commands, deadline).await?),
            leader => {
                let request = Request::Propose { commands, patience_ms: deadline.millis() };
                match self.ask(leader, &request, deadline).await? {
                    Response::Proposed(result) => Ok(result?),
                    other => Err(unexpected(other)),
                }
            }
        }
    }
}

/// What an answer means that fits no question.
pub(crate) fn unexpected(response: Response) -> Hindrance {
    let reason = match response {
        Response::Failed { reason } => reason,
        _ => "the answer fits no question of ours".to_owned(),
    };
    Hindrance::Unknown { reason }
}

/// The configuration's types, to name the library's parameters in one place.
pub(super) type Metrics = openraft::RaftMetrics<TypeConfig>;
