//! Three nodes on one host, in a directory of their own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use berth_node::api::types::{AddressState, Fingerprint};
use tempfile::TempDir;

use crate::{Node, eventually, free_ports};

/// The space of each host's own networks.
pub const LOCAL: &str = "LocalDefault";
/// The space of the Swarm that the nodes serve.
pub const GLOBAL: &str = "GlobalDefault";

/// Lines of each node's log that are shown when a test fails.
const LAST_WORDS: usize = 12;
/// How much of a line is shown.
const LINE_BYTES: usize = 400;

/// A cluster. When a test that holds it fails, its directory is kept and named.
pub struct Cluster {
    /// The nodes, in the order of their names.
    pub nodes: Vec<Node>,
    dir: Option<TempDir>,
}

impl Cluster {
    /// Nodes that were not started yet.
    pub fn new(count: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("berth-").tempdir().unwrap();
        let listen: Vec<String> =
            free_ports(count).iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let name = |number: usize| format!("n{}", number + 1);
        let members: Vec<String> = listen
            .iter()
            .enumerate()
            .map(|(at, listen)| format!("{}={listen}", name(at)))
            .collect();
        let members = members.join(",");
        let node =
            |(at, listen): (usize, &String)| Node::new(dir.path(), &name(at), listen, &members);
        let nodes = listen.iter().enumerate().map(node).collect();
        Self { nodes, dir: Some(dir) }
    }

    /// An agent of this cluster, started.
    pub fn agent(&self, name: &str) -> Node {
        let mut agent = self.unstarted_agent(name, &self.servers());
        agent.start();
        agent
    }

    /// An agent that knows these servers, not started yet.
    pub fn unstarted_agent(&self, name: &str, servers: &str) -> Node {
        let agents = self.dir.as_ref().expect("it is there until the end").path().join("agents");
        std::fs::create_dir_all(&agents).unwrap();
        Node::agent(&agents, name, servers)
    }

    /// A node that joins with a token of the first node, started. It is the last one from then on.
    pub async fn join(&mut self, name: &str) -> usize {
        let token = self.token().await;
        let newcomer = self.newcomer(name, &token);
        self.nodes.push(newcomer);
        let node = self.nodes.len() - 1;
        self.nodes[node].start();
        self.votes(node).await;
        node
    }

    /// A node that is to join with a token, not started yet.
    pub fn newcomer(&self, name: &str, token: &str) -> Node {
        let dir = self.dir.as_ref().expect("it is there until the end").path();
        Node::newcomer(dir, name, &format!("127.0.0.1:{}", free_ports(1)[0]), token)
    }

    /// What another host needs to join.
    pub async fn token(&self) -> String {
        let node = self.nodes.iter().find(|node| node.is_started()).unwrap();
        let said = node.run(&["cluster", "join-token"]).await;
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// Waits until a node votes, by its own word.
    pub async fn votes(&self, node: usize) {
        let node = &self.nodes[node];
        eventually(&format!("{} votes", node.name()), async || {
            let status = node.status().await?;
            let own = status.members.iter().find(|member| member.name == node.name())?;
            own.voter.then_some(())
        })
        .await;
    }

    /// Where its nodes listen.
    pub fn servers(&self) -> String {
        let listen: Vec<&str> = self.nodes.iter().map(Node::listen).collect();
        listen.join(",")
    }

    /// Nodes that serve.
    pub async fn start(count: usize) -> Self {
        let mut cluster = Self::new(count);
        cluster.start_stopped();
        cluster.ready().await;
        cluster
    }

    /// Starts the nodes that do not run.
    pub fn start_stopped(&mut self) {
        self.nodes.iter_mut().filter(|node| !node.is_started()).for_each(Node::start);
    }

    /// Waits until all nodes can serve.
    pub async fn ready(&self) {
        for node in &self.nodes {
            node.ready().await;
        }
    }

    /// The number of the node that leads.
    pub async fn leader(&self) -> usize {
        eventually("a node leads, and all know it", async || {
            let mut leaders = BTreeSet::new();
            for node in self.nodes.iter().filter(|node| node.is_started()) {
                leaders.insert(node.status().await?.leader);
            }
            let leader = leaders.pop_first()?.filter(|_| leaders.is_empty())?;
            let leads = |node: &Node| node.is_started() && node.name() == leader;
            self.nodes.iter().position(leads)
        })
        .await
    }

    /// Waits until all nodes have applied the same entries; fails unless they then hold the same.
    pub async fn agree(&self) -> Fingerprint {
        assert!(self.nodes.iter().all(Node::is_started));
        self.agree_running().await
    }

    /// The same, of the nodes that run.
    pub async fn agree_running(&self) -> Fingerprint {
        eventually("all nodes have applied the same entries", async || {
            let mut found: Vec<Fingerprint> = Vec::new();
            for node in self.nodes.iter().filter(|node| node.is_started()) {
                found.push(node.fingerprint().await);
            }
            let first = found.first()?.clone();
            if found.iter().any(|other| other.applied != first.applied) {
                return None;
            }
            assert!(found.iter().all(|other| *other == first), "states differ: {found:?}");
            Some(first)
        })
        .await
    }

    /// The addresses that are held in a pool, as one node has it.
    pub async fn held(&self, node: usize, pool: &str) -> BTreeSet<IpAddr> {
        let addresses = self.nodes[node].addresses(pool).await;
        let held = addresses.into_iter().filter(|address| address.state == AddressState::Held);
        held.map(|address| address.address).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Some(dir) = self.dir.take() {
            eprintln!("the cluster's files are kept in {}", dir.keep().display());
        }
        for node in &self.nodes {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("last words of {}:", node.name());
            for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
                eprintln!("{}", line.get(..LINE_BYTES).unwrap_or(line));
            }
        }
    }
}
