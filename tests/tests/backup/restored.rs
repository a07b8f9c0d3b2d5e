//! The page, word for word; and what engines meet on the way.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use berth_node::api::types::{ExportLine, Space};
use berth_tests::{Block, Cluster, Engine, GLOBAL, Hosts, blocks, eventually};
use ipamapi::{IpamError, PoolId};

const PAGE: &str = include_str!("../../../docs/operating/backup.md");
const SUBNET: &str = "10.77.0.0/24";
/// Addresses of each network that the backup knows.
const KNOWN: usize = 5;
const LAB: &str = "lab";
const LAB_SUBNET: &str = "10.88.0.0/24";

fn behind<T: std::fmt::Debug>(answer: Result<T, IpamError>) {
    let refused = answer.unwrap_err();
    assert!(refused.to_string().contains("restored"), "{refused}");
}

/// What an engine holds.
struct Held {
    pool: PoolId,
    subnet: String,
    addresses: BTreeSet<IpAddr>,
}

impl Held {
    fn new(pool: PoolId, subnet: String) -> Self {
        Self { pool, subnet, addresses: BTreeSet::new() }
    }
}

/// The blocks up to one that does something, and that one.
fn until(rest: &mut std::vec::IntoIter<Block>, command: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for block in rest.by_ref() {
        let last = block.commands.iter().any(|line| line.starts_with(command));
        found.push(block);
        if last {
            return found;
        }
    }
    panic!("the page has no {command}");
}

/// A Swarm's manager on a server, and a container host with an agent.
struct Engines {
    manager: Engine,
    worker: Engine,
    swarm: Held,
    lab: Held,
}

impl Engines {
    async fn claim(hosts: &Hosts) -> Self {
        let made = hosts.host("n1").run(&["space", "create", LAB, "--shared"]).await;
        assert!(made.status.success(), "{made:?}");
        let (manager, worker) = (hosts.host("n1").engine(), hosts.host("w1").engine());
        manager.handshake().await.unwrap();
        let pool = manager.pool(GLOBAL, SUBNET).await.unwrap().id;
        let swarm = Held::new(pool, SUBNET.to_owned());
        let pool = worker.pool_of(LAB, LAB_SUBNET).await.unwrap().id;
        let lab = Held::new(pool, LAB_SUBNET.to_owned());
        let mut engines = Self { manager, worker, swarm, lab };
        for _ in 0..KNOWN {
            engines.are_given_one_each().await;
        }
        engines
    }

    async fn are_given_one_each(&mut self) {
        let given = self.manager.address(&self.swarm.pool).await.unwrap();
        assert!(self.swarm.addresses.insert(given), "{given} is given twice");
        let given = self.worker.address(&self.lab.pool).await.unwrap();
        assert!(self.lab.addresses.insert(given), "{given} is given twice");
    }

    /// A network that is made after the backup.
    async fn make_another(&self) -> Held {
        let pool = self.manager.pool(GLOBAL, "").await.unwrap();
        let mut another = Held::new(pool.id, pool.pool.to_string());
        another.addresses.insert(self.manager.address(&another.pool).await.unwrap());
        another
    }

    /// The engines live on: they are given nothing.
    async fn live_on(&self, later: &Held) {
        behind(self.manager.address(&self.swarm.pool).await);
        behind(self.worker.address(&self.lab.pool).await);
        behind(self.manager.pool(GLOBAL, "").await);
        self.manager.address(&later.pool).await.unwrap_err();
    }

    /// They begin anew, and claim what they hold; none of it is refused.
    async fn begin_anew(&mut self, later: &mut Held) {
        self.manager.handshake().await.unwrap();
        for held in [&mut self.swarm, later] {
            held.pool = self.manager.pool(GLOBAL, &held.subnet).await.unwrap().id;
            for address in &held.addresses {
                assert_eq!(self.manager.exact(&held.pool, *address).await.unwrap(), *address);
            }
        }
        for address in self.lab.addresses.iter().skip(KNOWN) {
            assert_eq!(self.worker.exact(&self.lab.pool, *address).await.unwrap(), *address);
        }
    }
}

/// Three servers, which know each other by a list, and an agent.
pub(crate) async fn hosts() -> Hosts {
    let cluster = Cluster::start(3).await;
    let members = cluster.nodes.iter().map(|node| format!("{}={}", node.name(), node.listen()));
    let list = members.collect::<Vec<_>>().join(",");
    let mut hosts = Hosts::of(cluster).await;
    hosts.environment.insert("BERTH_INITIAL_CLUSTER".to_owned(), list);
    hosts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_restores_a_cluster_that_gives_nothing_twice() {
    let mut hosts = hosts().await;
    let mut page = blocks(PAGE).into_iter();
    let mut engines = Engines::claim(&hosts).await;
    for block in until(&mut page, "berth export") {
        hosts.run(&block).await;
    }
    exported(&hosts, &engines.swarm.addresses);
    // This the backup does not know.
    let old_pool = engines.swarm.pool.clone();
    engines.are_given_one_each().await;
    let mut later = engines.make_another().await;

    for block in until(&mut page, "berth cluster restore") {
        let said = hosts.run(&block).await;
        let restoration = said.split("--restoration ").nth(1).map(|rest| rest[..32].to_owned());
        hosts.environment.extend(restoration.map(|id| ("RESTORATION".to_owned(), id)));
    }
    for block in until(&mut page, "rm ") {
        hosts.run(&block).await;
    }
    hosts.cluster.ready().await;
    hosts.agent.ready().await;
    strangers_stay_out(&mut hosts).await;
    engines.live_on(&later).await;

    for block in until(&mut page, "systemctl restart docker") {
        hosts.run(&block).await;
    }
    engines.begin_anew(&mut later).await;
    // Its one claimant has claimed all of the pool again; of the others nobody knows.
    let since = engines.manager.address(&engines.swarm.pool).await.unwrap();
    assert!(engines.swarm.addresses.insert(since));
    behind(engines.manager.address(&later.pool).await);
    behind(engines.manager.pool(GLOBAL, "").await);
    behind(engines.worker.address(&engines.lab.pool).await);
    // A release that was asked for under the lost cluster's number ends nothing given since.
    engines.manager.release(&old_pool, since).await.unwrap();
    let held = hosts.cluster.held(0, &format!("{GLOBAL}/{SUBNET}")).await;
    assert!(held.is_superset(&engines.swarm.addresses), "{held:?}");

    for block in page {
        hosts.run(&block).await;
    }
    engines.are_given_one_each().await;
    assert!(later.addresses.insert(engines.manager.address(&later.pool).await.unwrap()));
    assert_ne!(engines.make_another().await.subnet, later.subnet);
    let space: Space = hosts.host("n2").ask(&["space", "show", GLOBAL]).await;
    assert!(!space.behind);
    assert!(space.sessions.iter().all(|session| session.id > 1 << 40), "{space:?}");
    one_that_is_silent_is_named(&mut hosts).await;
}

/// Every line is one, and the addresses are there.
fn exported(hosts: &Hosts, held: &BTreeSet<IpAddr>) {
    let text = fs::read_to_string(hosts.file("berth.jsonl")).unwrap();
    let lines: Vec<ExportLine> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = lines.len() as u64 - 1;
    assert!(matches!(lines.first(), Some(ExportLine::Export { version: 1, read: Some(_) })));
    assert!(matches!(lines.last(), Some(ExportLine::End { lines }) if *lines == all), "{text}");
    let spaces = lines.iter().filter(|line| matches!(line, ExportLine::Space(_))).count();
    let pools = lines.iter().filter(|line| matches!(line, ExportLine::Pool(_))).count();
    assert_eq!((spaces, pools), (2, 2));
    let addresses = lines.iter().filter_map(|line| match line {
        ExportLine::Address(address) if address.space == GLOBAL => Some(address.address),
        _ => None,
    });
    assert_eq!(addresses.collect::<BTreeSet<_>>(), *held);
}

/// A node on the old cluster's data decides nothing, and says why.
async fn strangers_stay_out(hosts: &mut Hosts) {
    let node = &mut hosts.cluster.nodes[2];
    node.stop().await;
    let raft = node.data_dir.join("raft");
    let (old, new) = (node.data_dir.join("raft.old"), node.data_dir.join("raft.new"));
    fs::rename(&raft, &new).unwrap();
    fs::rename(&old, &raft).unwrap();
    node.start();
    let node = &hosts.cluster.nodes[2];
    eventually("the old node is told why", async || {
        node.log().contains("it belongs to cluster").then_some(())
    })
    .await;
    assert!(!node.run(&["status"]).await.status.success());
    hosts.cluster.nodes[0].ready().await;
    let node = &mut hosts.cluster.nodes[2];
    node.stop().await;
    fs::rename(&raft, &old).unwrap();
    fs::rename(&new, &raft).unwrap();
    node.start();
    node.ready().await;
}

async fn one_that_is_silent_is_named(hosts: &mut Hosts) {
    hosts.cluster.agree().await;
    hosts.cluster.nodes[2].kill().await;
    let verified = hosts.shell("n1", "berth cluster verify").await;
    assert_eq!(verified.status.code(), Some(3), "{verified:?}");
    assert!(String::from_utf8(verified.stderr).unwrap().contains("n3: "));
    hosts.cluster.nodes[2].start();
    hosts.cluster.ready().await;
    let asked_of_an_agent = hosts.shell("w1", "berth cluster verify").await;
    assert!(asked_of_an_agent.status.success(), "{asked_of_an_agent:?}");
}
