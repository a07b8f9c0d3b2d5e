//! What a client did, and what it was told.

use std::fmt;
use std::net::IpAddr;

use berth_allocator::{AddressKind, ClaimId, PoolId, Prefix, SessionId, SpaceName};
use serde::{Deserialize, Serialize};

/// One request of a client, from the moment before it was sent to the moment after its answer.
///
/// A client does one thing at a time. Times are nanoseconds of one clock, the same for all clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked.
    pub client: u32,
    /// Through which host: as whom Berth knows the client.
    pub host: String,
    /// Whose state it is about.
    pub scope: Scope,
    /// The session under which it was asked. Each claimant's later sessions have higher numbers. In an
    /// exclusive space it is the epoch in the pool's id; elsewhere, whoever records the history may
    /// number the engine's runs instead.
    pub session: SessionId,
    /// When it was about to be sent.
    pub invoked: u64,
    /// When its answer had come, or the client gave up; `None` if the client vanished.
    pub returned: Option<u64>,
    /// What was asked.
    pub action: Action,
    /// What was answered.
    pub outcome: Outcome,
    /// Two operations with the same request id are the same request, sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The revision that the answer told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The log index that the answer told: of the entry that executed it, or up to which was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// Whose state something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The cluster's: one state for all hosts.
    Global,
    /// The host's own.
    Local,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The claimant begins anew.
    BeginSession {
        /// In this space.
        #[serde(with = "crate::text")]
        space: SpaceName,
    },
    /// A claim on a pool.
    RequestPool {
        /// In this space.
        #[serde(with = "crate::text")]
        space: SpaceName,
        /// This one, or any.
        prefix: Option<Prefix>,
        /// The part of it for dynamic requests.
        sub_pool: Option<Prefix>,
    },
    /// The end of a claim on a pool.
    ReleasePool {
        /// The pool.
        #[serde(with = "crate::text")]
        pool: PoolId,
    },
    /// A claim on an address.
    RequestAddress {
        /// Of this pool.
        #[serde(with = "crate::text")]
        pool: PoolId,
        /// This one, or any.
        address: Option<IpAddr>,
        /// What for.
        kind: AddressKind,
    },
    /// The end of a claim on an address.
    ReleaseAddress {
        /// The pool under which it was claimed.
        #[serde(with = "crate::text")]
        pool: PoolId,
        /// The address.
        address: IpAddr,
    },
    /// Evidence, or an operator's word, that something is not in use: it may end a claim of anybody.
    Free {
        /// The pool.
        #[serde(with = "crate::text")]
        pool: PoolId,
        /// The address; without one the pool itself.
        address: Option<IpAddr>,
    },
    /// A linearizable look at the addresses of a pool.
    List {
        /// The pool.
        #[serde(with = "crate::text")]
        pool: PoolId,
    },
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done. Of a release: nothing of that claim stands any more.
    Done,
    /// A pool was given.
    Pool {
        /// The pool.
        #[serde(with = "crate::text")]
        pool: PoolId,
        /// The claim, where it was told.
        claim: Option<ClaimId>,
    },
    /// An address was given.
    Address {
        /// The address.
        address: IpAddr,
        /// The claim, where it was told.
        claim: Option<ClaimId>,
    },
    /// What was seen.
    Listed(Vec<Listed>),
    /// The state refused it: nothing was changed.
    Refused {
        /// Why: a code of `docs/reference/errors.md`.
        code: String,
    },
    /// It was not executed, and will not be. (A release that an engine was told was not done is not
    /// of this kind: the driver carries it out all the same.)
    NotDone,
    /// It may have been executed, or may yet be.
    Unknown,
}

/// A claimed address, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The address.
    pub address: IpAddr,
    /// The session that made or adopted the claim, where it was told.
    pub session: Option<SessionId>,
    /// The claim, where it was told.
    pub claim: Option<ClaimId>,
}

/// The codes of refusals that say something about the state of a pool.
pub mod refusal {
    /// No such pool.
    pub const UNKNOWN_POOL: &str = "BERTH-0012";
    /// The address is claimed, reserved or cooling.
    pub const ADDRESS_IN_USE: &str = "BERTH-0014";
    /// All addresses are claimed.
    pub const NO_AVAILABLE_ADDRESSES: &str = "BERTH-0015";
}

impl Operation {
    /// Whether what was asked was, or may have been, executed.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused { .. } | Outcome::NotDone)
    }

    /// The pool that it names, or that it was given.
    pub fn pool(&self) -> Option<&PoolId> {
        match (&self.action, &self.outcome) {
            (
                Action::ReleasePool { pool }
                | Action::RequestAddress { pool, .. }
                | Action::ReleaseAddress { pool, .. }
                | Action::Free { pool, .. }
                | Action::List { pool },
                _,
            )
            | (Action::RequestPool { .. }, Outcome::Pool { pool, .. }) => Some(pool),
            (Action::BeginSession { .. } | Action::RequestPool { .. }, _) => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |nanos: u64| std::time::Duration::from_nanos(nanos).as_secs_f64();
        write!(f, "{:.6}", seconds(self.invoked))?;
        match self.returned {
            Some(returned) => write!(f, "..{:.6}", seconds(returned))?,
            None => write!(f, "..")?,
        }
        let Self { host, client, session, .. } = self;
        write!(f, " {host}/{client} session {session}: {} -> {}", self.action, self.outcome)?;
        if let Some(index) = self.index {
            write!(f, " at entry {index}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeginSession { space } => write!(f, "begin a session in {space}"),
            Self::RequestPool { space, prefix: Some(prefix), .. } => {
                write!(f, "request {space}/{prefix}")
            }
            Self::RequestPool { space, .. } => write!(f, "request a pool of {space}"),
            Self::ReleasePool { pool } => write!(f, "release {pool}"),
            Self::RequestAddress { pool, address: Some(address), kind } => {
                write!(f, "request {address} of {pool} ({kind:?})")
            }
            Self::RequestAddress { pool, kind, .. } => {
                write!(f, "request any of {pool} ({kind:?})")
            }
            Self::ReleaseAddress { pool, address } => write!(f, "release {address} of {pool}"),
            Self::Free { pool, address: Some(address) } => write!(f, "free {address} of {pool}"),
            Self::Free { pool, .. } => write!(f, "free {pool}"),
            Self::List { pool } => write!(f, "list {pool}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "done"),
            Self::Pool { pool, claim } => write!(f, "{pool}{}", of_claim(*claim)),
            Self::Address { address, claim } => write!(f, "{address}{}", of_claim(*claim)),
            Self::Listed(listed) => write!(f, "{} addresses", listed.len()),
            Self::Refused { code } => write!(f, "refused, {code}"),
            Self::NotDone => write!(f, "not done"),
            Self::Unknown => write!(f, "unknown"),
        }
    }
}

fn of_claim(claim: Option<ClaimId>) -> String {
    claim.map_or_else(String::new, |claim| format!(" (claim {claim})"))
}
