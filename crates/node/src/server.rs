//! `berth server`: starts the node's parts in order, and stops them in the other.
//!
//! The plugin socket opens before there is a leader, since local spaces need none. The first failed
//! write ends the process at once.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{ClientName, Rejection, SpaceSettings, Text};
use berth_replication::{
    Config, FatalError, Ledger, LedgerConfig, LedgerStartError, Replica, StartError, SystemClock,
    Tuning,
};
use rustix::process::{getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{Api, ApiServer, SocketError};
use crate::code::Code;
use crate::config::ServerConfig;
use crate::docker::{Driver, DriverConfig, FileError};
use crate::doctor::Reconciler;
use crate::peers::Respondent;
use crate::sender::{Sender, Target};
use crate::spaces;

/// All clusters' name; their members' names tell them apart.
const CLUSTER: &str = "berth";
/// Entries after which the ledger's log is cut.
const LEDGER_SNAPSHOT_AFTER: u64 = 10_000;
/// How long the stores may take to close.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);
/// Before a node's name: what the node itself does, and users of its API.
const API_CLIENT: &str = "api@";

/// The server could not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory.
    #[error("cannot create the data directory {path}")]
    DataDir {
        /// The directory.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The local ledger.
    #[error("cannot open this host's ledger")]
    Ledger(#[source] LedgerStartError),
    /// The replica.
    #[error("cannot start this node of the cluster")]
    Replica(#[source] StartError),
    /// The engine's sessions.
    #[error("cannot read the engine's sessions")]
    Sessions(#[source] FileError),
    /// The plugin socket.
    #[error(transparent)]
    Plugin(ipamapi::server::BindError),
    /// The API socket.
    #[error(transparent)]
    Api(SocketError),
    /// This host's own space.
    #[error("cannot make this host's address space")]
    LocalSpace(#[source] Rejection),
    /// The process.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    /// A write or sync failed.
    #[error(transparent)]
    Fatal(FatalError),
}

impl ServerError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Fatal(_) => Code::Fatal,
            _ => Code::CannotStart,
        }
    }
}

/// Runs a server until a signal ends it, or it cannot go on. A second signal kills the process.
pub async fn run(config: ServerConfig) -> Result<(), ServerError> {
    let mut signals = Signals::new().map_err(ServerError::Signals)?;
    let stop = signals.stop.clone();
    tokio::select! {
        ended = serve(config, stop) => ended,
        () = signals.second() => {
            tracing::warn!("killed by a second signal");
            // What was acknowledged is on disk: this is what a crash would do.
            let _ = kill_process(getpid(), rustix::process::Signal::KILL);
            std::future::pending().await
        }
    }
}

async fn serve(config: ServerConfig, stop: watch::Receiver<bool>) -> Result<(), ServerError> {
    let stores = Stores::open(&config).await?;
    let served = tokio::select! {
        served = serve_from(&stores, &config, stop) => served,
        error = stores.fatal() => Err(ServerError::Fatal(error)),
    };
    // Also after an error: RocksDB must not run on while the process ends.
    if tokio::time::timeout(SHUTDOWN_MAX, stores.shutdown()).await.is_err() {
        tracing::warn!("stopped with work still under way");
    }
    tracing::info!("stopped");
    served
}

async fn serve_from(
    stores: &Stores,
    config: &ServerConfig,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServerError> {
    let node = Node::new(stores, config).await?;
    let mut servers = node.listen(config, &stop).await?;
    tracing::info!(
        name = %config.name, cluster = %stores.replica.cluster(), peers = %config.listen,
        api = %config.api_socket.display(), plugin = %config.plugin_socket.display(),
        "node started"
    );
    // An error means that nobody can ask for a stop any more.
    let _ = stop.wait_for(|stop| *stop).await;
    tracing::info!("stopping");
    while servers.join_next().await.is_some() {}
    Ok(())
}

/// Where a node keeps what it knows.
struct Stores {
    ledger: Arc<Ledger>,
    replica: Replica,
}

impl Stores {
    async fn open(config: &ServerConfig) -> Result<Self, ServerError> {
        make_data_dir(config)?;
        let clock = Arc::new(SystemClock);
        let ledger = LedgerConfig {
            dir: config.ledger_dir(),
            name: config.name.clone(),
            snapshot_after: LEDGER_SNAPSHOT_AFTER,
        };
        let ledger = Ledger::open(ledger, clock.clone()).await.map_err(ServerError::Ledger)?;
        match Replica::start(replica_config(config), clock).await {
            Ok(replica) => Ok(Self { ledger: Arc::new(ledger), replica }),
            Err(error) => {
                ledger.shutdown().await;
                Err(ServerError::Replica(error))
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

/// What a node does with its stores.
struct Node {
    stores: Stores,
    local: Arc<Sender>,
    global: Arc<Sender>,
    driver: Arc<Driver>,
}

impl Node {
    async fn new(stores: &Stores, config: &ServerConfig) -> Result<Self, ServerError> {
        let Stores { ledger, replica } = stores;
        let address = Text::new(config.listen.as_str()).expect("an address is short and plain");
        let client = ClientName::new(format!("{API_CLIENT}{}", config.name));
        let client = client.expect("a node's name leaves room in a client's");
        let sender = |target| Arc::new(Sender::new(target, client.clone(), address.clone()));
        let local = sender(Target::Ledger(Arc::clone(ledger)));
        let global = sender(Target::Replica(replica.clone()));
        let v6 = spaces::unique_local(replica.cluster(), Some(config.name.as_str()));
        spaces::ensure(&local, &config.local_space, SpaceSettings::local(Some(v6)))
            .await
            .map_err(ServerError::LocalSpace)?;
        let respondent = Respondent::new(Arc::clone(ledger), config.local_space.clone());
        replica.answer_with(Arc::new(respondent));
        let driver = DriverConfig {
            replica: replica.clone(),
            ledger: Arc::clone(ledger),
            client: config.client.clone(),
            address,
            local: config.local_space.clone(),
            global: config.global_space.clone(),
            data_dir: config.data_dir.clone(),
        };
        let driver = Arc::new(Driver::new(driver).map_err(ServerError::Sessions)?);
        let stores = Stores { ledger: Arc::clone(ledger), replica: replica.clone() };
        Ok(Self { stores, local, global, driver })
    }

    /// Opens the sockets; what it gives ends once all of them are closed.
    async fn listen(
        &self,
        config: &ServerConfig,
        stop: &watch::Receiver<bool>,
    ) -> Result<JoinSet<()>, ServerError> {
        let plugin = Arc::clone(&self.driver) as Arc<dyn ipamapi::Ipam>;
        let plugin = ipamapi::server::Server::bind(
            &config.plugin_socket,
            plugin,
            ipamapi::server::ServerConfig::default(),
        );
        let plugin = plugin.await.map_err(ServerError::Plugin)?;
        let api = Api::new(
            config.name.clone(),
            (config.local_space.clone(), config.global_space.clone()),
            Arc::clone(&self.local),
            Arc::clone(&self.global),
            self.stores.replica.clone(),
            Arc::clone(&self.stores.ledger),
        );
        let api = ApiServer::bind(&config.api_socket, api).await.map_err(ServerError::Api)?;
        let mut servers = JoinSet::new();
        servers.spawn(plugin.serve(stopped(stop.clone())));
        servers.spawn(api.serve(stopped(stop.clone())));
        servers.spawn(self.make_global_space(config, stopped(stop.clone())));
        if let Some(reconciler) = self.reconciler(config) {
            let stopped = stopped(stop.clone());
            servers.spawn(async move {
                tokio::select! {
                    () = reconciler.run() => {}
                    () = stopped => {}
                }
            });
        }
        Ok(servers)
    }

    fn reconciler(&self, config: &ServerConfig) -> Option<Reconciler> {
        Some(Reconciler {
            docker_socket: config.docker_socket.clone()?,
            every: config.reconcile_every,
            driver: Arc::clone(&self.driver),
            replica: self.stores.replica.clone(),
            ledger: Arc::clone(&self.stores.ledger),
            host: config.name.clone(),
            local_space: config.local_space.clone(),
            global_space: config.global_space.clone(),
        })
    }

    /// Makes the Swarm's space as soon as there is a leader.
    fn make_global_space(
        &self,
        config: &ServerConfig,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (sender, name) = (Arc::clone(&self.global), config.global_space.clone());
        let v6 = spaces::unique_local(self.stores.replica.cluster(), None);
        async move {
            let settings = SpaceSettings::exclusive(Some(v6));
            tokio::select! {
                made = spaces::ensure(&sender, &name, settings) => {
                    if let Err(error) = made {
                        tracing::error!(space = %name, %error, "cannot make the address space");
                    }
                }
                () = stopped => {}
            }
        }
    }
}

/// For the node's user alone.
fn make_data_dir(config: &ServerConfig) -> Result<(), ServerError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(&config.data_dir);
    let path = config.data_dir.display().to_string();
    made.map_err(|source| ServerError::DataDir { path, source })
}

fn replica_config(config: &ServerConfig) -> Config {
    Config {
        cluster: CLUSTER.to_owned(),
        name: config.name.clone(),
        members: config.members.clone(),
        data_dir: config.raft_dir(),
        listen: config.listen.clone(),
        secret: config.secret.clone(),
        insecure: config.insecure,
        tuning: Tuning::default(),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the process is ending anyway.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The signals that end a server: the first in good order, the second at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    asked: watch::Sender<bool>,
    stop: watch::Receiver<bool>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (asked, stop) = watch::channel(false);
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, asked, stop })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Passes the first signal on, and waits for the second.
    async fn second(&mut self) {
        self.next().await;
        self.asked.send_replace(true);
        self.next().await;
    }
}
