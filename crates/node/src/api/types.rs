//! What the API says, as JSON; shared with the commands that ask it.
//!
//! Times are RFC 3339. Counts of addresses are decimal strings, since an IPv6 pool has more of them
//! than a JSON number can tell exactly. Fields may be added; none is renamed or removed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Problem;

/// A number of addresses, up to 2^128 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Count(pub u128);

impl From<Count> for String {
    fn from(count: Count) -> Self {
        count.0.to_string()
    }
}

impl TryFrom<String> for Count {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// Where something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// By the cluster.
    Global,
    /// By this host alone.
    Local,
}

/// How new what was read is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// It holds all that was answered, by any node, before the request.
    #[default]
    Linearizable,
    /// Whatever this node has applied.
    Stale,
}

/// Which state of the cluster was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// How new it is.
    pub consistency: Consistency,
    /// The last log entry that it includes.
    pub applied: u64,
    /// When the last command that it includes was proposed, if there was one: changes since then are
    /// missing where the reading is stale.
    pub as_of: Option<String>,
    /// Who leads, as far as this node knows.
    pub leader: Option<String>,
}

/// Several things of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<T> {
    /// The things.
    pub items: Vec<T>,
    /// There are more than are shown: ask for one space, pool or address.
    pub truncated: bool,
    /// What was read of the cluster; missing where only this host was asked.
    pub read: Option<Reading>,
}

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

/// A token that may be used. What is secret in it is known to its bearers alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its number.
    pub id: u64,
    /// What it allows: `server`, `read`, `allocate:SPACE` or `admin`.
    pub role: String,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub made: String,
    /// From when on it is void.
    pub expires: Option<String>,
    /// How many hosts may still use it, where that is counted.
    pub uses_left: Option<u32>,
    /// The host that used it last.
    pub used_by: Option<String>,
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

/// A token to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewToken {
    /// What it allows: `read`, `allocate:SPACE` or `admin`; not said where hosts join with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// For how long it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
    /// How many hosts may join with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeToken {
    /// Its number.
    pub id: u64,
    /// The token itself, on one line. It is told once.
    pub token: String,
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

/// An address space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Its name.
    pub name: String,
    /// Where it is kept.
    pub scope: Scope,
    /// Whose claims it holds: exclusive, shared or local.
    pub sharing: String,
    /// Where automatic pools come from.
    pub ranges: Vec<Range>,
    /// How long a released address is given to nobody, in milliseconds.
    pub reuse_delay_ms: u64,
    /// Automatic pools keep clear of the pools of other such spaces.
    pub apart: bool,
    /// It was restored, and gives no automatic pools yet.
    #[serde(default)]
    pub behind: bool,
    /// How many pools it has.
    pub pools: u64,
    /// How many addresses are claimed in it.
    pub addresses: u64,
    /// Addresses out of use.
    pub reservations: Vec<Reservation>,
    /// Each claimant's latest session.
    pub sessions: Vec<Session>,
}

/// Where automatic pools come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The range.
    pub base: String,
    /// The prefix length of a pool.
    pub length: u8,
}

/// A space to be made. What is left out is as in the cluster's default space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSpace {
    /// Its name.
    pub name: String,
    /// Many hosts claim in it, each for itself; otherwise one Swarm does.
    #[serde(default)]
    pub shared: bool,
    /// Its settings.
    #[serde(default)]
    pub settings: SpaceChange,
}

/// Settings of a space that are to change; the others stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpaceChange {
    /// Where automatic pools come from, instead of all ranges there are.
    pub ranges: Option<Vec<Range>>,
    /// How long a released address is given to nobody, in milliseconds.
    pub reuse_delay_ms: Option<u64>,
    /// Whether automatic pools keep clear of the pools of other such spaces.
    pub apart: Option<bool>,
}

/// Addresses that are to be taken out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewReservation {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
    /// What for.
    pub note: String,
    /// Whether all hosts of a shared space may hold them explicitly.
    #[serde(default)]
    pub common: bool,
}

/// Addresses out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
    /// What for.
    pub note: String,
    /// Whether all hosts of a shared space may hold them explicitly.
    pub common: bool,
}

/// A claimant's incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: u64,
    /// The host that opened it.
    pub host: String,
    /// When.
    pub opened: String,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id.
    pub id: String,
    /// Its space.
    pub space: String,
    /// Where it is kept.
    pub scope: Scope,
    /// Its prefix.
    pub prefix: String,
    /// The part from which dynamic requests are served, if it is not all.
    pub sub_pool: Option<String>,
    /// The name by which it is asked for.
    pub name: Option<String>,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// When it was first claimed.
    pub since: String,
    /// It was restored, and gives nothing new yet.
    pub behind: bool,
    /// Given with the request.
    pub labels: BTreeMap<String, String>,
    /// Who holds it.
    pub holders: Vec<Holder>,
    /// How its addresses are used.
    pub usage: Usage,
}

/// A claim on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host.
    pub host: String,
    /// The session.
    pub session: u64,
    /// The claim.
    pub claim: u64,
    /// Since when.
    pub since: String,
    /// In doubt.
    pub suspect: bool,
}

/// How the addresses are used from which dynamic requests are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How many there are.
    pub size: Count,
    /// What a dynamic request may still be given.
    pub free: Count,
    /// Held in the current session.
    pub held: Count,
    /// Held since an earlier session, and not claimed again.
    pub stale: Count,
    /// In doubt.
    pub suspect: Count,
    /// Released, and not given again yet.
    pub cooling: Count,
    /// Set aside, and held by nobody.
    pub reserved: Count,
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressState {
    /// A dynamic request may be given it.
    Free,
    /// Claimed.
    Held,
    /// Claimed in an earlier session than its pool, and not claimed again.
    Stale,
    /// Claimed, and in doubt.
    Suspect,
    /// Released, and not given again yet.
    Cooling,
    /// Set aside by an operator.
    Reserved,
    /// The network, broadcast or anycast address.
    Edge,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Its pool's id.
    pub pool: String,
    /// Its space.
    pub space: String,
    /// Where it is kept.
    pub scope: Scope,
    /// What it is.
    pub state: AddressState,
    /// When it was released, where it is cooling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// It waits for an observation of the engine, where it is cooling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<bool>,
    /// What it was reserved for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// By whom it is held, or was until it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

/// A claim on an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its id.
    pub id: u64,
    /// The session that made or adopted it.
    pub session: u64,
    /// Since when.
    pub since: String,
    /// The host.
    pub host: String,
    /// What for: endpoint, gateway or auxiliary.
    pub kind: String,
    /// For whom, if the engine said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its MAC address, if the engine said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Labels, if there are any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a host holds in its own space of its Swarm's pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostClaims {
    /// The host.
    pub host: String,
    /// What its system calls it; empty where it did not tell.
    #[serde(default)]
    pub host_name: String,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// Why it did not tell, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// A claim that is to end although its claimant did not release it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspect {
    /// Its pool's id.
    pub pool: String,
    /// Its address; without one the pool itself.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The claim; if another stands by now, nothing happens.
    pub claim: u64,
    /// Even if it is neither stale nor in doubt.
    #[serde(default)]
    pub force: bool,
    /// The reason.
    #[serde(default)]
    pub note: Option<String>,
}

/// A claim that was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// The claim.
    pub claim: u64,
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

/// The form of an export's lines.
pub const EXPORT_VERSION: u64 = 1;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ExportLine {
    /// The first: what follows.
    Export {
        /// The form of the lines.
        version: u64,
        /// Which state of the cluster; nothing for a host's own.
        read: Option<Reading>,
    },
    /// A space; its reservations, pools and addresses follow.
    Space(Box<Space>),
    /// Addresses out of use.
    Reservation {
        /// Where.
        space: String,
        /// Which.
        #[serde(flatten)]
        reservation: Reservation,
    },
    /// A pool.
    Pool(Box<Pool>),
    /// An address that is claimed or cooling.
    Address(Box<Address>),
    /// The last: an export without it was cut.
    End {
        /// Lines before it.
        lines: u64,
    },
}

/// What an import has brought, or would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Spaces.
    pub spaces: u64,
    /// Reservations.
    pub reservations: u64,
    /// Pools.
    pub pools: u64,
    /// Addresses that are held.
    pub addresses: u64,
    /// Addresses that cool, anew.
    pub cooling: u64,
    /// Addresses that cooled and are free now: their hosts had left the pool.
    pub left_out: u64,
}

/// A line of an import's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ImportLine {
    /// How far it is.
    Progress {
        /// Pools and addresses that are claimed.
        done: u64,
        /// All of them.
        of: u64,
    },
    /// The last, if all was done.
    Done(Imported),
    /// The last, if not: the spaces stay closed.
    Failed {
        /// What happened.
        problem: Problem,
    },
}
