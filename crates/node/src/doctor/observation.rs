//! What an engine shows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipamapi::ipnet::IpNet;

/// What an engine shows of the networks whose addresses come from Berth, or may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Networks as this host has them: its own, and those of a Swarm that run here.
    pub networks: Vec<Network>,
    /// What the Swarm uses, where this engine is a manager.
    pub swarm: Option<SwarmView>,
    /// Managed plugins that are enabled here, with their tags.
    pub plugins: Vec<String>,
}

/// What a Swarm uses, as its managers have it. The addresses of its hosts' load balancers are not in
/// it: no API shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwarmView {
    /// Its networks, with services and tasks.
    pub networks: Vec<Network>,
    /// What its hosts call themselves.
    pub hosts: Vec<String>,
}

/// A network, and what is used of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name under which it asks for its addresses.
    pub driver: String,
    /// That name is one of Berth's. Another one may be its alias: what uses it may use Berth, but
    /// need not.
    pub ours: bool,
    /// The space that its user named.
    pub space: Option<String>,
    /// It belongs to a Swarm.
    pub swarm: bool,
    /// A container waits to be attached to it, and has no address yet.
    pub attaching: bool,
    /// Its subnets.
    pub prefixes: Vec<IpNet>,
    /// Addresses in use, and by what.
    pub uses: BTreeMap<IpAddr, String>,
}
