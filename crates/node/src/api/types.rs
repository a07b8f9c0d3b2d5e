//! What the API says, as JSON; shared with the commands that ask it.
//!
//! Times are RFC 3339. Counts of addresses are decimal strings, since an IPv6 pool has more of them
//! than a JSON number can tell exactly. Fields may be added; none is renamed or removed.

mod access;
mod cluster;
mod transfer;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::access::{MadeToken, NewToken, Token};
pub use self::cluster::{
    Authority, ClusterLevel, Disk, Fingerprint, Leader, LedgerLog, Log, Member, MemberLevel,
    NewLevel, Resume, Status, Verification, VerifiedMember,
};
pub use self::transfer::{ExportLine, ImportLine, Imported};

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

/// The form of an export's lines.
pub const EXPORT_VERSION: u64 = 1;
