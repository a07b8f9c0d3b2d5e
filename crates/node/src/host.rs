//! What every host runs, node of the cluster or not: its own ledger, the driver of its engine, its
//! API, and what frees by itself what its engine lost.
//!
//! The sockets open before the cluster is reached, since local spaces need none.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;

use berth_allocator::{ClientName, Prefix, Rejection, SpaceSettings, Text};
use berth_replication::{
    FatalError, JoinError, Ledger, LedgerConfig, LedgerStartError, ServersError, StartError,
    SystemClock,
};
use ipamapi::server::{
    BindError, PluginSocket, Server as PluginServer, ServerConfig as PluginServerConfig,
};
use tokio::task::JoinSet;

use crate::api::{Api, ApiServer, Cluster, Socket, SocketError};
use crate::code::Code;
use crate::config::HostConfig;
use crate::docker::{self, AskedByEngine, Driver, DriverConfig, Observations};
use crate::doctor::Reconciler;
use crate::file::FileError;
use crate::manager;
use crate::peers::Respondent;
use crate::process::{Stop, stopped};
use crate::room::Room;
use crate::sender::{Sender, Target};
use crate::spaces;

/// Entries after which the ledger's log is cut.
const LEDGER_SNAPSHOT_AFTER: u64 = 10_000;
/// Before a host's name: what the host itself does, and users of its API.
const API_CLIENT: &str = "api@";

/// A host's process could not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
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
    /// Joining the cluster.
    #[error("cannot join the cluster")]
    Join(#[source] JoinError),
    /// The cluster's servers.
    #[error("cannot look for the cluster's servers")]
    Servers(#[source] ServersError),
    /// The engine's sessions.
    #[error("cannot read the engine's sessions")]
    Sessions(#[source] FileError),
    /// The plugin socket.
    #[error(transparent)]
    Plugin(BindError),
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

impl HostError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Fatal(_) => Code::Fatal,
            Self::Join(_) => Code::CannotJoin,
            _ => Code::CannotStart,
        }
    }
}

/// A host's open sockets. They are opened before anything is made or changed: a host that cannot
/// have them does not start.
pub(crate) struct Sockets {
    plugin: PluginSocket,
    api: Socket,
}

impl Sockets {
    pub(crate) async fn bind(config: &HostConfig) -> Result<Self, HostError> {
        let inside = |socket: &Path| socket.starts_with(&config.data_dir);
        if inside(&config.plugin_socket) || inside(&config.api_socket) {
            // Else it would be made with a socket's mode.
            make_data_dir(&config.data_dir)?;
        }
        let mode = PluginServerConfig::default().socket_mode;
        let plugin = PluginSocket::bind(&config.plugin_socket, mode).await;
        Ok(Self {
            plugin: plugin.map_err(HostError::Plugin)?,
            api: Socket::bind(&config.api_socket).await.map_err(HostError::Api)?,
        })
    }
}

/// For this host's user alone.
pub(crate) fn make_data_dir(data_dir: &Path) -> Result<(), HostError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(data_dir);
    let path = data_dir.display().to_string();
    made.map_err(|source| HostError::DataDir { path, source })
}

/// Makes the data directory, and opens the ledger in it.
pub(crate) async fn open_ledger(config: &HostConfig) -> Result<Arc<Ledger>, HostError> {
    make_data_dir(&config.data_dir)?;
    let ledger = LedgerConfig {
        dir: config.ledger_dir(),
        name: config.name.clone(),
        snapshot_after: LEDGER_SNAPSHOT_AFTER,
    };
    let ledger = Ledger::open(ledger, Arc::new(SystemClock)).await;
    ledger.map(Arc::new).map_err(HostError::Ledger)
}

/// A sender for this host itself, and for users of its API.
pub(crate) fn own_sender(target: Target, config: &HostConfig, address: &Text) -> Arc<Sender> {
    let client = ClientName::new(format!("{API_CLIENT}{}", config.name));
    let client = client.expect("a host's name leaves room in a client's");
    Arc::new(Sender::new(target, client, address.clone()))
}

/// What a host runs.
pub(crate) struct Host {
    pub(crate) driver: Arc<Driver>,
    /// Answers other hosts.
    pub(crate) respondent: Arc<Respondent>,
    api: Api,
    room: Room,
    observations: Observations,
    config: HostConfig,
}

impl Host {
    /// Puts it together, and makes the host's own space, with `v6` for its networks. `global` has the
    /// driver's commands executed; `address` is where the process runs.
    pub(crate) async fn new(
        config: &HostConfig,
        ledger: Arc<Ledger>,
        cluster: Cluster,
        global: Sender,
        address: &Text,
        v6: Prefix,
    ) -> Result<Self, HostError> {
        let (observer, observations) = docker::observer();
        let on_ledger = || Target::Ledger(Arc::clone(&ledger));
        let local = own_sender(on_ledger(), config, address);
        spaces::ensure(&local, &config.local_space, SpaceSettings::local(Some(v6)))
            .await
            .map_err(HostError::LocalSpace)?;
        let driver = DriverConfig {
            global,
            local: Sender::new(on_ledger(), config.client.clone(), address.clone()),
            local_space: config.local_space.clone(),
            global_space: config.global_space.clone(),
            data_dir: config.data_dir.clone(),
            docker_socket: config.docker_socket.clone(),
            observer: config.docker_socket.is_some().then_some(observer),
        };
        let driver = Arc::new(Driver::new(driver).map_err(HostError::Sessions)?);
        let respondent = Arc::new(Respondent {
            name: config.name.to_string(),
            ledger: Arc::clone(&ledger),
            local: config.local_space.clone(),
            global: config.global_space.clone(),
            replica: cluster.replica().cloned(),
            api: std::sync::OnceLock::new(),
        });
        let spaces = (config.local_space.clone(), config.global_space.clone());
        let replica = cluster.replica().cloned();
        let gate = ledger.gate().clone();
        let room = Room::new(config.data_dir.clone(), config.live.clone(), gate, replica).await;
        let parts = (Arc::clone(&driver), Arc::clone(&respondent), room.clone());
        let api = Api::new(config.name.clone(), spaces, local, ledger, cluster, parts);
        // The first one stays, and this is the first.
        let _ = respondent.api.set(api.clone());
        Ok(Self { driver, respondent, api, room, observations, config: config.clone() })
    }

    /// Serves on the sockets, and tells the service manager so; what it gives ends once all of them are
    /// closed.
    pub(crate) fn serve(self, sockets: Sockets, stop: &Stop) -> JoinSet<()> {
        let config = self.config;
        let driver = Arc::new(AskedByEngine(Arc::clone(&self.driver)));
        let plugin = PluginServer::on(sockets.plugin, driver, PluginServerConfig::default());
        let api = ApiServer::on(sockets.api, self.api.clone());
        let mut servers = JoinSet::new();
        servers.spawn(plugin.serve(stopped(stop.clone())));
        servers.spawn(api.serve(stopped(stop.clone())));
        servers.spawn(until_stopped(stop, self.room.watch()));
        manager::ready();
        let about = self.api.clone();
        servers.spawn(until_stopped(stop, manager::keep_told(move || about.in_brief())));
        if let Some(docker_socket) = config.docker_socket {
            let reconciler = Reconciler {
                docker_socket,
                every: config.reconcile_every,
                observations: self.observations,
                driver: self.driver,
                api: self.api,
                local_space: config.local_space,
            };
            servers.spawn(until_stopped(stop, reconciler.run()));
        }
        servers
    }
}

/// Something that goes on until the process is to stop.
pub(crate) fn until_stopped(
    stop: &Stop,
    work: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let stopped = stopped(stop.clone());
    async move {
        tokio::select! {
            () = work => {}
            () = stopped => {}
        }
    }
}

/// Makes the Swarm's space as soon as the cluster can.
pub(crate) async fn make_global_space(sender: Arc<Sender>, config: HostConfig, v6: Prefix) {
    let name = config.global_space;
    let made = spaces::ensure(&sender, &name, SpaceSettings::exclusive(Some(v6))).await;
    if let Err(error) = made {
        tracing::error!(space = %name, %error, "cannot make the address space");
    }
}

/// Where a process without an address of its own runs.
pub(crate) fn host_name() -> Text {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Text::new(name).unwrap_or_else(|_| Text::new("a host").expect("it is short and plain"))
}
