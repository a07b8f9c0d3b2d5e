//! The checked configuration of a server.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_allocator::{ClientName, SpaceName};
use berth_replication::{Member, NodeName, Secret};

use super::{
    API_SOCKET, ConfigError, DATA_DIR, LISTEN, LogFormat, LogLevel, PLUGIN_SOCKET, Settings,
};

/// Bytes in a Unix socket's path: the kernel's 108, less the NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Seconds between two looks at the engine.
const RECONCILE_SECONDS: u64 = 60;
/// Bytes in a realm's name, which is part of a space's.
const REALM_BYTES_MAX: usize = 100;
/// The global space where no realm is set, and the first part of its name where one is.
const GLOBAL_SPACE: &str = "GlobalDefault";
/// The space of each host's own networks.
const LOCAL_SPACE: &str = "LocalDefault";

/// What a server is to do.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name.
    pub name: NodeName,
    /// Its name as a client of the allocator.
    pub client: ClientName,
    /// All first members of its cluster.
    pub members: Vec<Member>,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// Where it listens for peers.
    pub listen: String,
    /// The socket of its API.
    pub api_socket: PathBuf,
    /// The socket for its engine.
    pub plugin_socket: PathBuf,
    /// What all members know.
    pub secret: Option<Secret>,
    /// Plaintext beyond loopback is wanted.
    pub insecure: bool,
    /// The engine's API, if this node may look at it.
    pub docker_socket: Option<PathBuf>,
    /// The pause between two looks.
    pub reconcile_every: Duration,
    /// The space of this host's own networks.
    pub local_space: SpaceName,
    /// The space of the Swarm it belongs to.
    pub global_space: SpaceName,
    /// How much it logs.
    pub log_level: LogLevel,
    /// How it writes the log.
    pub log_format: LogFormat,
}

impl ServerConfig {
    /// Checks settings, and reads the secret.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let (name, client) = names(settings.name)?;
        let insecure = settings.insecure.unwrap_or_default();
        let listen = settings.listen.unwrap_or_else(|| LISTEN.to_owned());
        if !is_address(&listen) {
            return Err(ConfigError::Listen { address: listen });
        }
        let named = settings.initial_cluster.as_deref().map(members).transpose()?;
        let bootstrap = settings.bootstrap.unwrap_or_default() || named.is_some();
        let alone = || vec![Member { name: name.clone(), address: listen.clone() }];
        let members = named.unwrap_or_else(alone);
        if !members.iter().any(|member| member.name == name) {
            return Err(ConfigError::NotAMember { name: name.to_string() });
        }
        let mut addresses = std::iter::once(&listen).chain(members.iter().map(|m| &m.address));
        let beyond = addresses.find(|address| !is_loopback(address)).cloned();
        if let Some(address) = beyond.clone().filter(|_| !insecure) {
            return Err(ConfigError::Plaintext { address });
        }
        let secret = settings.bootstrap_secret_file.as_deref().map(secret).transpose()?;
        if secret.is_none() && beyond.is_some() && members.len() > 1 {
            return Err(ConfigError::SecretNeeded);
        }
        let data_dir = settings.data_dir.unwrap_or_else(|| DATA_DIR.into());
        if !bootstrap && !Self::raft_dir_in(&data_dir).exists() {
            return Err(ConfigError::NoCluster { path: data_dir });
        }
        let api_socket = socket(settings.api_socket, API_SOCKET)?;
        let plugin_socket = socket(settings.plugin_socket, PLUGIN_SOCKET)?;
        if api_socket == plugin_socket {
            return Err(ConfigError::SameSocket { path: api_socket });
        }
        Ok(Self {
            name,
            client,
            members,
            data_dir,
            listen,
            api_socket,
            plugin_socket,
            secret,
            insecure,
            docker_socket: settings.docker_socket,
            reconcile_every: Duration::from_secs(
                settings.reconcile_seconds.unwrap_or(RECONCILE_SECONDS).max(1),
            ),
            local_space: SpaceName::new(LOCAL_SPACE).expect("the default name is one"),
            global_space: global_space(settings.realm.as_deref())?,
            log_level: settings.log_level.unwrap_or_default(),
            log_format: settings.log_format.unwrap_or_default(),
        })
    }

    /// Where the replica keeps its data.
    pub fn raft_dir(&self) -> PathBuf {
        Self::raft_dir_in(&self.data_dir)
    }

    fn raft_dir_in(data_dir: &Path) -> PathBuf {
        data_dir.join("raft")
    }

    /// Where the local ledger keeps its data.
    pub fn ledger_dir(&self) -> PathBuf {
        self.data_dir.join("local")
    }
}

fn names(name: Option<String>) -> Result<(NodeName, ClientName), ConfigError> {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = name.unwrap_or_else(host);
    let checked = NodeName::new(name.as_str()).zip(ClientName::new(name.as_str()).ok());
    checked.ok_or(ConfigError::Name { name })
}

fn members(list: &str) -> Result<Vec<Member>, ConfigError> {
    let mut members: Vec<Member> = Vec::new();
    for entry in list.split(',').map(str::trim) {
        let bad = || ConfigError::Member { entry: entry.to_owned() };
        let (name, address) = entry.split_once('=').ok_or_else(bad)?;
        let name = NodeName::new(name.trim()).ok_or_else(bad)?;
        let address = address.trim().to_owned();
        if !is_address(&address) {
            return Err(bad());
        }
        if members.iter().any(|member| member.name == name) {
            return Err(ConfigError::SameName { name: name.to_string() });
        }
        if members.iter().any(|member| member.address == address) {
            return Err(ConfigError::SameAddress { address });
        }
        members.push(Member { name, address });
    }
    Ok(members)
}

fn secret(path: &Path) -> Result<Secret, ConfigError> {
    let content =
        fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Secret::new(&content).map_err(|source| ConfigError::Secret { path: path.to_owned(), source })
}

fn socket(path: Option<PathBuf>, usual: &str) -> Result<PathBuf, ConfigError> {
    let path = path.unwrap_or_else(|| usual.into());
    let max = SOCKET_PATH_BYTES_MAX;
    if path.as_os_str().len() > max {
        return Err(ConfigError::SocketPath { path, max });
    }
    Ok(path)
}

fn global_space(realm: Option<&str>) -> Result<SpaceName, ConfigError> {
    let Some(realm) = realm else {
        return Ok(SpaceName::new(GLOBAL_SPACE).expect("the default name is one"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=REALM_BYTES_MAX).contains(&realm.len()) && realm.chars().all(plain);
    let name = fits.then(|| SpaceName::new(format!("{GLOBAL_SPACE}@{realm}")).ok()).flatten();
    name.ok_or_else(|| ConfigError::Realm { realm: realm.to_owned() })
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

/// Whether nobody beyond this host can be there. A name other than `localhost` may be anywhere.
fn is_loopback(address: &str) -> bool {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
