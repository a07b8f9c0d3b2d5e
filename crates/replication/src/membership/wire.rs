//! What members and newcomers send each other about the membership. These types are the wire format.

use std::collections::BTreeMap;

use berth_allocator::Level;
use serde::{Deserialize, Serialize};

use super::MembershipRefusal;
use crate::raft::PeerRecord;
use crate::transport::Failure;
use crate::{NodeId, NodeName, Secret};

/// A newcomer's request to become a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Admission {
    pub(crate) name: NodeName,
    /// Where the members are to reach it.
    pub(crate) address: String,
    /// It takes the place of the member of that name, whose data is gone.
    pub(crate) replace: bool,
    /// The newest level that it knows.
    pub(crate) newest: Level,
}

/// A newcomer is a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Its number.
    pub(crate) node: NodeId,
    /// The log entry that made it one.
    pub(crate) since: u64,
    /// The members by then.
    pub(crate) members: BTreeMap<u64, PeerRecord>,
    /// The cluster's secret. The leader leaves it to the member that was asked.
    pub(crate) secret: Option<Secret>,
}

/// What a member is to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// A member, or nobody that the peer has heard of yet; and who leads, as far as the peer knows.
    Unsuspected { leader: Option<u64> },
    /// It was removed: the log says so up to this entry, which came later than its admission.
    Removed { by: u64 },
}

/// Why a leader did not change the membership.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ChangeFailure {
    Refused(MembershipRefusal),
    Hindered(Failure),
}

impl From<MembershipRefusal> for ChangeFailure {
    fn from(refusal: MembershipRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for ChangeFailure {
    fn from(failure: Failure) -> Self {
        Self::Hindered(failure)
    }
}
