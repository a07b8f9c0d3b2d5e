//! The hosts: what they are called, and where their sockets and data are.

use std::path::PathBuf;

/// A node or an agent, with an engine of its own.
#[derive(Debug, Clone)]
pub struct Host {
    /// As Berth knows it.
    pub name: String,
    /// It keeps a replica.
    pub is_node: bool,
    /// Its data directory.
    pub data: PathBuf,
    /// The socket for its engine.
    pub plugin_socket: PathBuf,
    /// The socket of its API.
    pub api_socket: PathBuf,
}
