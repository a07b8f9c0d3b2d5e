//! Our own form of what Raft writes and sends. These structs are the format on disk and on the wire;
//! a change to one needs a new version of every record that contains it.

use std::collections::{BTreeMap, BTreeSet};

use berth_codec::{DecodeError, Kind, Record};
use bytes::Bytes;
use openraft::EntryPayload;
use serde::{Deserialize, Serialize};

use super::config::Leader;
use super::{Entry, LogId, Membership, PeerNode, Proposal, StoredMembership, Vote};

/// Bytes of a log entry: a batch of at most 4 MiB, or a membership, and its position.
const ENTRY_BYTES_MAX: usize = (4 << 20) + 1_024;

/// A position in the log, and whose leadership put something there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogPosition {
    pub(crate) term: u64,
    pub(crate) leader: u64,
    pub(crate) index: u64,
}

impl Record for LogPosition {
    const KIND: Kind = Kind::LogPosition;
    const VERSION: u8 = 1;
    const LIMIT: usize = 64;
}

impl From<&LogId> for LogPosition {
    fn from(id: &LogId) -> Self {
        let Leader { term, node_id } = *id.committed_leader_id();
        Self { term, leader: node_id, index: id.index() }
    }
}

impl From<LogPosition> for LogId {
    fn from(position: LogPosition) -> Self {
        let leader = Leader { term: position.term, node_id: position.leader };
        Self::new(leader, position.index)
    }
}

/// For whom a node voted, or whom it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    pub(crate) term: u64,
    pub(crate) node: u64,
    /// Whether a quorum granted it: the node leads that term.
    pub(crate) granted: bool,
}

impl Record for VoteRecord {
    const KIND: Kind = Kind::Vote;
    const VERSION: u8 = 1;
    const LIMIT: usize = 64;
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        let Leader { term, node_id } = vote.leader_id;
        Self { term, node: node_id, granted: vote.committed }
    }
}

impl From<VoteRecord> for Vote {
    fn from(record: VoteRecord) -> Self {
        let leader_id = Leader { term: record.term, node_id: record.node };
        Self { leader_id, committed: record.granted }
    }
}

/// A node of a membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerRecord {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// Who votes and who listens; two sets of voters while it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    /// Where the log holds it; `None` for the empty membership of a new node.
    pub(crate) position: Option<LogPosition>,
    pub(crate) voters: Vec<BTreeSet<u64>>,
    pub(crate) nodes: BTreeMap<u64, PeerRecord>,
}

impl MembershipRecord {
    fn new(position: Option<LogPosition>, membership: &Membership) -> Self {
        let record =
            |node: &PeerNode| PeerRecord { name: node.name.clone(), address: node.address.clone() };
        Self {
            position,
            voters: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(id, node)| (*id, record(node))).collect(),
        }
    }

    fn membership(self) -> Result<Membership, RecordError> {
        // The constructor refuses an empty membership, which is what a new node has.
        if self.voters.is_empty() && self.nodes.is_empty() {
            return Ok(Membership::default());
        }
        let node = |record: PeerRecord| PeerNode { name: record.name, address: record.address };
        let nodes: BTreeMap<u64, PeerNode> =
            self.nodes.into_iter().map(|(id, record)| (id, node(record))).collect();
        Membership::new(self.voters, nodes)
            .map_err(|error| RecordError::Membership { reason: error.to_string() })
    }
}

/// A record was decoded, but is not a log entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The batch that it carries.
    #[error("the log entry's batch cannot be decoded")]
    Batch(#[source] DecodeError),
    /// The membership that it carries.
    #[error("the membership is not one: {reason}")]
    Membership {
        /// Why not.
        reason: String,
    },
}

impl From<&StoredMembership> for MembershipRecord {
    fn from(stored: &StoredMembership) -> Self {
        Self::new(stored.log_id().as_ref().map(LogPosition::from), stored.membership())
    }
}

impl TryFrom<MembershipRecord> for StoredMembership {
    type Error = RecordError;

    fn try_from(record: MembershipRecord) -> Result<Self, RecordError> {
        Ok(Self::new(record.position.map(LogId::from), record.membership()?))
    }
}

/// What a log entry carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PayloadRecord {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A batch of commands, as its own record.
    Batch(Bytes),
    /// A membership that is in force from here on.
    Membership(MembershipRecord),
}

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) position: LogPosition,
    pub(crate) payload: PayloadRecord,
}

impl Record for EntryRecord {
    const KIND: Kind = Kind::LogEntry;
    const VERSION: u8 = 1;
    const LIMIT: usize = ENTRY_BYTES_MAX;
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let payload = match &entry.payload {
            EntryPayload::Blank => PayloadRecord::Blank,
            EntryPayload::Normal(proposal) => PayloadRecord::Batch(proposal.bytes().clone()),
            EntryPayload::Membership(membership) => {
                PayloadRecord::Membership(MembershipRecord::new(None, membership))
            }
        };
        Self { position: LogPosition::from(&entry.log_id), payload }
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = RecordError;

    fn try_from(record: EntryRecord) -> Result<Self, RecordError> {
        let payload = match record.payload {
            PayloadRecord::Blank => EntryPayload::Blank,
            PayloadRecord::Batch(bytes) => {
                EntryPayload::Normal(Proposal::decode(bytes).map_err(RecordError::Batch)?)
            }
            PayloadRecord::Membership(membership) => {
                EntryPayload::Membership(membership.membership()?)
            }
        };
        Ok(Self { log_id: record.position.into(), payload })
    }
}
