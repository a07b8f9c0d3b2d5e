//! Members come and go: what may be asked of the leader, when it refuses, and how it carries it out.
//!
//! `docs/adr/0010-membership.md` says why it is so. [`judge`] decides and is pure, [`leader`] has the
//! log changed, [`duty`] is what every member does of itself: ask for its vote, tell of its address,
//! and ask whether it is a member still.

mod duty;
mod entrance;
mod judge;
mod leader;
mod wire;

use core::fmt;
use std::time::Duration;

pub(crate) use duty::{Duty, Heard};
pub(crate) use wire::{Admission, ChangeFailure, Grant, Standing};

use serde::{Deserialize, Serialize};

use crate::NodeId;

/// Who answered the leader within this time counts as there.
pub(crate) const LATELY: Duration = Duration::from_secs(3);
/// Entries that a learner may lack and be given its vote.
pub(crate) const BEHIND_MAX: u64 = 256;
/// The first number of members that were admitted; the first members' are below.
const ADMITTED_FROM: u64 = 16;

/// The number of the member that is admitted under the log entry at this index.
fn number(index: u64) -> NodeId {
    NodeId::new(ADMITTED_FROM + index)
}

/// Whether a number is that of a member of the first list.
pub(crate) fn is_first(node: NodeId) -> bool {
    node.get() < ADMITTED_FROM
}

/// A change of who is a member, or of what a member is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChange {
    /// A learner votes from now on.
    Promote {
        /// The learner.
        node: NodeId,
    },
    /// A member is one no more. A leader hands over the leadership first.
    Remove {
        /// The member.
        node: NodeId,
        /// Also if too few of the others seem to be there for a quorum.
        force: bool,
    },
    /// Another member leads.
    Lead {
        /// Which one; the one that is furthest, if that does not matter.
        node: Option<NodeId>,
    },
    /// A member is reached elsewhere.
    Move {
        /// The member.
        node: NodeId,
        /// Host and port.
        address: String,
    },
}

impl fmt::Display for MemberChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promote { node } => write!(f, "promoting member {node}"),
            Self::Remove { node, .. } => write!(f, "removing member {node}"),
            Self::Lead { node: Some(node) } => write!(f, "having member {node} lead"),
            Self::Lead { node: None } => f.write_str("having another member lead"),
            Self::Move { node, address } => write!(f, "moving member {node} to {address}"),
        }
    }
}

/// Why the leader does not change the membership. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MembershipRefusal {
    /// No such member.
    #[error("the cluster has no member {node}: `berth cluster members` lists them")]
    NotAMember {
        /// Its number.
        node: u64,
    },
    /// Another member has the name, and may be there.
    #[error(
        "the name {name} is that of member {node}: give the newcomer another name (--name); if it \
         is to take the place of that member, whose data is gone, add --replace"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Whose it is.
        node: u64,
    },
    /// The member whose place is to be taken is there.
    #[error(
        "member {node}, {name}, is running and cannot be replaced: stop it first, or give the \
         newcomer another name (--name)"
    )]
    Alive {
        /// Its name.
        name: String,
        /// Its number.
        node: u64,
    },
    /// Another member is there.
    #[error(
        "{address} is the address of member {node}, {name}: set --listen or --advertise to where \
         this node is reached"
    )]
    AddressTaken {
        /// The address.
        address: String,
        /// Whose it is.
        node: u64,
        /// Its name.
        name: String,
    },
    /// Not an address.
    #[error(
        "{address:?} is no address at which other hosts reach a node: set --advertise to HOST:PORT"
    )]
    Address {
        /// As it was given.
        address: String,
    },
    /// The cluster is full.
    #[error("the cluster has {max} members, which is the most: remove one first")]
    Full {
        /// How many it may have.
        max: usize,
    },
    /// Nobody would be left to vote.
    #[error("member {node} is the only voter: a cluster cannot lose its last one")]
    LastVoter {
        /// Its number.
        node: u64,
    },
    /// Too few of the voters that would be left are there.
    #[error(
        "of the {voters} voters that would be left only {there} have answered of late, and a \
         quorum needs {needed}: start the others first. With --force it is tried all the same, and \
         the cluster may stand still until they are back"
    )]
    QuorumAtRisk {
        /// Voters that would be left.
        voters: usize,
        /// Those of them that answered of late.
        there: usize,
        /// How many a quorum needs.
        needed: usize,
    },
    /// The learner lacks too much of the log.
    #[error("member {node} has not caught up yet: it is {behind} log entries behind")]
    Behind {
        /// Its number.
        node: u64,
        /// Entries that it lacks.
        behind: u64,
    },
    /// The member has not answered of late.
    #[error(
        "member {node} has not answered the leader of late: is it running, and can be reached?"
    )]
    Silent {
        /// Its number.
        node: u64,
    },
    /// The member has no vote.
    #[error("member {node} is a learner: promote it first")]
    Learner {
        /// Its number.
        node: u64,
    },
    /// Another change has not ended.
    #[error("another change of the membership is under way: try again when it has ended")]
    UnderWay,
    /// Raft's library does not do it.
    #[error("the membership cannot be changed so: {reason}")]
    Impossible {
        /// Its reason.
        reason: String,
    },
    /// The newcomer's build is too old.
    #[error(
        "the cluster is at level {level}, and the host that would join knows level {newest} at most: install \
         the version of Berth there that the members run"
    )]
    TooOld {
        /// What the newcomer knows.
        newest: u16,
        /// The cluster's.
        level: u16,
    },
    /// Nobody may join with the token.
    #[error(
        "the token was never made, has expired, was used up, or was revoked: have another one made \
         with `berth cluster join-token`"
    )]
    Token,
}

/// A change of the membership was not carried out, or it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Refused; nothing was changed.
    #[error(transparent)]
    Refused(MembershipRefusal),
    /// There was no leader, or it had no quorum, until the deadline; nothing was changed.
    #[error("the membership was not changed: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
    /// It may have been changed, or yet be.
    #[error(
        "it is not known whether the membership was changed: {reason}; `berth cluster members` tells"
    )]
    Unknown {
        /// Why not.
        reason: String,
    },
}

impl From<MembershipRefusal> for MembershipError {
    fn from(refusal: MembershipRefusal) -> Self {
        Self::Refused(refusal)
    }
}
