//! Three nodes and an agent as processes, with a proxy on each directed link between them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use berth_chaos::hosts::Host;
use berth_tests::{Node, free_ports};

use crate::proxy::Proxy;
use crate::rule::Rule;

/// Nodes with a replica; one agent comes after them.
pub(crate) const NODES: usize = 3;
/// Where nobody is reached.
const NOWHERE: &str = "0.0.0.0:1";
/// Where nobody listens: what a node's own list says of itself, and the log of the first leader.
const CLOSED: &str = "127.0.0.1:1";
/// Entries after which nodes make a snapshot, and keep half as many: a host that was away for some seconds
/// needs one.
pub(crate) const SNAPSHOT_AFTER: u64 = 400;

/// All processes and proxies of a run. Its processes end with it.
pub struct Ground {
    /// The nodes, and the agent.
    pub nodes: Vec<Node>,
    /// Who they are to clients.
    pub hosts: Vec<Host>,
    /// By who connects, and to whom.
    proxies: BTreeMap<(usize, usize), Proxy>,
}

impl Ground {
    /// Starts everything, in directories below `dir`.
    pub async fn start(dir: &Path) -> io::Result<Self> {
        let listen: Vec<String> =
            free_ports(NODES).iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut proxies = BTreeMap::new();
        for from in 0..=NODES {
            for to in (0..NODES).filter(|to| *to != from) {
                proxies.insert((from, to), Proxy::start(listen[to].clone()).await?);
            }
        }
        let at = |from: usize, to: usize| {
            proxies.get(&(from, to)).map_or(CLOSED.to_owned(), |proxy| proxy.address().to_string())
        };
        let mut nodes = Vec::new();
        for (from, listen) in listen.iter().enumerate() {
            let members: Vec<String> =
                (0..NODES).map(|to| format!("n{}={}", to + 1, at(from, to))).collect();
            let name = format!("n{}", from + 1);
            let mut node = Node::new(dir, &name, listen, &members.join(","));
            node.further = vec!["--snapshot-after".to_owned(), SNAPSHOT_AFTER.to_string()];
            // It tells nobody where it listens: they are to go through the proxies.
            node.further.extend(["--advertise".to_owned(), NOWHERE.to_owned()]);
            nodes.push(node);
        }
        let servers: Vec<String> = (0..NODES).map(|to| at(NODES, to)).collect();
        let mut agent = Node::agent(dir, "a1", &servers.join(","));
        agent.further = vec!["--realm".to_owned(), "blue".to_owned()];
        nodes.push(agent);
        nodes.iter_mut().for_each(Node::start);
        let hosts = nodes.iter().enumerate().map(|(at, node)| Host {
            name: node.name().to_owned(),
            is_node: at < NODES,
            data: node.data_dir.clone(),
            plugin_socket: node.plugin_socket.clone(),
            api_socket: node.dir().join("api.sock"),
        });
        Ok(Self { hosts: hosts.collect(), nodes, proxies })
    }

    /// Sets the rule of each link for which there is one. Gives how often proxies struck so far.
    pub fn rule(&self, rule: impl Fn(usize, usize) -> Option<Rule>) -> u64 {
        for ((from, to), proxy) in &self.proxies {
            if let Some(rule) = rule(*from, *to) {
                proxy.set(rule);
            }
        }
        self.struck()
    }

    /// How often proxies did something else than pass what came.
    pub fn struck(&self) -> u64 {
        self.proxies.values().map(Proxy::struck).sum()
    }
}
