//! Asks an engine what it uses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ipamapi::ipnet::IpNet;
use tokio::time::timeout;

use super::api::{self, Info, Node, Plugin, Service, Task};
use super::ask::{DockerError, ask};
use super::observation::{Network, Observation, SwarmView};

/// The driver's name, whatever repository and tag it is installed under.
const DRIVER: &str = "berth";
/// IPAM drivers that are the engine's own.
const BUILT_IN: [&str; 3] = ["", "default", "null"];
/// Names the space of a network.
const SPACE: &str = "berth.space";
/// A network of a Swarm.
const SWARM: &str = "swarm";
/// Tasks that attach containers to a Swarm's networks, which are not among the others: filters of
/// `{"runtime":["attachment"]}`.
const ATTACHMENTS: &str = "/tasks?filters=%7B%22runtime%22%3A%5B%22attachment%22%5D%7D";
/// The runtime of such a task, and its state until it has an address.
const ATTACHMENT: &str = "attachment";
const NEW: &str = "new";
/// States after which Swarm has released a task's addresses.
const ENDED: [&str; 6] = ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"];

/// Looks at the engine on this socket. `named` are further names of the driver.
pub async fn observe(socket: &Path, named: &[String]) -> Result<Observation, DockerError> {
    let info: Info = ask(socket, "/info").await?;
    let plugins: Vec<Plugin> = ask(socket, "/plugins").await?;
    let plugins = plugins.into_iter().filter(|plugin| plugin.enabled).map(|plugin| plugin.name);
    let networks = networks(socket, named).await?;
    let swarm = if info.swarm.manages { Some(swarm_view(socket, &networks).await?) } else { None };
    // A Swarm's network is here only while something runs on it.
    let here = networks
        .into_iter()
        .filter(|Shown { network, .. }| !network.swarm || !network.uses.is_empty());
    let networks = here.map(Shown::with_fixed).collect();
    Ok(Observation { networks, swarm, plugins: plugins.collect() })
}

/// Whether the manager of the engine on this socket leads its Swarm, as far as it tells in time.
pub async fn leads(socket: &Path, within: Duration) -> bool {
    let leads = async {
        let info: Info = ask(socket, "/info").await?;
        let node: Node = ask(socket, &format!("/nodes/{}", info.swarm.node)).await?;
        Ok::<_, DockerError>(info.swarm.manages && node.manager.leads)
    };
    matches!(timeout(within, leads).await, Ok(Ok(true)))
}

/// A network with its endpoints, and its gateways and auxiliary addresses.
struct Shown {
    network: Network,
    fixed: BTreeMap<IpAddr, String>,
}

impl Shown {
    fn with_fixed(mut self) -> Network {
        self.network.uses.extend(self.fixed);
        self.network
    }
}

async fn networks(socket: &Path, named: &[String]) -> Result<Vec<Shown>, DockerError> {
    let listed: Vec<api::Network> = ask(socket, "/networks").await?;
    let others = |network: &api::Network| !BUILT_IN.contains(&network.ipam.driver.as_str());
    let mut networks = Vec::new();
    for network in listed.into_iter().filter(others) {
        match ask(socket, &format!("/networks/{}", network.id)).await {
            Ok(inspected) => networks.push(shown(inspected, named)?),
            // Removed meanwhile.
            Err(DockerError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(networks)
}

fn shown(inspected: api::Network, named: &[String]) -> Result<Shown, DockerError> {
    let api::Network { id, name, scope, ipam, containers } = inspected;
    let (mut prefixes, mut fixed, mut uses) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for config in ipam.config {
        if !config.subnet.is_empty() {
            let prefix: Result<IpNet, _> = config.subnet.parse();
            prefixes.push(prefix.map_err(|_| unreadable(&name, &config.subnet))?.trunc());
        }
        if !config.gateway.is_empty() {
            fixed.insert(address(&name, &config.gateway)?, "the gateway".to_owned());
        }
        for (label, auxiliary) in config.auxiliary {
            let by = format!("the auxiliary address {label}");
            fixed.insert(address(&name, &auxiliary)?, by);
        }
    }
    for (container, endpoint) in containers {
        let by = if endpoint.name.is_empty() { &container } else { &endpoint.name };
        for given in [&endpoint.v4, &endpoint.v6].into_iter().filter(|given| !given.is_empty()) {
            uses.insert(address(&name, given)?, format!("endpoint {by}"));
        }
    }
    let (space, driver) = (ipam.options.get(SPACE).cloned(), ipam.driver);
    let ours = is_ours(&driver) || named.contains(&driver);
    let swarm = scope == SWARM;
    let attaching = false;
    let network = Network { id, name, driver, ours, space, swarm, attaching, prefixes, uses };
    Ok(Shown { network, fixed })
}

/// What the Swarm's managers have, whichever of them is asked.
async fn swarm_view(socket: &Path, shown: &[Shown]) -> Result<SwarmView, DockerError> {
    let of_swarm = shown.iter().filter(|Shown { network, .. }| network.swarm);
    let mut networks: BTreeMap<String, Network> = of_swarm
        .map(|Shown { network, fixed }| {
            (network.id.clone(), Network { uses: fixed.clone(), ..network.clone() })
        })
        .collect();
    let services: Vec<Service> = ask(socket, "/services").await?;
    for Service { spec, endpoint } in services {
        for given in endpoint.addresses.iter().filter(|given| !given.address.is_empty()) {
            let Some(network) = networks.get_mut(&given.network) else { continue };
            let address = address(&network.name, &given.address)?;
            network.uses.insert(address, format!("service {}", spec.name));
        }
    }
    let mut tasks: Vec<Task> = ask(socket, "/tasks").await?;
    let attachments: Vec<Task> = ask(socket, ATTACHMENTS).await?;
    tasks.extend(attachments);
    for task in tasks.iter().filter(|task| !ENDED.contains(&task.status.state.as_str())) {
        let waits = task.spec.runtime == ATTACHMENT && task.status.state == NEW;
        for target in task.spec.networks.iter().filter(|_| waits) {
            networks.entry(target.network.clone()).and_modify(|network| network.attaching = true);
        }
        for attached in &task.attachments {
            let Some(network) = networks.get_mut(&attached.network.id) else { continue };
            for given in &attached.addresses {
                let address = address(&network.name, given)?;
                network.uses.insert(address, format!("task {}", task.id));
            }
        }
    }
    let hosts: Vec<Node> = ask(socket, "/nodes").await?;
    let hosts = hosts.into_iter().map(|host| host.description.host_name).collect();
    Ok(SwarmView { networks: networks.into_values().collect(), hosts })
}

/// Whether this names Berth, in any repository and under any tag.
fn is_ours(driver: &str) -> bool {
    let name = driver.rsplit('/').next().unwrap_or(driver);
    name.split(':').next() == Some(DRIVER)
}

fn unreadable(network: &str, text: &str) -> DockerError {
    DockerError::Address { network: network.to_owned(), text: text.to_owned() }
}

/// An address that may be written with its prefix length.
fn address(network: &str, text: &str) -> Result<IpAddr, DockerError> {
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    address.parse().map_err(|_| unreadable(network, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_driver() {
        for ours in ["berth", "berth:latest", "registry:5000/team/berth:1.2", "team/berth"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["default", "null", "berthold", "berth/other:latest", ""] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn addresses_with_and_without_a_length() {
        let read = |text| address("net", text).ok();
        assert_eq!(read("10.0.0.1/24"), read("10.0.0.1"));
        assert_eq!(read("fd00::1/64"), Some("fd00::1".parse().unwrap()));
        assert_eq!(read("10.0.0/24"), None);
    }
}
