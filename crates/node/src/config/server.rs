//! The checked configuration of a server.

use std::path::{Path, PathBuf};

use berth_replication::{
    JoinConfig, Member, NodeName, Secret, holds_cluster, is_loopback, told_secret,
};

use super::host::{HostConfig, is_address, names};
use super::join::join_config;
use super::{ConfigError, DATA_DIR, HostSettings, LISTEN, MemberSettings};

/// What a server is to do.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// As any host.
    pub host: HostConfig,
    /// All first members of its cluster; none where its data tells the cluster, or a token does.
    pub members: Vec<Member>,
    /// Where it listens for nodes and agents.
    pub listen: String,
    /// Where they reach it, if not as the list says, or where it listens.
    pub advertise: Option<String>,
    /// How it joins, if its data holds no cluster yet.
    pub join: Option<JoinConfig>,
    /// It stays a learner.
    pub learner: bool,
    /// Its data directory keeps the secret, which was made for it.
    pub keep_secret: bool,
    /// Log entries after which a snapshot is made, if not as usual.
    pub snapshot_after: Option<u64>,
}

impl ServerConfig {
    /// Checks settings, and reads the secret.
    pub fn new(host: HostSettings, member: MemberSettings) -> Result<Self, ConfigError> {
        let mut host = HostConfig::new(host)?;
        let (listen, advertise) = addresses(member.listen, member.advertise)?;
        let raft = raft_dir(&host.data_dir);
        let known = holds_cluster(&raft);
        if host.secret.is_none() && known {
            host.secret = told_secret(&raft).map_err(ConfigError::Directory)?;
        }
        // A cluster that nobody has to be told the secret of makes its own.
        let forms_alone = !known && member.join.is_none() && member.initial_cluster.is_none();
        let keep_secret = forms_alone && host.secret.is_none() && !host.insecure;
        if keep_secret {
            host.secret = Some(Secret::random().map_err(ConfigError::Random)?);
        }
        let reached = advertise.clone().unwrap_or_else(|| listen.clone());
        let members = match member.initial_cluster.as_deref() {
            Some(_) if member.join.is_some() && !known => return Err(ConfigError::JoinAndForm),
            None if member.join.is_some() || known => Vec::new(),
            None if !member.bootstrap.unwrap_or_default() => {
                return Err(ConfigError::NoCluster { path: host.data_dir });
            }
            list => first_members(&host.name, &reached, list)?,
        };
        let own = std::iter::once(&listen).chain(&advertise);
        let mut all = own.chain(members.iter().map(|m| &m.address));
        let beyond = all.find(|address| !is_loopback(address)).cloned();
        // Whoever joins speaks as its token says.
        let open = host.is_open() || (member.join.is_some() && !known);
        if let Some(address) = beyond.clone().filter(|_| !open) {
            return Err(ConfigError::Plaintext { address });
        }
        if host.secret.is_none() && beyond.is_some() && members.len() > 1 {
            return Err(ConfigError::SecretNeeded);
        }
        let join =
            member.join.as_deref().filter(|_| !known).map(|token| {
                join_config(&host, token, reached, member.replace.unwrap_or_default())
            });
        let join = join.transpose()?;
        let learner = member.learner.unwrap_or_default();
        let snapshot_after = member.snapshot_after;
        Ok(Self { host, members, listen, advertise, join, learner, keep_secret, snapshot_after })
    }

    /// How a host joins with a token, whether or not there is data already.
    pub fn to_join(
        host: HostSettings,
        member: &MemberSettings,
        token: &str,
    ) -> Result<JoinConfig, ConfigError> {
        let host = HostConfig::new(host)?;
        let (listen, advertise) = addresses(member.listen.clone(), member.advertise.clone())?;
        let replace = member.replace.unwrap_or_default();
        join_config(&host, token, advertise.unwrap_or(listen), replace)
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

/// A first member of a cluster, before it has ever run.
#[derive(Debug, Clone)]
pub struct FirstMember {
    /// Its name.
    pub name: NodeName,
    /// All first members.
    pub members: Vec<Member>,
    /// Where it will keep its data.
    pub data_dir: PathBuf,
}

impl FirstMember {
    /// Checks settings.
    pub fn new(
        name: Option<String>,
        data_dir: Option<PathBuf>,
        member: MemberSettings,
    ) -> Result<Self, ConfigError> {
        let (name, _) = names(name)?;
        let (listen, advertise) = addresses(member.listen, member.advertise)?;
        let list = member.initial_cluster.as_deref();
        let members = first_members(&name, &advertise.unwrap_or(listen), list)?;
        Ok(Self { name, members, data_dir: data_dir.unwrap_or_else(|| DATA_DIR.into()) })
    }

    /// Where the replica will keep its data.
    pub fn raft_dir(&self) -> PathBuf {
        raft_dir(&self.data_dir)
    }
}

/// All first members: the node alone, unless there is a list.
fn first_members(
    name: &NodeName,
    address: &str,
    list: Option<&str>,
) -> Result<Vec<Member>, ConfigError> {
    let alone = || vec![Member { name: name.clone(), address: address.to_owned() }];
    let members = list.map(members).transpose()?.unwrap_or_else(alone);
    if !members.iter().any(|member| member.name == *name) {
        return Err(ConfigError::NotAMember { name: name.to_string() });
    }
    Ok(members)
}

/// Where a server listens, and where it is reached if that is not the same.
fn addresses(
    listen: Option<String>,
    advertise: Option<String>,
) -> Result<(String, Option<String>), ConfigError> {
    let listen = listen.unwrap_or_else(|| LISTEN.to_owned());
    if !is_address(&listen) {
        return Err(ConfigError::Listen { address: listen });
    }
    match advertise {
        Some(address) if !is_address(&address) => Err(ConfigError::Advertise { address }),
        advertise => Ok((listen, advertise)),
    }
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
