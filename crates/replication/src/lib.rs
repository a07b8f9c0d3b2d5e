//! Berth's replicated state machine: the allocator, driven by Raft.
//!
//! - [`Replica`] is one node of a cluster. It proposes commands (on whichever node), answers them
//!   once they are committed and applied, and reads the state linearizably.
//! - [`Ledger`] is the same for one host alone: durable, without a quorum, without a network.
//! - [`Servers`] is the cluster as a host without a replica speaks to it.
//! - [`join`] makes this host a member of a cluster that is there, [`recover`] makes a cluster of one out
//!   of a member whose cluster is lost.
//!
//! Invariants: nothing is acknowledged before it is durable, and the first failed write or sync
//! ends the node ([`Fatal`]). An answer is given only after its command took effect; where that is
//! not known, the error says so. No type of the Raft library leaves this crate, and nothing that is
//! written or sent depends on one.
//!
//! `docs/internals/durability.md` lists every write and its sync; `docs/adr/` says why Raft's
//! library is an alpha and why the state lives in memory.

#[cfg(shuttle)]
extern crate shuttle_tokio as tokio;

mod address;
mod attendants;
mod backup;
mod behind;
mod blocking;
mod build_info;
mod clock;
mod cluster;
mod config;
mod deadline;
mod directory;
pub mod failpoint;
mod fatal;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
#[cfg(test)]
mod golden;
#[cfg(shuttle)]
pub mod interleavings;
mod join;
#[cfg(all(test, feature = "failpoints"))]
mod kills;
mod ledger;
mod machine;
mod membership;
mod proposer;
mod raft;
mod random;
mod reads;
mod recovery;
mod replace;
mod replica;
mod rocks;
mod secret;
mod servers;
#[cfg(feature = "sim")]
pub mod sim;
mod snapshot;
mod sync;
mod token;
mod transport;
mod types;
mod user;

pub use address::is_loopback;
pub use attendants::Attendant;
pub use backup::{
    Backup, BackupCheck, BackupError, BackupFile, BackupInfo, RestorationId, Restore, RestoreError,
    Restored, restore,
};
pub use build_info::{Build, UnknownLevel};
pub use clock::{Clock, SystemClock};
pub use cluster::{ClusterError, Member};
pub use config::{Config, ConfigError, Tuning};
pub use deadline::Deadline;
pub use directory::DirectoryError;
pub use fatal::{Fatal, FatalError};
pub use gate::Gate;
pub use join::{JoinConfig, JoinError, Joined, join};
pub use ledger::{Ledger, LedgerConfig, LedgerError, LedgerStartError, LedgerStatus};
pub use membership::{MemberChange, MembershipError, MembershipRefusal};
pub use proposer::{NotExecuted, ProposeError, Proposed};
pub use random::random;
pub use reads::{Consistency, Read, ReadError};
pub use recovery::{Loss, RecoveryError, Survivor, recover, survivor};
pub use replace::{sync_directory_of, take_place};
pub use replica::{
    AskError, Fingerprint, MemberStatus, NoToken, NotMarked, Replica, Respond, Role, StartError,
    Status, UserStream, Witness, holds_cluster, told_secret,
};
pub use rocks::{CommittedEntry, EntryError, StoreError, committed_entries};
pub use secret::{Secret, SecretError};
pub use servers::{Servers, ServersConfig, ServersError, ServersStatus};
pub use snapshot::SnapshotError;
pub use token::{AccessToken, TokenError, TokenUse, hash as token_hash};
pub use transport::PeerListener;
pub use types::{ClusterId, LogIndex, NodeId, NodeName, Term};
pub use user::connect_as_user;
