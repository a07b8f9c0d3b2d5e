//! The checked configuration of any host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_allocator::{ClientName, SpaceName};
use berth_replication::{NodeName, Secret};

use super::{
    API_SOCKET, ConfigError, DATA_DIR, DiskReserve, HostSettings, Live, LiveConfig, Log,
    PLUGIN_SOCKET,
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

/// What a host is to do, whether it is a node of the cluster or not.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Its name.
    pub name: NodeName,
    /// Its name as a client of the allocator.
    pub client: ClientName,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// The socket of its API.
    pub api_socket: PathBuf,
    /// The socket for its engine.
    pub plugin_socket: PathBuf,
    /// What all nodes and agents know, and what their certificates follow from.
    pub secret: Option<Secret>,
    /// Plaintext is wanted, secret or not.
    pub insecure: bool,
    /// The engine's API, if this host may look at it.
    pub docker_socket: Option<PathBuf>,
    /// The pause between two looks.
    pub reconcile_every: Duration,
    /// The space of this host's own networks.
    pub local_space: SpaceName,
    /// The space of the Swarm it belongs to.
    pub global_space: SpaceName,
    /// What may change while it runs.
    pub live: LiveConfig,
}

impl HostConfig {
    /// Checks settings, and reads the secret.
    pub fn new(settings: HostSettings) -> Result<Self, ConfigError> {
        let (name, client) = names(settings.name)?;
        let secret = settings.bootstrap_secret_file.as_deref().map(secret).transpose()?;
        let api_socket = socket(settings.api_socket, API_SOCKET)?;
        let plugin_socket = socket(settings.plugin_socket, PLUGIN_SOCKET)?;
        if api_socket == plugin_socket {
            return Err(ConfigError::SameSocket { path: api_socket });
        }
        let seconds = settings.reconcile_seconds.unwrap_or(RECONCILE_SECONDS).max(1);
        Ok(Self {
            name,
            client,
            data_dir: settings.data_dir.unwrap_or_else(|| DATA_DIR.into()),
            api_socket,
            plugin_socket,
            secret,
            insecure: settings.insecure.unwrap_or_default(),
            docker_socket: settings.docker_socket,
            reconcile_every: Duration::from_secs(seconds),
            local_space: SpaceName::new(LOCAL_SPACE).expect("the default name is one"),
            global_space: global_space(settings.realm.as_deref())?,
            live: LiveConfig::new(Live {
                disk_reserve: disk_reserve(settings.disk_reserve)?,
                log: Log {
                    level: settings.log_level.unwrap_or_default(),
                    format: settings.log_format.unwrap_or_default(),
                    audit: settings.audit.unwrap_or_default(),
                },
            }),
        })
    }

    /// Whether it may speak to others beyond this machine: it has a secret, or is told to do without.
    pub fn is_open(&self) -> bool {
        self.secret.is_some() || self.insecure
    }

    /// Says how it speaks to other hosts.
    pub fn log_channel(&self) {
        match (&self.secret, self.insecure) {
            (_, true) => tracing::warn!(
                channel = "plaintext",
                "--insecure: this host speaks plaintext to nodes and agents, and whoever can read \
                 or change what the network carries can do what they can"
            ),
            (Some(_), false) => tracing::info!(
                channel = "tls",
                "nodes and agents speak TLS 1.3, and show certificates"
            ),
            (None, false) => tracing::warn!(
                channel = "plaintext",
                "without --bootstrap-secret-file this host speaks plaintext, on loopback only"
            ),
        }
    }

    /// Where the local ledger keeps its data.
    pub fn ledger_dir(&self) -> PathBuf {
        self.data_dir.join("local")
    }
}

pub(super) fn names(name: Option<String>) -> Result<(NodeName, ClientName), ConfigError> {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = name.unwrap_or_else(host);
    let checked = NodeName::new(name.as_str()).zip(ClientName::new(name.as_str()).ok());
    checked.ok_or(ConfigError::Name { name })
}

fn disk_reserve(text: Option<String>) -> Result<DiskReserve, ConfigError> {
    let Some(text) = text else { return Ok(DiskReserve::default()) };
    text.trim().parse().map_err(|_| ConfigError::DiskReserve { text })
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

pub(super) fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}
