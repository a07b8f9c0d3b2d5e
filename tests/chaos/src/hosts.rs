//! The hosts: what they are called, and where their sockets and disks are.

use std::path::{Path, PathBuf};

/// A container that runs a node or an agent.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// As Berth and Compose know it.
    pub(crate) name: String,
    /// On the network between hosts.
    pub(crate) address: String,
    /// It keeps a replica.
    pub(crate) is_node: bool,
    dir: PathBuf,
}

impl Host {
    /// All hosts of the overlay file: three nodes, then two agents.
    pub(crate) fn all(dir: &Path) -> Vec<Self> {
        let host = |kind: &str, number: usize, last: usize| {
            let name = format!("{kind}-{number}");
            let dir = dir.join(&name);
            Self { name, address: format!("172.30.0.{last}"), is_node: kind == "node", dir }
        };
        let nodes = (1..=3).map(|number| host("node", number, 10 + number));
        nodes.chain((1..=2).map(|number| host("agent", number, 20 + number))).collect()
    }

    /// Its container.
    pub(crate) fn container(&self) -> String {
        format!("berth-chaos-{}", self.name)
    }

    /// Where its small disk is mounted.
    pub(crate) fn disk(&self) -> PathBuf {
        self.dir.join("disk")
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.disk().join("berth")
    }

    /// Where its two sockets are.
    pub(crate) fn socket_dirs(&self) -> [PathBuf; 2] {
        [self.dir.join("plugins"), self.dir.join("api")]
    }

    /// The socket for its engine.
    pub(crate) fn plugin_socket(&self) -> PathBuf {
        self.dir.join("plugins/berth.sock")
    }

    /// The socket of its API.
    pub(crate) fn api_socket(&self) -> PathBuf {
        self.dir.join("api/api.sock")
    }
}
