//! What nodes ask of each other. These types are the wire format: see `raft/record.rs`.

use std::collections::BTreeMap;

use berth_allocator::{Answer, Envelope};
use berth_codec::{Kind, Record};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::frame::BODY_BYTES_MAX;
use crate::membership::{Admission, ChangeFailure, Grant, MemberChange, Standing};
use crate::raft::{EntryRecord, LogPosition, PeerRecord, VoteRecord};
use crate::{Build, NodeId};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Store these entries behind `previous`; none: a sign of life.
    Append {
        vote: VoteRecord,
        previous: Option<LogPosition>,
        entries: Vec<EntryRecord>,
        committed: Option<LogPosition>,
    },
    /// Vote for me.
    Vote(Candidacy),
    /// Would you vote for me?
    PreVote(Candidacy),
    /// Take over the leadership.
    TransferLeader { from: VoteRecord, to: u64, last: Option<LogPosition> },
    /// You lead: have these executed.
    Propose { commands: Vec<Envelope>, patience_ms: u64 },
    /// You lead: how far must I have applied to read now?
    ReadIndex { patience_ms: u64 },
    /// A snapshot of this many bytes follows.
    SnapshotBegin { vote: VoteRecord, length: u64 },
    /// Its next piece.
    SnapshotPiece { offset: u64, bytes: Bytes },
    /// That was all: install it.
    SnapshotEnd,
    /// A question of those who use the replica, which only they understand.
    Question { body: Bytes },
    /// An agent's: who are the members, and who leads?
    Members,
    /// An agent's: what became of your last question, and what is the next one?
    Attend { answered: Option<(u64, Result<Bytes, String>)>, patience_ms: u64 },
    /// You lead: change the membership.
    Change { change: MemberChange, patience_ms: u64 },
    /// You lead, or a newcomer's to any member: admit a newcomer.
    Admit { admission: Admission, patience_ms: u64 },
    /// Am I a member still? The log made me one by the entry `since` at the latest.
    Standing { node: NodeId, since: u64 },
    /// Which build the node is.
    Build,
}

/// A candidate's vote and log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidacy {
    pub(crate) vote: VoteRecord,
    pub(crate) last: Option<LogPosition>,
    /// The leader itself asked for this election.
    pub(crate) transfer: bool,
}

impl Record for Request {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = BODY_BYTES_MAX;
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Response {
    /// To [`Request::Append`].
    Appended(AppendOutcome),
    /// To [`Request::Vote`] and [`Request::PreVote`].
    Voted { vote: VoteRecord, granted: bool, last: Option<LogPosition> },
    /// To [`Request::TransferLeader`].
    Transferred(TransferOutcome),
    /// To [`Request::Propose`].
    Proposed(Result<(u64, Vec<Answer>), Failure>),
    /// To [`Request::ReadIndex`].
    ReadIndex(Result<u64, Failure>),
    /// To [`Request::SnapshotBegin`] and [`Request::SnapshotPiece`].
    SnapshotReceived,
    /// To [`Request::SnapshotEnd`].
    SnapshotInstalled { vote: VoteRecord },
    /// To any: it could not be done.
    Failed { reason: String },
    /// To [`Request::Question`].
    Told { body: Bytes },
    /// To [`Request::Members`]: all of them, and the number of the one that leads.
    Members { members: BTreeMap<u64, PeerRecord>, leader: Option<u64> },
    /// To [`Request::Attend`]: a question with its number; none came in time.
    Asked { question: Option<(u64, Bytes)> },
    /// To [`Request::Change`].
    Changed(Result<(), ChangeFailure>),
    /// To [`Request::Admit`].
    Admitted(Result<Grant, ChangeFailure>),
    /// To [`Request::Standing`].
    Standing(Standing),
    /// To [`Request::Build`].
    Build(Build),
}

impl Record for Response {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = BODY_BYTES_MAX;
}

/// What became of entries sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AppendOutcome {
    /// All are stored.
    Stored,
    /// Those up to here are stored.
    Partly(Option<LogPosition>),
    /// The entry before them is another one.
    Conflict,
    /// The sender does not lead any more.
    HigherVote(VoteRecord),
}

/// What became of a request to lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum TransferOutcome {
    /// The election begins.
    Accepted,
    /// The vote has changed since.
    VoteChanged { expected: VoteRecord, actual: VoteRecord },
    /// The log is not complete yet.
    Behind { expected: Option<LogPosition>, actual: Option<LogPosition> },
}

/// Why a leader could not help.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// Nothing was done: this node does not lead.
    NotLeader,
    /// Nothing was done: this node leads, but has not heard from a quorum of late.
    NoQuorum,
    /// Nothing was done, and trying again would not help.
    Refused { reason: String },
    /// It may have been done.
    Unknown { reason: String },
    /// To an agent. Nothing was done: the leader cannot be reached.
    Unreachable { reason: String },
}

impl Failure {
    /// In words.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::NotLeader => "no member leads".to_owned(),
            Self::NoQuorum => "the leader cannot reach a majority of the members".to_owned(),
            Self::Refused { reason } | Self::Unknown { reason } | Self::Unreachable { reason } => {
                reason
            }
        }
    }
}
