//! What a node tells its simulator.

use berth_allocator::{Answer, Batch, State};

use crate::raft::{LogId, Vote};

/// A position in the log, and the vote of the leader who proposed what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The leader's term.
    pub term: u64,
    /// The leader.
    pub leader: u64,
    /// The index.
    pub index: u64,
}

impl From<&LogId> for Position {
    fn from(id: &LogId) -> Self {
        let leader = id.committed_leader_id();
        Self { term: leader.term, leader: leader.node_id, index: id.index() }
    }
}

/// Something that a checker may want to know.
#[derive(Debug)]
pub enum Event<'a> {
    /// An entry was applied, with what it led to. One of Raft's own has no batch.
    Applied {
        /// Which entry.
        position: Position,
        /// Its commands.
        batch: Option<&'a Batch>,
        /// Their answers.
        answers: &'a [Answer],
        /// The state after it.
        state: &'a State,
    },
    /// The state was replaced by a snapshot's, at a start or because the node lagged.
    Installed {
        /// The last entry that it includes.
        position: Option<Position>,
        /// The state.
        state: &'a State,
    },
    /// A vote is durable: it must never be forgotten.
    Voted {
        /// Its term.
        term: u64,
        /// For whom.
        node: u64,
    },
    /// The vote that was found at a start.
    VoteFound {
        /// Its term; 0 without any.
        term: u64,
        /// For whom.
        node: u64,
    },
}

impl<'a> Event<'a> {
    pub(crate) fn installed(last: Option<&LogId>, state: &'a State) -> Self {
        Self::Installed { position: last.map(Position::from), state }
    }

    pub(crate) fn voted(vote: &Vote) -> Self {
        Self::Voted { term: vote.leader_id.term, node: vote.leader_id.node_id }
    }

    pub(crate) fn vote_found(vote: Option<&Vote>) -> Self {
        let (term, node) = vote.map_or((0, 0), |v| (v.leader_id.term, v.leader_id.node_id));
        Self::VoteFound { term, node }
    }
}
