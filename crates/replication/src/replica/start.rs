//! Starting a node.

use std::path::PathBuf;
use std::sync::Arc;

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
use crate::proposer::Proposer;
use crate::raft::{NetworkFactory, Raft, library_config};
use crate::reads::ReadIndexes;
use crate::rocks::{LOST, RaftLog, StoreError};
use crate::secret::Proof;
use crate::snapshot::{SnapshotError, SnapshotStore};
use crate::transport::{Identity, Links, PeerListener, Server};
use crate::{Clock, Config, Fatal, Gate};

/// A node could not start. Nothing was changed, beyond what an earlier start left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(ConfigError),
    /// The data directory.
    #[error(transparent)]
    Directory(DirectoryError),
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
    let invalid = |error| StartError::Config(ConfigError::Members(error));
    let recover = |reason: String| StartError::Recover { path: config.data_dir.clone(), reason };
    let origin = origin(config.data_dir.clone()).await.map_err(recover)??;
    let cluster = Cluster::begun(&config.cluster, &config.members, origin.as_ref());
    let cluster = cluster.map_err(invalid)?;
    let node = cluster.member(&config.name).map_err(invalid)?;
    let library = library_config(&config.cluster, &config.tuning)
        .map_err(|reason| StartError::Config(ConfigError::Tuning { reason }))?;
    let fatal = Fatal::new();
    let opening = {
        let (fatal, config, id) = (fatal.clone(), config.clone(), cluster.id);
        blocking::spawn(move || {
            let directory = DataDirectory::open(&config.data_dir, id, node, &config.name)
                .map_err(StartError::Directory)?;
            Kept::open(directory, &config.data_dir, (id, origin.as_ref()), &fatal)
        })
    };
    let kept = opening.await.map_err(|error| recover(error.to_string()))??;

    let identity = Identity {
        node,
        cluster: cluster.id,
        proof: Proof::new(cluster.id, config.secret.as_ref()),
        agents: Proof::of_agents(config.secret.as_ref()),
        directory: kept.directory,
        fatal: fatal.clone(),
    };
    let tuning = &config.tuning;
    let nodes = cluster.nodes.clone();
    let links = Links::new(identity, nodes, config.insecure, tuning.connect_timeout, &fatal);
    let listener = match listener {
        Some(listener) => Ok(listener),
        None => PeerListener::bind(&config.listen, config.insecure).await,
    };
    let refused = |source| StartError::Listen { address: config.listen.clone(), source };
    let server = Server::new(listener.map_err(refused)?, links.clone());
    let network = NetworkFactory {
        links: links.clone(),
        append_timeout: tuning.append_timeout,
        piece_timeout: tuning.append_timeout,
    };
    let applied = kept.machine.applied();
    let raft = Raft::new(node.get(), Arc::new(library), network, kept.log, kept.machine)
        .await
        .map_err(|error| recover(error.to_string()))?;
    let core = Core { raft, applied, links, clock, gate: Gate::default() };

    let mut tasks = JoinSet::new();
    let respondent = RespondentSlot::default();
    let attendants = Attendants::default();
    let service = Service {
        core: core.clone(),
        snapshots: kept.snapshots,
        fatal: fatal.clone(),
        respondent: respondent.clone(),
        attendants: attendants.clone(),
    };
    tasks.spawn(server.run(Arc::new(service)));
    tasks.spawn(supervise(core.raft().clone(), fatal.clone()));
    let proposer = Proposer::start(core.clone(), &mut tasks);
    let read_indexes = ReadIndexes::start(core.clone(), &mut tasks);
    form(&core, &cluster).await.map_err(recover)?;
    let tasks = tokio::sync::Mutex::new(tasks);
    let name = config.name;
    let inner = Inner { name, core, proposer, read_indexes, fatal, respondent, attendants, tasks };
    Ok(Replica(Arc::new(inner)))
}

/// What the data directory began with.
async fn origin(dir: PathBuf) -> Result<Result<Option<Origin>, StartError>, String> {
    let read = blocking::spawn(move || Origin::read(&dir)).await;
    read.map(|read| read.map_err(StartError::Directory)).map_err(|error| error.to_string())
}

/// What a data directory holds.
struct Kept {
    directory: Arc<DataDirectory>,
    log: RaftLog,
    machine: StateMachine,
    snapshots: Arc<SnapshotStore>,
}

impl Kept {
    fn open(
        directory: DataDirectory,
        path: &std::path::Path,
        (cluster, origin): (crate::ClusterId, Option<&Origin>),
        fatal: &Fatal,
    ) -> Result<Self, StartError> {
        let log = RaftLog::open(path, fatal).map_err(StartError::Store)?;
        let needed = log.purged().map(|purged| purged.index()).max(origin.map(Origin::index));
        let (snapshots, loaded) = SnapshotStore::open(&path.join("snapshots"), cluster, needed)
            .map_err(StartError::Snapshot)?;
        let snapshots = Arc::new(snapshots);
        let machine = StateMachine::new(loaded, Arc::clone(&snapshots), fatal.clone());
        let machine = machine.map_err(|error| StartError::Recover {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { directory: Arc::new(directory), log, machine, snapshots })
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
    let mut metrics = raft.metrics();
    loop {
        let state = metrics.borrow_watched().running_state.clone();
        match state {
            Ok(()) => {}
            Err(RaftFatal::Stopped) => return,
            Err(error) => {
                fatal.raise("running Raft", &error);
                return;
            }
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
