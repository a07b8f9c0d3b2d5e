//! Disks with little room: a node gives nothing new before it is too late, and all the rest goes on.

use std::fs;

use berth_tests::{Cluster, GLOBAL, LOCAL, Node, eventually, is_root};
use ipamapi::IpamError;

use crate::disks::Disk;

/// Half of the small disk, and less than that.
const RESERVE: &str = "32MiB";
const LITTLE: u64 = 16 << 20;
const UNAVAILABLE: Option<i32> = Some(3);

/// Nodes that serve, each on a disk of its own.
async fn start(count: usize) -> (Cluster, Vec<Disk>) {
    let mut cluster = Cluster::new(count);
    let disk = |node: &Node| Disk::mount(node.data_dir.clone());
    let disks = cluster.nodes.iter().map(disk).collect();
    for node in &mut cluster.nodes {
        node.further = vec!["--disk-reserve".into(), RESERVE.into()];
    }
    cluster.start_stopped();
    cluster.ready().await;
    (cluster, disks)
}

async fn sees_little_room(node: &Node) {
    let what = format!("{} sees that it has little room", node.name());
    eventually(&what, async || node.status().await?.disk.refuses).await;
}

/// Fewer than a test's commands.
const SNAPSHOT_AFTER: u64 = 20;
/// Snapshots that a node keeps.
const SNAPSHOTS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_keeps_does_not_grow_with_its_work() {
    let mut cluster = Cluster::new(1);
    let node = &mut cluster.nodes[0];
    node.further = vec!["--snapshot-after".into(), SNAPSHOT_AFTER.to_string()];
    node.start();
    cluster.ready().await;
    let node = &cluster.nodes[0];
    let engine = node.engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.74.0.0/24").await.unwrap().id;
    let snapshots = node.data_dir.join("raft/snapshots");
    for _ in 0..5 {
        for _ in 0..SNAPSHOT_AFTER {
            let address = engine.address(&pool).await.unwrap();
            engine.release(&pool, address).await.unwrap();
        }
        eventually("a snapshot is made, and old ones go", async || {
            let log = node.status().await?.log;
            let files = fs::read_dir(&snapshots).unwrap().count();
            (log.snapshot + 2 * SNAPSHOT_AFTER > log.last && files <= SNAPSHOTS).then_some(())
        })
        .await;
    }
}

fn no_room<T: std::fmt::Debug>(answer: Result<T, IpamError>) {
    let refused = answer.unwrap_err().to_string();
    assert!(refused.contains("MiB free, less than the reserve"), "{refused}");
}

/// A command that fails for want of room, and says so.
async fn fails(node: &Node, arguments: &[&str]) {
    let output = node.run(arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), UNAVAILABLE, "{output:?}");
    assert!(said.contains("berth: BERTH-0140: ") && said.contains("--disk-reserve"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_room_gives_nothing_new_and_leads_no_more() {
    if !is_root("only root may mount a small disk") {
        return;
    }
    let (mut cluster, disks) = start(3).await;
    let (low, other) = (cluster.leader().await, (cluster.leader().await + 1) % 3);
    let node = &cluster.nodes[low];
    let engine = node.engine();
    engine.handshake().await.unwrap();
    let global = engine.pool(GLOBAL, "10.74.0.0/24").await.unwrap().id;
    let local = engine.pool(LOCAL, "172.30.0.0/24").await.unwrap().id;
    let held = engine.address(&global).await.unwrap();
    let held_here = engine.address(&local).await.unwrap();

    disks[low].leave(LITTLE);
    sees_little_room(node).await;
    eventually("another node leads", async || {
        let status = node.status().await?;
        status.leader.filter(|leader| leader != node.name())
    })
    .await;
    for pool in [&global, &local] {
        no_room(engine.address(pool).await);
    }
    no_room(engine.pool(GLOBAL, "10.75.0.0/24").await);
    no_room(engine.pool(LOCAL, "").await);
    fails(node, &["status"]).await;
    fails(node, &["pool", "reserve", GLOBAL, "10.74.0.9"]).await;
    fails(node, &["pool", "reserve", LOCAL, "172.30.0.9"]).await;
    assert!(node.api::<String>("/readyz").await.is_none());
    assert!(node.log().contains("the file system of"));
    // Reads and releases go on, and the other nodes do.
    assert!(cluster.held(low, global.as_str()).await.contains(&held));
    engine.release(&global, held).await.unwrap();
    engine.release(&local, held_here).await.unwrap();
    assert!(!cluster.held(low, local.as_str()).await.contains(&held_here));
    let elsewhere = cluster.nodes[other].engine();
    elsewhere.address(&global).await.unwrap();

    // A start with little room is one, too.
    cluster.nodes[low].stop().await;
    cluster.nodes[low].start();
    let node = &cluster.nodes[low];
    sees_little_room(node).await;
    no_room(engine.address(&local).await);

    fs::remove_file(disks[low].filler()).unwrap();
    node.ready().await;
    engine.address(&global).await.unwrap();
    engine.address(&local).await.unwrap();
    assert!(node.log().contains("the disk has room again"));
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_has_room_nothing_new_is_given_and_the_rest_goes_on() {
    if !is_root("only root may mount a small disk") {
        return;
    }
    let (cluster, disks) = start(3).await;
    let agent = cluster.agent("w1");
    agent.ready().await;
    let (engine, worker) = (cluster.nodes[0].engine(), agent.engine());
    engine.handshake().await.unwrap();
    // Its session is open, before the worker's is.
    engine.pool(GLOBAL, "10.73.0.0/24").await.unwrap();
    worker.handshake().await.unwrap();
    let made = cluster.nodes[0].run(&["space", "create", "lab", "--shared"]).await;
    assert!(made.status.success(), "{made:?}");
    let pool = worker.pool_of("lab", "10.88.0.0/24").await.unwrap().id;
    let held = worker.address(&pool).await.unwrap();
    let local = worker.pool(LOCAL, "172.30.0.0/24").await.unwrap().id;

    for (node, disk) in cluster.nodes.iter().zip(&disks) {
        disk.leave(LITTLE);
        sees_little_room(node).await;
    }
    no_room(engine.pool(GLOBAL, "10.74.0.0/24").await);
    no_room(worker.address(&pool).await);
    // The agent's own disk has room.
    agent.ready().await;
    worker.address(&local).await.unwrap();
    worker.release(&pool, held).await.unwrap();
    for node in &cluster.nodes {
        assert!(node.run(&["address", "ls"]).await.status.success());
    }

    for disk in &disks {
        fs::remove_file(disk.filler()).unwrap();
    }
    cluster.ready().await;
    worker.address(&pool).await.unwrap();
    cluster.agree().await;
}
