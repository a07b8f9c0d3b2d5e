//! Settings as they are written: on the command line, in the environment, in the file.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{CONFIG_FILE, ConfigError};

/// Bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// All settings, as the file has them. Its keys are the flags' names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Of any host.
    #[serde(flatten)]
    pub host: HostSettings,
    /// Of a node of the cluster.
    #[serde(flatten)]
    pub member: MemberSettings,
    /// Of a host without a replica.
    #[serde(flatten)]
    pub agent: AgentSettings,
}

/// The settings of any host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct HostSettings {
    /// This host's name, unique among nodes and agents of its cluster [default: the host's name]
    #[arg(long, env = "BERTH_NAME", hide_env_values = true)]
    pub name: Option<String>,

    /// Where its data is kept; nobody else's [default: /var/lib/berth]
    #[arg(long, env = "BERTH_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Socket of the HTTP API; common to all commands, and so declared there.
    #[arg(skip)]
    pub api_socket: Option<PathBuf>,

    /// Socket for the Docker engine [default: /run/docker/plugins/berth.sock]
    #[arg(long, env = "BERTH_PLUGIN_SOCKET", hide_env_values = true, value_name = "PATH")]
    pub plugin_socket: Option<PathBuf>,

    /// File with the secret that nodes and agents share, 16 random bytes or more; with it they speak TLS
    #[arg(long, env = "BERTH_BOOTSTRAP_SECRET_FILE", hide_env_values = true, value_name = "FILE")]
    pub bootstrap_secret_file: Option<PathBuf>,

    /// The Swarm that this host belongs to; its global space is GlobalDefault@NAME
    #[arg(long, env = "BERTH_REALM", hide_env_values = true, value_name = "NAME")]
    pub realm: Option<String>,

    /// Speak plaintext, even beyond this host
    #[arg(long, env = "BERTH_INSECURE", hide_env_values = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub insecure: Option<bool>,

    /// Socket of the Docker engine's API: what the engine lost is then freed by itself [default: none]
    #[arg(long, env = "BERTH_DOCKER_SOCKET", hide_env_values = true, value_name = "PATH")]
    pub docker_socket: Option<PathBuf>,

    /// Seconds between two looks at the engine, of which both must show a loss [default: 60]
    #[arg(long, env = "BERTH_RECONCILE_SECONDS", hide_env_values = true, value_name = "SECONDS")]
    pub reconcile_seconds: Option<u64>,

    /// Room kept free on the data directory's file system: SIZE[KiB|MiB|GiB] or N% [default: 5%, 1GiB at most]
    #[arg(long, env = "BERTH_DISK_RESERVE", hide_env_values = true, value_name = "SIZE")]
    pub disk_reserve: Option<String>,

    /// How much to log [default: info]
    #[arg(long, env = "BERTH_LOG_LEVEL", hide_env_values = true, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,

    /// How to write the log, to standard error [default: text]
    #[arg(long, env = "BERTH_LOG_FORMAT", hide_env_values = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Which changes are recorded in the log, whatever its level [default: admin]
    #[arg(long, env = "BERTH_AUDIT", hide_env_values = true, value_name = "RECORD")]
    pub audit: Option<AuditRecord>,
}

/// The settings of a node of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct MemberSettings {
    /// Where nodes and agents reach this node [default: 127.0.0.1:7100]
    #[arg(long, env = "BERTH_LISTEN", hide_env_values = true, value_name = "HOST:PORT")]
    pub listen: Option<String>,

    /// Where nodes and agents reach this node, if not where it listens
    #[arg(long, env = "BERTH_ADVERTISE", hide_env_values = true, value_name = "HOST:PORT")]
    pub advertise: Option<String>,

    /// Form a new cluster if the data directory holds none
    #[arg(long, env = "BERTH_BOOTSTRAP", hide_env_values = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub bootstrap: Option<bool>,

    /// All first members, this node included; the same names on every node [default: this node]
    #[arg(
        long,
        env = "BERTH_INITIAL_CLUSTER",
        hide_env_values = true,
        value_name = "N1=HOST:PORT,N2=…"
    )]
    pub initial_cluster: Option<String>,

    /// Join a cluster if the data directory holds none: a token of `berth cluster join-token`
    #[arg(long, env = "BERTH_JOIN", hide_env_values = true, value_name = "TOKEN")]
    pub join: Option<String>,

    /// Join in the place of the member of this name, whose data is gone
    #[arg(long, env = "BERTH_REPLACE", hide_env_values = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub replace: Option<bool>,

    /// Stay a learner, without a vote, until `berth cluster promote`
    #[arg(long, env = "BERTH_LEARNER", hide_env_values = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub learner: Option<bool>,

    /// Log entries after which a snapshot is made; half as many are kept behind it [default: 10000]
    #[arg(long, env = "BERTH_SNAPSHOT_AFTER", hide_env_values = true, value_name = "ENTRIES")]
    pub snapshot_after: Option<u64>,
}

/// The settings of a host without a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AgentSettings {
    /// Nodes of the cluster; one that answers tells of the others
    #[arg(long, env = "BERTH_SERVER", hide_env_values = true, value_name = "HOST:PORT,…")]
    pub server: Option<String>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may need attention.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// What happens inside.
    Debug,
    /// Everything.
    Trace,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Which changes are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditRecord {
    /// None.
    Off,
    /// All but addresses that engines claim and release.
    #[default]
    Admin,
    /// All.
    All,
}

impl Settings {
    /// Reads the file: the named one, or the usual one if it exists.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(CONFIG_FILE));
        let text = match read(path) {
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            read => read.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
        };
        let wrong = |source| ConfigError::Syntax { path: path.to_owned(), source };
        toml::from_str(&text).map_err(wrong)
    }

    /// The keys that the two do not have alike.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (a, b) = (&self.host, &other.host);
        let host = [
            ("name", a.name != b.name),
            ("data-dir", a.data_dir != b.data_dir),
            ("api-socket", a.api_socket != b.api_socket),
            ("plugin-socket", a.plugin_socket != b.plugin_socket),
            ("bootstrap-secret-file", a.bootstrap_secret_file != b.bootstrap_secret_file),
            ("realm", a.realm != b.realm),
            ("insecure", a.insecure != b.insecure),
            ("docker-socket", a.docker_socket != b.docker_socket),
            ("reconcile-seconds", a.reconcile_seconds != b.reconcile_seconds),
            ("disk-reserve", a.disk_reserve != b.disk_reserve),
            ("log-level", a.log_level != b.log_level),
            ("log-format", a.log_format != b.log_format),
            ("audit", a.audit != b.audit),
        ];
        let (a, b) = (&self.member, &other.member);
        let member = [
            ("listen", a.listen != b.listen),
            ("advertise", a.advertise != b.advertise),
            ("join", a.join != b.join),
            ("replace", a.replace != b.replace),
            ("learner", a.learner != b.learner),
            ("bootstrap", a.bootstrap != b.bootstrap),
            ("initial-cluster", a.initial_cluster != b.initial_cluster),
            ("snapshot-after", a.snapshot_after != b.snapshot_after),
        ];
        let agent = [("server", self.agent.server != other.agent.server)];
        let all = host.into_iter().chain(member).chain(agent);
        all.filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

impl HostSettings {
    /// These settings, and the other's where these are silent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            data_dir: self.data_dir.or(other.data_dir),
            api_socket: self.api_socket.or(other.api_socket),
            plugin_socket: self.plugin_socket.or(other.plugin_socket),
            bootstrap_secret_file: self.bootstrap_secret_file.or(other.bootstrap_secret_file),
            realm: self.realm.or(other.realm),
            insecure: self.insecure.or(other.insecure),
            docker_socket: self.docker_socket.or(other.docker_socket),
            reconcile_seconds: self.reconcile_seconds.or(other.reconcile_seconds),
            disk_reserve: self.disk_reserve.or(other.disk_reserve),
            log_level: self.log_level.or(other.log_level),
            log_format: self.log_format.or(other.log_format),
            audit: self.audit.or(other.audit),
        }
    }
}

impl MemberSettings {
    /// These settings, and the other's where these are silent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            advertise: self.advertise.or(other.advertise),
            join: self.join.or(other.join),
            replace: self.replace.or(other.replace),
            learner: self.learner.or(other.learner),
            bootstrap: self.bootstrap.or(other.bootstrap),
            initial_cluster: self.initial_cluster.or(other.initial_cluster),
            snapshot_after: self.snapshot_after.or(other.snapshot_after),
        }
    }
}

impl AgentSettings {
    /// These settings, and the other's where these are silent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { server: self.server.or(other.server) }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}
