//! The checked configuration of a server.

use std::path::{Path, PathBuf};

use berth_replication::{Member, NodeName};

use super::host::{HostConfig, is_address, is_loopback};
use super::{ConfigError, HostSettings, LISTEN, MemberSettings};

/// What a server is to do.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// As any host.
    pub host: HostConfig,
    /// All first members of its cluster.
    pub members: Vec<Member>,
    /// Where it listens for nodes and agents.
    pub listen: String,
    /// Log entries after which a snapshot is made, if not as usual.
    pub snapshot_after: Option<u64>,
}

impl ServerConfig {
    /// Checks settings, and reads the secret.
    pub fn new(host: HostSettings, member: MemberSettings) -> Result<Self, ConfigError> {
        let host = HostConfig::new(host)?;
        let listen = member.listen.unwrap_or_else(|| LISTEN.to_owned());
        if !is_address(&listen) {
            return Err(ConfigError::Listen { address: listen });
        }
        let named = member.initial_cluster.as_deref().map(members).transpose()?;
        let bootstrap = member.bootstrap.unwrap_or_default() || named.is_some();
        let alone = || vec![Member { name: host.name.clone(), address: listen.clone() }];
        let members = named.unwrap_or_else(alone);
        if !members.iter().any(|member| member.name == host.name) {
            return Err(ConfigError::NotAMember { name: host.name.to_string() });
        }
        let mut addresses = std::iter::once(&listen).chain(members.iter().map(|m| &m.address));
        let beyond = addresses.find(|address| !is_loopback(address)).cloned();
        if let Some(address) = beyond.clone().filter(|_| !host.is_open()) {
            return Err(ConfigError::Plaintext { address });
        }
        if host.secret.is_none() && beyond.is_some() && members.len() > 1 {
            return Err(ConfigError::SecretNeeded);
        }
        if !bootstrap && !raft_dir(&host.data_dir).exists() {
            return Err(ConfigError::NoCluster { path: host.data_dir });
        }
        Ok(Self { host, members, listen, snapshot_after: member.snapshot_after })
    }

    /// Where the replica keeps its data.
    pub fn raft_dir(&self) -> PathBuf {
        raft_dir(&self.host.data_dir)
    }
}

/// Where a replica's data is kept, below a data directory.
pub(super) fn raft_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("raft")
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
