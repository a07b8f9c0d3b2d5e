//! Where Raft's library meets Berth: its type configuration, and our own structs for all that is
//! written or sent, so that a new version of the library never changes a format.

mod appending;
mod config;
mod network;
mod proposal;
mod record;

pub(crate) use config::{
    Entry, LogId, Membership, PeerNode, Raft, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
    Vote, library_config,
};
pub(crate) use network::NetworkFactory;
pub(crate) use proposal::{Answers, Proposal};
#[cfg(test)]
pub(crate) use record::PayloadRecord;
pub(crate) use record::{
    EntryRecord, LogPosition, MembershipRecord, PeerRecord, RecordError, VoteRecord,
};
