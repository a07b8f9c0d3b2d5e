//! Starting a node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_pki::PkiError;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{Fatal as RaftFatal, InitializeError, RaftError};
use tokio::task::JoinSet;

use super::service::Service;
use super::{Core, Inner, Replica, RespondentSlot};
use crate::attendants::Attendants;
use crate::backup::Origin;
use crate::blocking;
use crate::cluster::Cluster;
use crate::config::ConfigError;
use crate::directory::{DataDirectory, DirectoryError};
use crate::machine::StateMachine;
use crate::membership::{Duty, Heard};
use crate::proposer::Proposer;
use crate::raft::{NetworkFactory, Raft, library_config};
use crate::reads::ReadIndexes;
use crate::rocks::{LOST, RaftLog, StoreError};
use crate::secret::Proof;
use crate::snapshot::{SnapshotError, SnapshotStore};
use crate::transport::{Channel, Identity, Links, PeerListener, Server};
use crate::{Clock, Config, Fatal, Gate, NodeId, Secret, UnknownLevel};

/// A node could not start. Nothing was changed, beyond what an earlier start left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(ConfigError),
    /// The data directory.
    #[error(transparent)]
    Directory(DirectoryError),
    /// This node's certificate.
    #[error("cannot make this node's certificate")]
    Certificate(#[source] PkiError),
    /// The log.
    #[error(transparent)]
    Store(StoreError),
    /// The snapshots.
    #[error("the snapshots cannot be used. If they are damaged: {}", LOST)]
    Snapshot(#[source] SnapshotError),
    /// The address for nodes and agents.
    #[error(
        "cannot listen on {address} for nodes and agents: stop what listens there, or choose \
         another address"
    )]
    Listen {
        /// The address.
        address: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The cluster has gone on without this build.
    #[error(transparent)]
    Level(UnknownLevel),
    /// What was kept does not fit together.
    #[error(
        "cannot go on from what is in {}: {reason}. If it is damaged: {}", path.display(), LOST
    )]
    Recover {
        /// The data directory.
        path: PathBuf,
        /// Raft's reason.
        reason: String,
    },
}

/// Starts a node on a port that is open, or that it opens itself once all else is in order.
pub(super) async fn start(
    listener: Option<PeerListener>,
    config: Config,
    clock: Arc<dyn Clock>,
) -> Result<Replica, StartError> {
    config.check().map_err(StartError::Config)?;
    let library = library_config(&config.cluster, &config.tuning)
        .map_err(|reason| StartError::Config(ConfigError::Tuning { reason }))?;
    let fatal = Fatal::new();
    let opening = {
        let (fatal, config) = (fatal.clone(), config.clone());
        blocking::spawn(move || Kept::open(&config, &fatal))
    };
    let recover = |reason: String| StartError::Recover { path: config.data_dir.clone(), reason };
    let kept = opening.await.map_err(|error| recover(error.to_string()))??;
    let node = kept.directory.node();
    let since = kept.directory.since();
    // Who was admitted is no first member, whatever its list says.
    let first = kept.listed.as_ref().filter(|_| since.is_none());
    let address = address(&config, first, node);
    let links = links(&config, &kept, &address, &fatal).map_err(StartError::Certificate)?;
    let secret = kept.secret;
    let tuning = &config.tuning;
    let listener = listen(listener, &config, config.insecure || secret.is_some()).await?;
    let server = Server::new(listener, links.clone());
    let network = NetworkFactory {
        links: links.clone(),
        append_timeout: tuning.append_timeout,
        piece_timeout: tuning.append_timeout,
    };
    let applied = kept.machine.applied();
    let raft = Raft::new(node.get(), Arc::new(library), network, kept.log, kept.machine)
        .await
        .map_err(|error| recover(error.to_string()))?;
    let (turn, gate) = (Arc::default(), Gate::default());
    let core = Core { raft, applied, links, clock, turn, gate };

    let mut tasks = JoinSet::new();
    let respondent = RespondentSlot::default();
    let attendants = Attendants::default();
    let heard = Heard::new();
    let service = Service {
        core: core.clone(),
        snapshots: kept.snapshots,
        fatal: fatal.clone(),
        respondent: respondent.clone(),
        attendants: attendants.clone(),
        heard: heard.clone(),
        secret: secret.clone(),
    };
    tasks.spawn(server.run(Arc::new(service)));
    tasks.spawn(supervise(core.raft().clone(), fatal.clone()));
    let proposer = Proposer::start(core.clone(), &mut tasks);
    let read_indexes = ReadIndexes::start(core.clone(), &mut tasks);
    if let Some(first) = first {
        form(&core, first).await.map_err(recover)?;
    }
    let (learner, duty_fatal) = (config.learner, fatal.clone());
    let duty = Duty { core: core.clone(), fatal: duty_fatal, heard, address, learner, since };
    tasks.spawn(duty.run());
    let tasks = tokio::sync::Mutex::new(tasks);
    let inner = Inner {
        name: config.name,
        core,
        proposer,
        read_indexes,
        fatal,
        respondent,
        attendants,
        secret,
        tasks,
    };
    Ok(Replica(Arc::new(inner)))
}

/// The port, where it is not open already.
async fn listen(
    open: Option<PeerListener>,
    config: &Config,
    anywhere: bool,
) -> Result<PeerListener, StartError> {
    let listener = match open {
        Some(listener) => Ok(listener),
        None => PeerListener::bind(&config.listen, anywhere).await,
    };
    listener.map_err(|source| StartError::Listen { address: config.listen.clone(), source })
}

/// The first members, and which of them this node is, where they are listed.
fn listed(
    config: &Config,
    origin: Option<&Origin>,
) -> Result<Option<(Cluster, NodeId)>, StartError> {
    if config.members.is_empty() {
        return Ok(None);
    }
    let invalid = |error| StartError::Config(ConfigError::Members(error));
    let cluster = Cluster::begun(&config.cluster, &config.members, origin).map_err(invalid)?;
    let node = cluster.member(&config.name).map_err(invalid)?;
    Ok(Some((cluster, node)))
}

/// Whether a replica's data directory knows its cluster, so that neither a list nor a token is needed.
pub fn holds_cluster(data_dir: &Path) -> bool {
    DataDirectory::is_whose(data_dir)
}

/// The cluster's secret, where a token told it to the node of a data directory.
pub fn told_secret(data_dir: &Path) -> Result<Option<Secret>, DirectoryError> {
    DataDirectory::told_secret(data_dir)
}

/// Where a node is reached: as it was told, or by its list, or where it listens.
fn address(config: &Config, first: Option<&Cluster>, node: NodeId) -> String {
    let listed = first.and_then(|first| first.nodes.get(&node.get()));
    let listed = listed.map(|own| own.address.clone());
    config.advertise.clone().or(listed).unwrap_or_else(|| config.listen.clone())
}

/// Who a node is to its peers, and where they are by all that it was told.
fn links(config: &Config, kept: &Kept, address: &str, fatal: &Fatal) -> Result<Links, PkiError> {
    let (cluster, node) = (kept.directory.cluster(), kept.directory.node());
    let secret = kept.secret.as_ref();
    let who = (cluster, node, &config.name);
    let channel = Channel::of_node(secret, config.insecure, who, &[&config.listen, address])?;
    let identity = Identity {
        node,
        cluster,
        proof: Proof::new(cluster, secret),
        agents: Proof::of_agents(secret),
        directory: Arc::clone(&kept.directory),
        fatal: fatal.clone(),
    };
    let mut told = kept.directory.contacts();
    told.extend(kept.listed.iter().flat_map(|listed| listed.nodes.clone()));
    Ok(Links::new(identity, told, channel, config.tuning.connect_timeout, fatal))
}

/// What a data directory holds.
struct Kept {
    directory: Arc<DataDirectory>,
    /// The first members, where they are listed.
    listed: Option<Cluster>,
    log: RaftLog,
    machine: StateMachine,
    snapshots: Arc<SnapshotStore>,
    /// The cluster's secret, as it was given, or as a token told it.
    secret: Option<Secret>,
}

impl Kept {
    fn open(config: &Config, fatal: &Fatal) -> Result<Self, StartError> {
        let path = config.data_dir.as_path();
        let origin = Origin::read(path).map_err(StartError::Directory)?;
        let listed = listed(config, origin.as_ref())?;
        let first = listed.as_ref().map(|(listed, node)| (listed.id, *node));
        let keep = config.secret.as_ref().filter(|_| config.keep_secret);
        let directory = DataDirectory::open(path, &config.name, first, keep);
        let directory = directory.map_err(StartError::Directory)?;
        let (cluster, told) = (directory.cluster(), directory.secret());
        let told = told.map_err(StartError::Directory)?;
        let secret = config.secret.clone().or(told);
        // A list may be of the cluster that this one was restored or recovered from.
        let listed = listed.map(|(listed, _)| listed).filter(|listed| listed.id == cluster);
        let log = RaftLog::open(path, fatal).map_err(StartError::Store)?;
        let began = origin.as_ref().map(Origin::index);
        let needed = log.purged().map(|purged| purged.index()).max(began);
        let (snapshots, loaded) = SnapshotStore::open(&path.join("snapshots"), cluster, needed)
            .map_err(StartError::Snapshot)?;
        loaded
            .as_ref()
            .map_or(Ok(()), |it| UnknownLevel::check(&it.state))
            .map_err(StartError::Level)?;
        let snapshots = Arc::new(snapshots);
        let machine = StateMachine::new(loaded, Arc::clone(&snapshots), fatal.clone());
        let machine = machine.map_err(|error| StartError::Recover {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let directory = Arc::new(directory);
        Ok(Self { directory, listed, log, machine, snapshots, secret })
    }
}

/// Begins a new cluster, unless this node knows one. All first members do so with the same
/// membership, at the same place in the log, which makes it one cluster.
async fn form(core: &Core, cluster: &Cluster) -> Result<(), String> {
    match core.raft().initialize(cluster.first_membership()).await {
        // Not allowed where there is something in the log, or a vote: the usual restart.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reports when Raft ends for another reason than being asked to.
async fn supervise(raft: Raft, fatal: Fatal) {
    // Of all that can be watched, what changes least, and ends with Raft.
    let mut changes = raft.server_metrics();
    loop {
        let ended = changes.changed().await.is_err();
        let state = raft.metrics().borrow_watched().running_state.clone();
        match state {
            Ok(()) if ended => return,
            Ok(()) => {}
            Err(RaftFatal::Stopped) => return,
            Err(error) => {
                fatal.raise("running Raft", &error);
                return;
            }
        }
    }
}
