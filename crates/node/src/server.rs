//! `berth server`: a node of the cluster, and what every host runs. Starts the parts in order, and
//! stops them in the other. The first failed write ends the process at once.

use std::sync::Arc;
use std::time::Duration;

use berth_allocator::Text;
use berth_replication::{
    Config, Deadline, FatalError, JoinConfig, Joined, Ledger, PeerListener, Replica, StartError,
    SystemClock, Tuning, join,
};

use crate::api::Cluster;
use crate::config::ServerConfig;
use crate::host::{self, Host, HostError, Sockets};
use crate::process::{self, Stop, stopped};
use crate::sender::{Sender, Target};
use crate::spaces;

/// All clusters' name; their members' names tell them apart.
pub(crate) const CLUSTER: &str = "berth";
/// How long a host tries to join.
pub(crate) const JOIN_MAX: Duration = Duration::from_mins(1);
/// How long the stores may take to close.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Runs a server until a signal ends it, or it cannot go on. A second signal kills the process.
pub async fn run(config: ServerConfig) -> Result<(), HostError> {
    process::run(|stop| serve(config, stop), HostError::Signals).await
}

async fn serve(config: ServerConfig, stop: Stop) -> Result<(), HostError> {
    config.host.log_channel();
    let sockets = Sockets::bind(&config.host).await?;
    let listener = listen(&config).await?;
    if let Some(wanted) = config.join.clone() {
        // Only now: what is made belongs to a process that can serve.
        host::make_data_dir(&config.host.data_dir)?;
        tokio::select! {
            joined = join_cluster(wanted) => drop(joined?),
            () = stopped(stop.clone()) => return Ok(()),
        }
    }
    let stores = Stores::open(&config, listener).await?;
    let served = tokio::select! {
        served = serve_from(&stores, &config, sockets, stop) => served,
        error = stores.fatal() => Err(HostError::Fatal(error)),
    };
    // Also after an error: RocksDB must not run on while the process ends.
    if tokio::time::timeout(SHUTDOWN_MAX, stores.shutdown()).await.is_err() {
        tracing::warn!("stopped with work still under way");
    }
    tracing::info!("stopped");
    served
}

async fn serve_from(
    Stores { ledger, replica }: &Stores,
    config: &ServerConfig,
    sockets: Sockets,
    stop: Stop,
) -> Result<(), HostError> {
    let address = Text::new(config.listen.as_str()).expect("an address is short and plain");
    let own = host::own_sender(Target::Replica(replica.clone()), &config.host, &address);
    let global = Target::Replica(replica.clone());
    let global = Sender::new(global, config.host.client.clone(), address.clone());
    let cluster = Cluster::Member { replica: replica.clone(), sender: Arc::clone(&own) };
    let v6 = spaces::unique_local(replica.cluster(), Some(config.host.name.as_str()));
    let host = Host::new(&config.host, Arc::clone(ledger), cluster, global, &address, v6).await?;
    replica.answer_with(host.respondent.clone());
    let mut servers = host.serve(sockets, &stop);
    let v6 = spaces::unique_local(replica.cluster(), None);
    let made = host::make_global_space(own, config.host.clone(), v6);
    servers.spawn(host::until_stopped(&stop, made));
    tracing::info!(
        name = %config.host.name, cluster = %replica.cluster(), peers = %config.listen,
        api = %config.host.api_socket.display(), plugin = %config.host.plugin_socket.display(),
        "node started"
    );
    stopped(stop).await;
    tracing::info!("stopping");
    while servers.join_next().await.is_some() {}
    Ok(())
}

/// Joins a cluster, and says so.
pub(crate) async fn join_cluster(wanted: JoinConfig) -> Result<Joined, HostError> {
    let address = wanted.address.clone();
    let joined = join(wanted, Deadline::after(JOIN_MAX)).await.map_err(HostError::Join)?;
    tracing::info!(
        node = %joined.node, cluster = %joined.cluster, %address,
        "admitted to the cluster; the leader is to reach this node at that address"
    );
    Ok(joined)
}

/// Where a node keeps what it knows.
struct Stores {
    ledger: Arc<Ledger>,
    replica: Replica,
}

impl Stores {
    async fn open(config: &ServerConfig, listener: PeerListener) -> Result<Self, HostError> {
        let ledger = host::open_ledger(&config.host).await?;
        let (replica, clock) = (replica_config(config), Arc::new(SystemClock));
        match Replica::start_on(listener, replica, clock).await {
            Ok(replica) => Ok(Self { ledger, replica }),
            Err(error) => {
                ledger.shutdown().await;
                Err(HostError::Replica(error))
            }
        }
    }

    /// Waits for what must end the process.
    async fn fatal(&self) -> FatalError {
        let (replica, ledger) = (self.replica.fatal(), self.ledger.fatal());
        tokio::select! {
            error = replica.wait() => error,
            error = ledger.wait() => error,
        }
    }

    async fn shutdown(&self) {
        self.replica.shutdown().await;
        self.ledger.shutdown().await;
    }
}

async fn listen(config: &ServerConfig) -> Result<PeerListener, HostError> {
    let address = &config.listen;
    let open = config.host.is_open() || config.join.is_some();
    let listener = PeerListener::bind(address, open).await;
    listener.map_err(|source| {
        HostError::Replica(StartError::Listen { address: address.clone(), source })
    })
}

fn replica_config(config: &ServerConfig) -> Config {
    Config {
        cluster: CLUSTER.to_owned(),
        name: config.host.name.clone(),
        members: config.members.clone(),
        data_dir: config.raft_dir(),
        listen: config.listen.clone(),
        advertise: config.advertise.clone(),
        learner: config.learner,
        secret: config.host.secret.clone(),
        keep_secret: config.keep_secret,
        insecure: config.host.insecure,
        tuning: config.snapshot_after.map_or_else(Tuning::default, |entries| Tuning {
            snapshot_after: entries,
            log_keep: entries / 2,
            ..Tuning::default()
        }),
    }
}
