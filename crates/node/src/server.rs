//! `berth server`: starts the node's parts in order, and stops them in the other.
//!
//! The plugin socket opens before there is a leader, since local spaces need none. The first failed
//! write ends the process at once.

use std::future::Future;
use std::io;
use std::sync::Arc;

use berth_allocator::{ClientName, Rejection, SpaceSettings, Text};
use berth_replication::{
    Config, FatalError, Ledger, LedgerConfig, LedgerStartError, Replica, StartError, SystemClock,
    Tuning,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{Api, ApiServer, SocketError};
use crate::code::Code;
use crate::config::ServerConfig;
use crate::docker::{Driver, DriverConfig, FileError};
use crate::sender::{Sender, Target};
use crate::spaces;

/// All clusters' name; their members' names tell them apart.
const CLUSTER: &str = "berth";
/// Entries after which the ledger's log is cut.
const LEDGER_SNAPSHOT_AFTER: u64 = 10_000;
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

/// Runs a server until a signal ends it, or it cannot go on.
pub async fn run(config: ServerConfig) -> Result<(), ServerError> {
    let mut signals = Signals::new().map_err(ServerError::Signals)?;
    tokio::select! {
        ended = serve(config, signals.stop.clone()) => ended,
        () = signals.second() => {
            tracing::warn!("stopped at once, by a second signal");
            Ok(())
        }
    }
}

async fn serve(config: ServerConfig, mut stop: watch::Receiver<bool>) -> Result<(), ServerError> {
    let node = Node::start(&config).await?;
    let fatal = fatal(&node.replica, &node.ledger);
    let mut servers = node.listen(&config, &stop).await?;
    tracing::info!(
        name = %config.name, cluster = %node.replica.cluster(), peers = %config.listen,
        api = %config.api_socket.display(), plugin = %config.plugin_socket.display(),
        "node started"
    );
    tokio::select! {
        // An error means that nobody can ask for a stop any more.
        _ = stop.wait_for(|stop| *stop) => {}
        error = fatal => return Err(ServerError::Fatal(error)),
    }
    tracing::info!("stopping");
    while servers.join_next().await.is_some() {}
    node.replica.shutdown().await;
    node.ledger.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a node consists of.
struct Node {
    ledger: Arc<Ledger>,
    replica: Replica,
    global: Arc<Sender>,
    driver: Arc<Driver>,
}

impl Node {
    async fn start(config: &ServerConfig) -> Result<Self, ServerError> {
        make_data_dir(config)?;
        let clock = Arc::new(SystemClock);
        let ledger = LedgerConfig {
            dir: config.ledger_dir(),
            name: config.name.clone(),
            snapshot_after: LEDGER_SNAPSHOT_AFTER,
        };
        let ledger = Ledger::open(ledger, clock.clone()).await.map_err(ServerError::Ledger)?;
        let ledger = Arc::new(ledger);
        let replica = Replica::start(replica_config(config), clock).await;
        let replica = replica.map_err(ServerError::Replica)?;

        let address = Text::new(config.listen.as_str()).expect("an address is short and plain");
        let client = ClientName::new(format!("{API_CLIENT}{}", config.name));
        let client = client.expect("a node's name leaves room in a client's");
        let sender = |target| Arc::new(Sender::new(target, client.clone(), address.clone()));
        let local = sender(Target::Ledger(Arc::clone(&ledger)));
        let global = sender(Target::Replica(replica.clone()));
        let v6 = spaces::unique_local(replica.cluster(), Some(config.name.as_str()));
        let settings = SpaceSettings::local(Some(v6));
        tokio::select! {
            made = spaces::ensure(&local, &config.local_space, settings) => {
                made.map_err(ServerError::LocalSpace)?;
            }
            error = fatal(&replica, &ledger) => return Err(ServerError::Fatal(error)),
        }
        let driver = DriverConfig {
            replica: replica.clone(),
            ledger: Arc::clone(&ledger),
            client: config.client.clone(),
            address,
            local: config.local_space.clone(),
            global: config.global_space.clone(),
            data_dir: config.data_dir.clone(),
        };
        let driver = Arc::new(Driver::new(driver).map_err(ServerError::Sessions)?);
        Ok(Self { ledger, replica, global, driver })
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
            config.global_space.clone(),
            self.replica.clone(),
            Arc::clone(&self.ledger),
        );
        let api = ApiServer::bind(&config.api_socket, api).await.map_err(ServerError::Api)?;
        let mut servers = JoinSet::new();
        servers.spawn(plugin.serve(stopped(stop.clone())));
        servers.spawn(api.serve(stopped(stop.clone())));
        servers.spawn(self.make_global_space(config, stopped(stop.clone())));
        Ok(servers)
    }

    /// Makes the Swarm's space as soon as there is a leader.
    fn make_global_space(
        &self,
        config: &ServerConfig,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (sender, name) = (Arc::clone(&self.global), config.global_space.clone());
        let v6 = spaces::unique_local(self.replica.cluster(), None);
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

/// Waits for what must end the process.
fn fatal(replica: &Replica, ledger: &Ledger) -> impl Future<Output = FatalError> + use<> {
    let (replica, ledger) = (replica.fatal(), ledger.fatal());
    async move {
        tokio::select! {
            error = replica.wait() => error,
            error = ledger.wait() => error,
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
