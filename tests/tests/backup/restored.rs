//! The page, word for word; and what engines meet on the way.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use berth_node::api::types::Space;
use berth_tests::{GLOBAL, eventually};
use ipamapi::{IpamError, PoolId};

use crate::hosts::Hosts;
use crate::page::{Block, blocks};

const PAGE: &str = include_str!("../../../docs/operating/backup.md");
const SUBNET: &str = "10.77.0.0/24";
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_restores_a_cluster_that_gives_nothing_twice() {
    let mut hosts = Hosts::start().await;
    let mut page = blocks(PAGE).into_iter();
    let made = hosts.host("n1").run(&["space", "create", LAB, "--shared"]).await;
    assert!(made.status.success(), "{made:?}");
    let (manager, worker) = (hosts.host("n1").engine(), hosts.host("w1").engine());
    manager.handshake().await.unwrap();
    let pool = manager.pool(GLOBAL, SUBNET).await.unwrap().id;
    let mut swarm = Held::new(pool, SUBNET.to_owned());
    let pool = worker.pool_of(LAB, LAB_SUBNET).await.unwrap().id;
    let mut lab = Held::new(pool, LAB_SUBNET.to_owned());
    for _ in 0..5 {
        swarm.addresses.insert(manager.address(&swarm.pool).await.unwrap());
        lab.addresses.insert(worker.address(&lab.pool).await.unwrap());
    }
    for block in until(&mut page, "berth cluster verify") {
        hosts.run(&block).await;
    }
    // This the backup does not know.
    let old_pool = swarm.pool.clone();
    swarm.addresses.insert(manager.address(&swarm.pool).await.unwrap());
    lab.addresses.insert(worker.address(&lab.pool).await.unwrap());
    let lost = manager.pool(GLOBAL, "").await.unwrap();
    let mut later = Held::new(lost.id, lost.pool.to_string());
    later.addresses.insert(manager.address(&later.pool).await.unwrap());

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

    // Engines that live on are given nothing, and what they ask for by name.
    behind(manager.address(&swarm.pool).await);
    behind(worker.address(&lab.pool).await);
    behind(manager.pool(GLOBAL, "").await);
    manager.address(&later.pool).await.unwrap_err();
    let known = *swarm.addresses.first().unwrap();
    assert!(hosts.cluster.held(1, SUBNET_ID).await.contains(&known));

    for block in until(&mut page, "systemctl restart docker") {
        hosts.run(&block).await;
    }
    manager.handshake().await.unwrap();
    for held in [&mut swarm, &mut later] {
        held.pool = manager.pool(GLOBAL, &held.subnet).await.unwrap().id;
        for address in &held.addresses {
            assert_eq!(manager.exact(&held.pool, *address).await.unwrap(), *address);
        }
    }
    for address in lab.addresses.iter().skip(5) {
        assert_eq!(worker.exact(&lab.pool, *address).await.unwrap(), *address);
    }
    // Its one claimant has claimed all of the pool again; of the others nobody knows.
    assert!(swarm.addresses.insert(manager.address(&swarm.pool).await.unwrap()));
    behind(manager.address(&later.pool).await);
    behind(manager.pool(GLOBAL, "").await);
    behind(worker.address(&lab.pool).await);
    // A release that was asked for under the lost cluster's number ends nothing given since.
    let since = *swarm.addresses.last().unwrap();
    manager.release(&old_pool, since).await.unwrap();
    assert!(hosts.cluster.held(0, SUBNET_ID).await.contains(&since));

    for block in page {
        hosts.run(&block).await;
    }
    assert!(lab.addresses.insert(worker.address(&lab.pool).await.unwrap()));
    assert!(later.addresses.insert(manager.address(&later.pool).await.unwrap()));
    let another = manager.pool(GLOBAL, "").await.unwrap();
    assert_ne!(another.pool.to_string(), later.subnet);
    let space: Space = hosts.host("n2").ask(&["space", "show", GLOBAL]).await;
    assert!(!space.behind);
    assert!(space.sessions.iter().all(|session| session.id > 1 << 40), "{space:?}");
    one_that_is_silent_is_named(&mut hosts).await;
}

const SUBNET_ID: &str = "GlobalDefault/10.77.0.0/24";

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
