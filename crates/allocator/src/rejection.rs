//! Why a command was refused: replicated, stable, and fit to be shown.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

use crate::claim::AddressKind;
use crate::limits;
use crate::names::{ClientName, SpaceName, Text};
use crate::settings::SettingsError;
use crate::{ClaimId, Incarnation, Level, PoolId, Prefix, SessionId, Timestamp};

/// Why a command was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// No space has this name.
    #[error("cannot find address space {name} (there are: {})", list(known))]
    UnknownSpace {
        /// The name.
        name: SpaceName,
        /// Names of spaces that do exist, the first few.
        known: Vec<SpaceName>,
    },
    /// The space is there already.
    #[error("address space {name} exists already")]
    SpaceExists {
        /// Its name.
        name: SpaceName,
    },
    /// A space with pools cannot be deleted.
    #[error("address space {name} still has {pools} pools: remove them first")]
    SpaceInUse {
        /// Its name.
        name: SpaceName,
        /// How many pools.
        pools: u64,
    },
    /// The sharing of a space is fixed.
    #[error("the sharing of address space {name} cannot be changed: make another space")]
    SharingFixed {
        /// Its name.
        name: SpaceName,
    },
    /// The settings cannot be.
    #[error(transparent)]
    Settings(SettingsError),
    /// A later session of the same claimant is open.
    #[error("session {latest} was opened meanwhile: this request belongs to an earlier one")]
    SessionSuperseded {
        /// The latest.
        latest: SessionId,
    },
    /// The claimant has no such session.
    #[error("session {session} is not open in this address space")]
    UnknownSession {
        /// The session.
        session: SessionId,
    },
    /// The sub-pool lies outside its pool, or is of the other family.
    #[error("invalid address subpool: {sub_pool} is not inside {prefix}")]
    InvalidSubPool {
        /// The pool's prefix.
        prefix: Prefix,
        /// The sub-pool.
        sub_pool: Prefix,
    },
    /// The space has no range from which such a pool could be cut.
    #[error("invalid address pool: address space {space} has no range for it")]
    NoRange {
        /// The space.
        space: SpaceName,
    },
    /// Every range is used up.
    #[error("all predefined address pools have been fully subnetted")]
    NoMoreSubnets,
    /// The pool shares addresses with one that exists.
    #[error("Pool overlaps with other one on this address space: {}", overlap(.0))]
    PoolOverlaps(Box<Overlap>),
    /// No such pool.
    #[error("cannot find address pool for {pool}")]
    UnknownPool {
        /// The pool.
        pool: Box<PoolId>,
    },
    /// The address is not in the pool.
    #[error("requested address is out of range: {address} is not in {prefix}")]
    OutOfRange {
        /// The address.
        address: IpAddr,
        /// The pool's prefix.
        prefix: Prefix,
    },
    /// Somebody holds the address, or it is reserved.
    #[error("Address already in use: {address} {}", in_use(.by))]
    AddressInUse {
        /// The address.
        address: IpAddr,
        /// By whom.
        by: Box<InUse>,
    },
    /// Nothing is left for a dynamic request.
    #[error("no available addresses on this pool: all of {range} is in use")]
    NoAvailableAddresses {
        /// Where dynamic requests of the pool are served from.
        range: Prefix,
    },
    /// Only released addresses are left that no observation has confirmed yet.
    #[error("{waiting} released addresses wait for an observation of the engine")]
    ObservationNeeded {
        /// How many.
        waiting: u64,
    },
    /// The pool is out of service.
    #[error("pool {pool} is in doubt since it was released: request it again, by its own prefix")]
    PoolSuspect {
        /// The pool.
        pool: Box<PoolId>,
    },
    /// The state was restored, and may not know all that was given from the pool.
    #[error(
        "pool {pool} was restored, or is new since, and gives nothing new yet: begin its engine anew, \
         or say by `berth cluster resume` that every engine has"
    )]
    PoolBehind {
        /// The pool.
        pool: Box<PoolId>,
    },
    /// The client is not registered.
    #[error("client {client} is not registered")]
    UnknownClient {
        /// Its name.
        client: ClientName,
    },
    /// Another process has the identity.
    #[error("{client} is held by the process at {address}: stop it first, or use another name")]
    IdentityTaken {
        /// The client.
        client: ClientName,
        /// Where the other process runs.
        address: Text,
        /// Since when.
        since: Timestamp,
    },
    /// The client has begun another incarnation; this command was not and will not be executed.
    #[error("incarnation {current} has begun")]
    IncarnationOver {
        /// The one that counts.
        current: Incarnation,
    },
    /// The answer is no longer kept: the client had said that it needs it no more.
    #[error("the answer to this sequence number is no longer kept")]
    AnswerForgotten,
    /// The release would free something that is in use.
    #[error("{what} is neither stale nor suspect: release it, or force it if you are sure")]
    NotSuspect {
        /// The pool, or the address.
        what: String,
    },
    /// Another claim stands by now.
    #[error("that claim has ended{}: look again", now_standing(*standing))]
    ClaimMoved {
        /// The claim that stands; none if there is no claim.
        standing: Option<ClaimId>,
    },
    /// Evidence of somebody whose word does not count here.
    #[error("an observation of this session does not count for {what}")]
    NotTheObserver {
        /// The pool, or the address.
        what: String,
    },
    /// The range is no range.
    #[error(
        "{first} to {last} is no range of addresses: give the lower address first, both of one family"
    )]
    InvalidRange {
        /// First address.
        first: IpAddr,
        /// Last address.
        last: IpAddr,
    },
    /// Overlaps another reservation.
    #[error("the range overlaps the reservation that begins at {first}")]
    ReservationOverlaps {
        /// First address of the other one.
        first: IpAddr,
    },
    /// No reservation begins there.
    #[error("no reservation begins at {first}")]
    UnknownReservation {
        /// The address.
        first: IpAddr,
    },
    /// A limit of [`crate::limits`] is reached.
    #[error("the limit of {max} {limit} is reached", max = .0.max(), limit = .0)]
    Limit(Limit),
    /// The command makes no sense where it stands.
    #[error("a {what} cannot be part of a batch")]
    Misplaced {
        /// The command.
        what: String,
    },
    /// The state was restored, and may not know all pools that were given from the space.
    #[error(
        "space {space} was restored, and gives no automatic pools: say so by `berth cluster resume` \
         when every engine has begun anew since"
    )]
    SpaceBehind {
        /// The space.
        space: SpaceName,
    },
    /// No such token: none was made, or it has expired, was used up or revoked.
    #[error("there is no such token: it was never made, has expired, was used up, or revoked")]
    UnknownToken,
    /// A token that nobody could ever use.
    #[error("the token would be void: give it a use and a lifetime, and a secret of its own")]
    VoidToken,
    /// A level is never lowered.
    #[error("the cluster is at level {level} already, and a level is never lowered")]
    LevelReached {
        /// The level.
        level: Level,
    },
}

/// The pool that is in the way of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The pool.
    pub with: PoolId,
    /// Since when it is held.
    pub since: Timestamp,
    /// The host that claimed it last.
    pub client: ClientName,
    /// It is in doubt, and can be cleared.
    pub suspect: bool,
}

/// Why an address cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InUse {
    /// Claimed.
    Held {
        /// By which host.
        client: ClientName,
        /// What for.
        kind: AddressKind,
        /// For whom, if the engine said.
        owner: Option<Text>,
        /// Since when.
        since: Timestamp,
    },
    /// The network or broadcast address, or the subnet-router anycast address.
    Edge,
    /// Reserved by an operator.
    Reserved {
        /// What for.
        note: Text,
    },
    /// Released, and perhaps still in use: by a manager that took over since, or because no
    /// observation has confirmed the release of another pool.
    Cooling {
        /// Through which host it was claimed.
        client: ClientName,
        /// When it was released.
        at: Timestamp,
    },
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Limit {
    #[error("spaces")]
    Spaces,
    #[error("prefixes in a space")]
    PrefixesPerSpace,
    #[error("pools over one prefix")]
    PoolsPerPrefix,
    #[error("hosts that hold one pool")]
    HoldersPerPool,
    #[error("addresses in use on one prefix")]
    ClaimsPerPrefix,
    #[error("reservations in a space")]
    Reservations,
    #[error("excluded prefixes in a request")]
    Exclusions,
    #[error("keys on a prefix")]
    KeysPerPrefix,
    #[error("clients")]
    Clients,
    #[error("answers that the client has not heard")]
    UnheardAnswers,
    #[error("commands in a batch")]
    Batch,
    #[error("milliseconds of an identity lease")]
    Lease,
    #[error("bytes of addresses, pools, keys and reservations in all spaces")]
    State,
    #[error("tokens")]
    Tokens,
}

impl Limit {
    /// How many there may be.
    pub const fn max(self) -> u64 {
        match self {
            Self::Spaces => limits::SPACES_MAX as u64,
            Self::PrefixesPerSpace => limits::PREFIXES_PER_SPACE_MAX as u64,
            Self::PoolsPerPrefix => limits::POOLS_PER_PREFIX_MAX as u64,
            Self::HoldersPerPool => limits::HOLDERS_PER_POOL_MAX as u64,
            Self::ClaimsPerPrefix => limits::CLAIMS_PER_PREFIX_MAX,
            Self::Reservations => limits::RESERVATIONS_PER_SPACE_MAX as u64,
            Self::Exclusions => limits::EXCLUSIONS_MAX as u64,
            Self::KeysPerPrefix => limits::KEYS_PER_PREFIX_MAX as u64,
            Self::Clients => limits::CLIENTS_MAX as u64,
            Self::UnheardAnswers => limits::WINDOW_MAX as u64,
            Self::Batch => limits::BATCH_MAX as u64,
            Self::Lease => limits::LEASE_MS_MAX,
            Self::State => limits::STATE_BYTES_MAX,
            Self::Tokens => limits::TOKENS_MAX as u64,
        }
    }
}

impl Rejection {
    /// The stable code, `BERTH-0001` and so on. A code is never reused.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownSpace { .. } => "BERTH-0001",
            Self::SpaceExists { .. } => "BERTH-0002",
            Self::SpaceInUse { .. } => "BERTH-0003",
            Self::SharingFixed { .. } => "BERTH-0004",
            Self::Settings(_) => "BERTH-0005",
            Self::SessionSuperseded { .. } => "BERTH-0006",
            Self::UnknownSession { .. } => "BERTH-0007",
            Self::InvalidSubPool { .. } => "BERTH-0008",
            Self::NoRange { .. } => "BERTH-0009",
            Self::NoMoreSubnets => "BERTH-0010",
            Self::PoolOverlaps(_) => "BERTH-0011",
            Self::UnknownPool { .. } => "BERTH-0012",
            Self::OutOfRange { .. } => "BERTH-0013",
            Self::AddressInUse { .. } => "BERTH-0014",
            Self::NoAvailableAddresses { .. } => "BERTH-0015",
            Self::ObservationNeeded { .. } => "BERTH-0016",
            Self::PoolSuspect { .. } => "BERTH-0017",
            Self::PoolBehind { .. } | Self::SpaceBehind { .. } => "BERTH-0018",
            Self::UnknownClient { .. } => "BERTH-0019",
            Self::IdentityTaken { .. } => "BERTH-0020",
            Self::IncarnationOver { .. } => "BERTH-0021",
            Self::AnswerForgotten => "BERTH-0022",
            Self::NotSuspect { .. } => "BERTH-0023",
            Self::ClaimMoved { .. } => "BERTH-0024",
            Self::NotTheObserver { .. } => "BERTH-0025",
            Self::InvalidRange { .. } => "BERTH-0026",
            Self::ReservationOverlaps { .. } => "BERTH-0027",
            Self::UnknownReservation { .. } => "BERTH-0028",
            Self::Limit(_) => "BERTH-0029",
            Self::Misplaced { .. } => "BERTH-0030",
            Self::UnknownToken => "BERTH-0031",
            Self::VoidToken => "BERTH-0032",
            Self::LevelReached { .. } => "BERTH-0033",
        }
    }
}

fn list(names: &[SpaceName]) -> String {
    let names: Vec<&str> = names.iter().map(SpaceName::as_str).collect();
    names.join(", ")
}

fn now_standing(claim: Option<ClaimId>) -> String {
    claim.map_or_else(String::new, |claim| alloc::format!(", claim {claim} stands by now"))
}

fn overlap(overlap: &Overlap) -> String {
    let Overlap { with, client, suspect, .. } = overlap;
    let clear =
        if *suspect { "; it is in doubt, and granted to a request for just this pool" } else { "" };
    alloc::format!("{with}, claimed through {client}{clear}")
}

fn in_use(by: &InUse) -> String {
    match by {
        InUse::Held { client, owner: Some(owner), .. } => {
            alloc::format!("is held for {owner} through {client}")
        }
        InUse::Held { client, kind, .. } => {
            let kind = match kind {
                AddressKind::Endpoint => "an endpoint",
                AddressKind::Gateway => "the gateway",
                AddressKind::Auxiliary => "an auxiliary address",
            };
            alloc::format!("is held as {kind} through {client}")
        }
        InUse::Edge => "is the pool's network, broadcast or anycast address".into(),
        InUse::Reserved { note } => alloc::format!("is reserved: {note}"),
        InUse::Cooling { client, .. } => {
            alloc::format!("was released through {client}, but not seen to be unused yet")
        }
    }
}
