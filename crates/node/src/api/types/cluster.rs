//! A cluster: its members, what they hold and know.

use serde::{Deserialize, Serialize};

use super::Space;

/// A node and its cluster, as the node sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// Its version of Berth.
    pub version: String,
    /// The cluster's id.
    pub cluster: String,
    /// The space of this host's own networks.
    #[serde(default)]
    pub local_space: String,
    /// The space of the Swarm that this host belongs to.
    #[serde(default)]
    pub global_space: String,
    /// It can serve the cluster's spaces: a leader and a quorum answer, and the spaces are there.
    pub ready: bool,
    /// What is wrong, in words that say what to do.
    pub problems: Vec<String>,
    /// What the node is: leader, follower, candidate, learner or stopped; or an agent.
    pub role: String,
    /// The server that an agent speaks to; what follows is as that one has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// When this host's certificate expires, unless it is renewed before; missing where it speaks
    /// plaintext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<String>,
    /// Who leads.
    pub leader: Option<String>,
    /// The term of the leadership.
    pub term: u64,
    /// The cluster's log, as far as this node has it.
    pub log: Log,
    /// This host's own ledger.
    pub ledger: LedgerLog,
    /// Room on this host's disk.
    #[serde(default)]
    pub disk: Disk,
    /// The cluster's members.
    pub members: Vec<Member>,
    /// All spaces; the cluster's ones as this node has applied them.
    pub spaces: Vec<Space>,
}

/// The file system of the data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Bytes that can be written.
    pub free: u64,
    /// Bytes that are to stay free.
    pub reserve: u64,
    /// Why nothing new is given here; nothing while there is room.
    pub refuses: Option<String>,
}

/// Positions in the replicated log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The last entry.
    pub last: u64,
    /// The last entry known to be committed.
    pub committed: u64,
    /// The last entry applied.
    pub applied: u64,
    /// The last entry in the newest snapshot.
    pub snapshot: u64,
    /// Commands executed.
    #[serde(default)]
    pub revision: u64,
}

/// Positions in the ledger's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLog {
    /// The last entry.
    pub last: u64,
    /// The last entry in the newest snapshot.
    pub snapshot: u64,
    /// Commands executed.
    #[serde(default)]
    pub revision: u64,
}

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u64,
    /// Where it is.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
    /// How many milliseconds ago the leader last heard it; told by the leader alone.
    pub heard_ms_ago: Option<u64>,
    /// The last entry known to be in its log; told by the leader alone.
    pub matched: Option<u64>,
}

/// Who leads, or is to lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Leader {
    /// The member's name or number; asked without one, the member that is furthest.
    pub member: Option<String>,
}

/// Who certifies the cluster's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Its certificate, in PEM.
    pub certificate: String,
}

/// The feature level: what all nodes of a cluster know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLevel {
    /// The level.
    pub level: u16,
    /// The newest level that all members know: to this it can be raised. Nothing where one of them did not
    /// say.
    pub all_know: Option<u16>,
    /// What each member knows.
    pub members: Vec<MemberLevel>,
}

/// What a member knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLevel {
    /// Its name.
    pub name: String,
    /// Its version of Berth.
    pub version: Option<String>,
    /// The newest level that it knows.
    pub newest: Option<u16>,
    /// Why it did not say.
    pub silent: Option<String>,
}

/// To which level a cluster is raised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewLevel {
    /// The level; without one the newest that all members know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u16>,
}

/// Hashes of what a node holds: nodes that applied the same entries have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The last log entry applied.
    pub applied: u64,
    /// Commands executed.
    pub revision: u64,
    /// The hash, in hexadecimal.
    pub value: String,
}

/// Whether all nodes have the same state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The log entry at which the states were compared.
    pub index: u64,
    /// The revision of the states there.
    pub revision: u64,
    /// What each node has.
    pub members: Vec<VerifiedMember>,
}

/// What a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedMember {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u64,
    /// A hash of its state.
    pub fingerprint: Option<String>,
    /// The state's revision.
    pub revision: Option<u64>,
    /// Why it did not tell.
    pub error: Option<String>,
}

/// What is to give new pools and addresses again; all that is the cluster's where nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resume {
    /// A space.
    pub space: Option<String>,
    /// A pool.
    pub pool: Option<String>,
}
