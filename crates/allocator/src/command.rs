//! What may be asked of the state machine. These types are the wire format of the Raft log and of
//! the local ledger: new variants go to the end, anything else needs a new version of [`Batch`].

use alloc::vec::Vec;
use berth_codec::{Kind, Record};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

mod single;

use crate::claim::{AddressKind, Owner};
use crate::names::{ClientName, Labels, PoolName, SpaceName, Text};
use crate::settings::SpaceSettings;
use crate::token::{MakeToken, TokenHash};
use crate::{
    ClaimId, Family, Incarnation, Level, Millis, PoolId, Prefix, Revision, Sequence, SessionId,
    Timestamp, TokenId,
};

/// Commands that are decided together: the content of one log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The proposer's clock. The state machine never lets time go back.
    pub at: Timestamp,
    /// Executed in this order.
    pub commands: Vec<Envelope>,
}

impl Record for Batch {
    const KIND: Kind = Kind::Batch;
    const VERSION: u8 = 1;
    /// 4 MiB, as one message between peers.
    const LIMIT: usize = 4 << 20;
}

/// A command with its sender.
///
/// The same `(client, incarnation, sequence)` is executed once; whoever asks again gets the first
/// run's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The host, or the API user, on whose behalf.
    pub client: ClientName,
    /// The run of the client's process. [`Command::Register`] alone needs none: send zero.
    pub incarnation: Incarnation,
    /// The client's number for this command, from 1.
    pub sequence: Sequence,
    /// The client needs no answer below this number any more.
    pub heard: Sequence,
    /// What to do.
    pub command: Command,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Begins a client's incarnation.
    Register(Register),
    /// Keeps a client's hold on its identity.
    Renew(Renew),
    /// Begins a claimant's session in a space.
    OpenSession(OpenSession),
    /// Makes a space.
    CreateSpace {
        /// Its name.
        name: SpaceName,
        /// Its settings.
        settings: SpaceSettings,
    },
    /// Changes a space's settings. Sharing cannot be changed.
    UpdateSpace {
        /// Its name.
        name: SpaceName,
        /// All its settings.
        settings: SpaceSettings,
    },
    /// Removes a space without pools.
    DeleteSpace {
        /// Its name.
        name: SpaceName,
    },
    /// Claims a pool.
    RequestPool(RequestPool),
    /// Ends a claim on a pool.
    ReleasePool(ReleasePool),
    /// Claims an address.
    RequestAddress(RequestAddress),
    /// Ends a claim on an address.
    ReleaseAddress(ReleaseAddress),
    /// Takes addresses out of use.
    Reserve(Reserve),
    /// Gives them back.
    Unreserve {
        /// The space.
        space: SpaceName,
        /// First address, as it was reserved.
        first: IpAddr,
    },
    /// Frees what an observation, or an operator, found to be unused.
    FreeSuspect(FreeSuspect),
    /// Makes suspects of all that a host holds in shared spaces.
    ForgetHost {
        /// The host.
        client: ClientName,
    },
    /// Declares that the state lags behind what was promised to engines (a restored backup): nothing
    /// new is given from any pool until it was claimed again or cleared, and no automatic pool from
    /// any space until [`Command::Resume`].
    DeclareBehind,
    /// An operator's word that a pool holds all that it should: ends what
    /// [`Command::DeclareBehind`] began, for one pool.
    ClearBehind {
        /// The pool.
        pool: PoolId,
    },
    /// Several commands under one sequence number, in order; each gets an answer of its own. A batch
    /// inside a batch is refused, and cannot be decoded.
    Batch(#[serde(deserialize_with = "single::commands")] Vec<Command>),
    /// An operator's word that a space, or the whole state, holds all that it should: ends what
    /// [`Command::DeclareBehind`] began.
    Resume {
        /// The space; without one all of them, and those to come.
        space: Option<SpaceName>,
    },
    /// Makes a token.
    MakeToken(MakeToken),
    /// Makes a token void.
    RevokeToken {
        /// The token.
        token: TokenId,
    },
    /// Counts the use of a [`Role::Server`](crate::Role::Server) token by a host that joins.
    UseToken {
        /// Of the secret that it showed.
        hash: TokenHash,
        /// Its name.
        by: Text,
    },
    /// Raises the level of the cluster: from then on nodes that do not know it stop.
    RaiseLevel {
        /// To which.
        to: Level,
    },
}

impl Command {
    /// Whether it asks for something that is then held: what a host without room refuses. What gives back,
    /// and what keeps a host going, does not.
    pub fn gives(&self) -> bool {
        match self {
            Self::RequestPool(_) | Self::RequestAddress(_) | Self::Reserve(_) => true,
            Self::Batch(commands) => commands.iter().any(Self::gives),
            _ => false,
        }
    }
}

/// Begins a client's incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// A random number of the process: the same process may ask again.
    pub instance: u128,
    /// Where the process runs, to be shown to a second one that wants the same identity.
    pub address: Text,
    /// How long the identity is held without a [`Renew`]; zero holds nothing.
    pub lease: Millis,
}

/// Keeps a client's hold on its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// As registered.
    pub instance: u128,
    /// From now.
    pub lease: Millis,
}

/// Begins a claimant's session: in an exclusive space the whole realm's, else the client's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The space.
    pub space: SpaceName,
    /// The claimant's latest session, as far as the front-end knew when its engine asked. If there
    /// is a later one, the engine's request came from the past, and no session is opened.
    pub known: Option<SessionId>,
}

/// Claims a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPool {
    /// The space.
    pub space: SpaceName,
    /// The session of the claimant.
    pub session: SessionId,
    /// Which pool.
    pub wanted: WantedPool,
    /// Kept and shown.
    pub labels: Labels,
}

/// Which pool is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WantedPool {
    /// This one.
    Exact {
        /// The prefix.
        prefix: Prefix,
        /// The part of it for dynamic requests. One that is wider than the prefix means the prefix.
        sub_pool: Option<Prefix>,
    },
    /// A new one from the space's ranges, the lowest that is free.
    Automatic {
        /// IPv4 or IPv6.
        family: Family,
        /// Prefix length; each range's own where not given.
        length: Option<u8>,
        /// What it must not overlap, such as the routes of the host.
        exclude: Vec<Prefix>,
        /// In a shared space: the same pool for all who ask by this name.
        name: Option<PoolName>,
    },
}

/// Ends a claim on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasePool {
    /// The pool.
    pub pool: PoolId,
    /// The claim that ends; if another stands by now, nothing happens.
    pub claim: ClaimId,
    /// Keep the pool out of use until an observation shows that its network is gone.
    pub verify: bool,
}

/// Claims an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAddress {
    /// The pool.
    pub pool: PoolId,
    /// This address, or any.
    pub address: Option<IpAddr>,
    /// What it is for.
    pub kind: AddressKind,
    /// How any is chosen.
    pub order: Order,
    /// Remember the address by this key, and give it again to the same key where possible.
    pub key: Option<Text>,
    /// For whom, as far as the engine says.
    pub owner: Option<Owner>,
    /// When nothing else is left, give also what still waits for an observation.
    pub unverified: bool,
}

/// How a dynamic request chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Order {
    /// The lowest free address.
    #[default]
    First,
    /// The next free address after the one given last, from the start again at the end.
    Serial,
}

/// Ends a claim on an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAddress {
    /// The pool under which it was claimed.
    pub pool: PoolId,
    /// The address.
    pub address: IpAddr,
    /// The claim that ends; if another stands by now, nothing happens.
    pub claim: ClaimId,
    /// Do not give it again before an observation confirms that it is unused.
    pub verify: bool,
}

/// Takes addresses out of use: for a router, a DHCP server, virtual machines. Claims that stand on
/// them stay, and are not given again after their end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The space.
    pub space: SpaceName,
    /// First address.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
    /// What for.
    pub note: Text,
    /// In a shared space: every host may ask for these addresses explicitly, all at once (a router
    /// that each host's network names as an auxiliary address).
    pub common: bool,
}

/// Frees what was found to be unused: a claim that is stale or suspect, a cooling address that waits
/// for an observation, a suspect pool or one of an earlier session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeSuspect {
    /// The pool.
    pub pool: PoolId,
    /// The address; without one the pool itself.
    pub address: Option<IpAddr>,
    /// The claim that was seen to be unused; if another stands by now, nothing happens.
    pub claim: ClaimId,
    /// Who says so.
    pub evidence: Evidence,
}

/// Why something may be freed that its claimant did not release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// A host looked at its engine, and did not find it.
    Observation {
        /// The session of the observer.
        session: SessionId,
        /// The revision that the observer had seen when it began to look.
        began: Revision,
    },
    /// A person says so.
    Operator {
        /// Even a claim that is neither stale nor suspect.
        force: bool,
        /// The reason given.
        note: Option<Text>,
    },
}
