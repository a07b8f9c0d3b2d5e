//! What a replica must be told.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::ClusterError;
use crate::{Member, NodeName, Secret};

/// Bytes in a cluster's name.
const CLUSTER_NAME_BYTES_MAX: usize = 128;

/// What a [`crate::Replica`] must be told to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The cluster's name, the same on every node.
    pub cluster: String,
    /// This node's name.
    pub name: NodeName,
    /// The first members, on each of them the same names, this node's too. Their addresses may change;
    /// the names may not, they are the cluster's identity. None where the data directory tells the
    /// cluster.
    pub members: Vec<Member>,
    /// Where this node keeps its log and snapshots; nobody else's. Made if it does not exist.
    pub data_dir: PathBuf,
    /// Host and port to listen on for peers.
    pub listen: String,
    /// Where peers reach this node, if not at its address in the list, or where it listens.
    pub advertise: Option<String>,
    /// It stays a learner until somebody promotes it, where it is not a voter yet.
    pub learner: bool,
    /// What all members know, and what their certificates follow from; `None` only where the data directory
    /// tells, since a token told it, or where nobody else can reach them: without it they speak plaintext.
    pub secret: Option<Secret>,
    /// The data directory keeps the secret when it is made: nobody gives it at the next start.
    pub keep_secret: bool,
    /// Has them speak plaintext, anywhere, whether or not there is a secret.
    pub insecure: bool,
    /// Times and sizes.
    pub tuning: Tuning,
}

impl Config {
    /// A first member that listens at its address in the list. It has no secret, so it speaks to loopback
    /// only.
    pub fn of_member(own: &Member, cluster: &str, members: Vec<Member>, data_dir: PathBuf) -> Self {
        Self {
            cluster: cluster.to_owned(),
            name: own.name.clone(),
            members,
            data_dir,
            listen: own.address.clone(),
            advertise: None,
            learner: false,
            secret: None,
            keep_secret: false,
            insecure: false,
            tuning: Tuning::default(),
        }
    }
}

/// Times and sizes, each with a default that suits a local network.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// How often a leader tells that it is there.
    pub heartbeat: Duration,
    /// How long a follower waits for that, at random in this range, before it asks for an election.
    pub election: Range<Duration>,
    /// Entries after which a snapshot is made.
    pub snapshot_after: u64,
    /// Entries kept behind a snapshot, for followers that lag.
    pub log_keep: u64,
    /// How long sending and installing a snapshot may take.
    pub snapshot_timeout: Duration,
    /// How long connecting and greeting may take.
    pub connect_timeout: Duration,
    /// How long a follower may take to store entries.
    pub append_timeout: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(500)..Duration::from_secs(1),
            snapshot_after: 10_000,
            log_keep: 5_000,
            snapshot_timeout: Duration::from_mins(10),
            connect_timeout: Duration::from_secs(2),
            append_timeout: Duration::from_secs(2),
        }
    }
}

/// The configuration contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The cluster's name.
    #[error("the cluster's name must have 1 to {max} bytes", max = CLUSTER_NAME_BYTES_MAX)]
    ClusterName,
    /// The members.
    #[error(transparent)]
    Members(ClusterError),
    /// Times and sizes.
    #[error("the times and sizes do not fit together: {reason}")]
    Tuning {
        /// Why not.
        reason: String,
    },
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=CLUSTER_NAME_BYTES_MAX).contains(&self.cluster.len()) {
            return Err(ConfigError::ClusterName);
        }
        let refuse = |reason: &str| Err(ConfigError::Tuning { reason: reason.to_owned() });
        let Tuning { snapshot_after, connect_timeout, append_timeout, .. } = self.tuning;
        if snapshot_after == 0 {
            return refuse("a snapshot after 0 entries would never end");
        }
        if connect_timeout.is_zero() || append_timeout.is_zero() {
            return refuse("a timeout of zero leaves no time");
        }
        Ok(())
    }
}
