//! How a node is.

use std::time::Duration;

use berth_allocator::Revision;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, ServerState};

use super::Core;
use super::core::Metrics;
use crate::{LogIndex, NodeId, Term};

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It receives the log, without a vote.
    Learner,
    /// It follows the leader.
    Follower,
    /// It asks to be elected.
    Candidate,
    /// It leads.
    Leader,
    /// It has stopped.
    Stopped,
}

/// A node's view of itself and its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The term it is in.
    pub term: Term,
    /// The last entry of its log.
    pub last: Option<LogIndex>,
    /// The last entry it knows to be committed.
    pub committed: Option<LogIndex>,
    /// The last entry it applied.
    pub applied: Option<LogIndex>,
    /// The last entry in its newest snapshot.
    pub snapshot: Option<LogIndex>,
    /// The last entry it purged.
    pub purged: Option<LogIndex>,
    /// How long ago a quorum was last heard; on the leader only.
    pub quorum_heard: Option<Duration>,
    /// A change of the voters is half done: a majority of those before is needed, and one of those after.
    pub changing: bool,
    /// All members.
    pub members: Vec<MemberStatus>,
}

/// A member, as a node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its number.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
    /// How long ago it was last heard; on the leader only, and not of itself.
    pub heard: Option<Duration>,
    /// The last entry known to be in its log; on the leader only.
    pub matched: Option<LogIndex>,
}

/// A state's hash, and which state it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// The last entry applied.
    pub applied: LogIndex,
    /// Commands executed.
    pub revision: Revision,
    /// The hash.
    pub value: u64,
}

pub(super) fn status(core: &Core) -> Status {
    let metrics = core.raft().metrics();
    let metrics = metrics.borrow_watched();
    let index = |id: &Option<crate::raft::LogId>| id.as_ref().map(|id| LogIndex::new(id.index()));
    Status {
        node: core.node(),
        role: match metrics.state {
            ServerState::Learner => Role::Learner,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Leader => Role::Leader,
            ServerState::Shutdown => Role::Stopped,
        },
        leader: metrics.current_leader.map(NodeId::new),
        term: Term::new(metrics.current_term),
        last: metrics.last_log_index.map(LogIndex::new),
        committed: index(&metrics.local_committed),
        applied: index(&metrics.last_applied),
        snapshot: index(&metrics.snapshot),
        purged: index(&metrics.purged),
        quorum_heard: metrics.last_quorum_acked.as_ref().map(|at| at.elapsed()),
        changing: metrics.membership_config.membership().get_joint_config().len() > 1,
        members: members(core, &metrics),
    }
}

fn members(core: &Core, metrics: &Metrics) -> Vec<MemberStatus> {
    let membership = metrics.membership_config.membership();
    let member = |(id, node): (&u64, &crate::raft::PeerNode)| {
        let heard = metrics.heartbeat.as_ref().and_then(|all| all.get(id)?.as_ref());
        let matched = metrics.replication.as_ref().and_then(|all| all.get(id)?.as_ref());
        MemberStatus {
            node: NodeId::new(*id),
            name: node.name.clone(),
            address: core.links().address(NodeId::new(*id), node),
            voter: membership.voter_ids().any(|voter| voter == *id),
            heard: heard.map(|at| at.elapsed()),
            matched: matched.map(|id| LogIndex::new(id.index())),
        }
    };
    membership.nodes().map(member).collect()
}
