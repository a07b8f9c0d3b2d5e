//! Berth's allocator: who holds which pool and which address.
//!
//! A pure state machine. [`State::apply`] takes a [`Batch`] of commands and gives an [`Answer`] to
//! each; the same state and the same batch give the same state and the same answers, on every
//! machine. It knows no I/O, clock, randomness, thread or hash order: time and identities come in
//! with the commands. Replicas that apply the same log are equal, which [`State::fingerprint`] shows.
//!
//! The rules by which pools and addresses are claimed, adopted and released are described in
//! `docs/concepts/claims.md`; `docs/reference/errors.md` lists what may be refused and why.
#![no_std]

extern crate alloc;

mod address_set;
mod answer;
mod apply;
#[cfg(feature = "canary")]
pub mod canary;
mod claim;
mod claim_table;
mod command;
mod cooling;
mod ids;
mod invariants;
mod key_table;
mod level;
pub mod limits;
mod names;
mod offset_set;
mod pool;
mod pool_id;
mod prefix;
mod query;
mod range_set;
mod rejection;
mod session;
mod settings;
mod size;
mod snapshot;
mod space;
mod state;
mod token;

pub use answer::{AddressGrant, Answer, Ending, Grant, PoolGrant, Response};
pub use claim::{AddressKind, Claim, ClientNumber, Cooling, More, Owner, PoolNumber};
pub use command::{
    Batch, Command, Envelope, Evidence, FreeSuspect, OpenSession, Order, Register, ReleaseAddress,
    ReleasePool, Renew, RequestAddress, RequestPool, Reserve, WantedPool,
};
pub use ids::{ClaimId, Incarnation, Millis, Revision, Sequence, SessionId, Timestamp, TokenId};
pub use invariants::Violation;
pub use level::Level;
pub use names::{ClientName, Labels, NameError, PoolName, SpaceName, Text};
pub use pool::{Holding, Pool};
pub use pool_id::{PoolId, PoolIdError};
pub use prefix::{Family, Prefix, PrefixError};
pub use query::{AddressState, AddressView, ClaimView, HolderView, PoolView, SpaceView, Usage};
pub use rejection::{InUse, Limit, Overlap, Rejection};
pub use session::{Client, Session, Window};
pub use settings::{PoolRange, Reservation, SettingsError, Sharing, SpaceSettings};
pub use snapshot::{RestoreError, Snapshot};
pub use state::State;
pub use token::{MakeToken, Role, Token, TokenHash};
