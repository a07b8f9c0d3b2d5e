//! The library's generic parameters, filled in, and its settings.

use openraft::impls::leader_id_adv::LeaderId;
use openraft::{EntryPayload, SnapshotPolicy};
use serde::{Deserialize, Serialize};

use super::{Answers, Proposal};
use crate::Tuning;
use crate::machine::StateMachine;
use crate::snapshot::SnapshotFile;

/// Tokio; in simulations, with random numbers from the seed.
#[cfg(feature = "sim")]
type Runtime = crate::sim::Runtime;
#[cfg(not(feature = "sim"))]
type Runtime = openraft::impls::TokioRuntime;

openraft::declare_raft_types!(
    /// Berth's parameters for the Raft library.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Answers,
        NodeId = u64,
        Node = PeerNode,
        AsyncRuntime = Runtime,
);

/// A node as Raft's membership knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct PeerNode {
    /// Its name.
    pub(crate) name: String,
    /// Host and port at which its peers reach it.
    pub(crate) address: String,
}

pub(crate) type Leader = LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<Leader>;
pub(crate) type Vote = openraft::Vote<Leader>;
pub(crate) type Payload = EntryPayload<Proposal, u64, PeerNode>;
pub(crate) type Entry = openraft::Entry<Leader, Payload>;
pub(crate) type Membership = openraft::Membership<u64, PeerNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<Leader, u64, PeerNode>;
pub(crate) type Snapshot = openraft::Snapshot<Leader, u64, PeerNode, SnapshotFile>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<Leader, u64, PeerNode>;
pub(crate) type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// Entries in one message to a follower; [`crate::rocks`] bounds their bytes.
const ENTRIES_PER_APPEND_MAX: u64 = 64;
/// Entries purged at once at least.
const PURGE_BATCH: u64 = 64;

/// The library's settings. Fails with the library's reason if they contradict each other.
pub(crate) fn library_config(cluster: &str, tuning: &Tuning) -> Result<openraft::Config, String> {
    let millis = |duration: std::time::Duration| {
        u64::try_from(duration.as_millis()).map_err(|_| format!("{duration:?} is too long"))
    };
    let keep = tuning.log_keep;
    openraft::Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: millis(tuning.heartbeat)?,
        election_timeout_min: millis(tuning.election.start)?,
        election_timeout_max: millis(tuning.election.end)?,
        install_snapshot_timeout: millis(tuning.snapshot_timeout)?,
        enable_pre_vote: Some(true),
        // Followers may hold entries that a leader had not written yet when it died. Leading on in the
        // same term it would give their positions to other entries, and nobody could tell them apart.
        enable_leader_restore: Some(false),
        max_payload_entries: ENTRIES_PER_APPEND_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(tuning.snapshot_after),
        max_in_snapshot_log_to_keep: keep,
        // A follower that lags within the log that is kept gets entries, else a snapshot.
        replication_lag_threshold: tuning.snapshot_after.saturating_add(keep),
        purge_batch_size: PURGE_BATCH.min(keep.max(1)),
        backoff: "50ms 100ms 200ms ..500ms".to_owned(),
        ..Default::default()
    }
    .validate()
    .map_err(|error| error.to_string())
}
