//! The hosts as containers of the overlay file: three nodes, then two agents.

use std::path::{Path, PathBuf};

use berth_chaos::hosts::Host;

/// All hosts, with their files below `dir`.
pub(crate) fn hosts(dir: &Path) -> Vec<Host> {
    let host = |is_node: bool, number: usize| {
        let name = format!("{}-{number}", if is_node { "node" } else { "agent" });
        let dir = dir.join(&name);
        Host {
            is_node,
            data: dir.join("disk/berth"),
            plugin_socket: dir.join("plugins/berth.sock"),
            api_socket: dir.join("api/api.sock"),
            name,
        }
    };
    let nodes = (1..=3).map(|number| host(true, number));
    nodes.chain((1..=2).map(|number| host(false, number))).collect()
}

/// Its container.
pub(crate) fn container(host: &Host) -> String {
    format!("berth-chaos-{}", host.name)
}

/// Its address on the network between hosts.
pub(crate) fn address(host: &Host) -> String {
    let number = host.name.rsplit('-').next().unwrap_or_default();
    format!("172.30.0.{}{number}", if host.is_node { 1 } else { 2 })
}

/// Where its small disk is mounted.
pub(crate) fn disk(host: &Host) -> PathBuf {
    host.data.parent().unwrap_or(&host.data).to_owned()
}

/// The directories of its sockets and its data.
pub(crate) fn dirs(host: &Host) -> [PathBuf; 3] {
    let of = |socket: &Path| socket.parent().unwrap_or(socket).to_owned();
    [of(&host.plugin_socket), of(&host.api_socket), host.data.clone()]
}
