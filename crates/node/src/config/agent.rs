//! The checked configuration of an agent.

use berth_replication::is_loopback;

use super::host::{HostConfig, is_address};
use super::server::raft_dir;
use super::{AgentSettings, ConfigError, HostSettings};

/// What an agent is to do.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// As any host.
    pub host: HostConfig,
    /// Nodes of the cluster.
    pub servers: Vec<String>,
}

impl AgentConfig {
    /// Checks settings, and reads the secret.
    pub fn new(host: HostSettings, agent: AgentSettings) -> Result<Self, ConfigError> {
        let host = HostConfig::new(host)?;
        let list = agent.server.filter(|list| !list.trim().is_empty());
        let list = list.ok_or(ConfigError::NoServers)?;
        let servers: Vec<String> =
            list.split(',').map(|address| address.trim().to_owned()).collect();
        if let Some(address) = servers.iter().find(|address| !is_address(address)) {
            return Err(ConfigError::Server { address: address.clone() });
        }
        let beyond = servers.iter().find(|address| !is_loopback(address));
        if let Some(address) = beyond.filter(|_| !host.is_open()) {
            return Err(ConfigError::PlaintextServer { address: address.clone() });
        }
        if host.secret.is_none() && beyond.is_some() {
            return Err(ConfigError::SecretNeeded);
        }
        if raft_dir(&host.data_dir).exists() {
            return Err(ConfigError::ServersData { path: host.data_dir });
        }
        Ok(Self { host, servers })
    }
}
