//! Disks that fail under one node: it stops and says why, the others go on, nothing is lost.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use berth_tests::{Cluster, GLOBAL, Load, PATIENCE, eventually, is_root};
use ipamapi::PoolId;
use tokio::time::{Instant, sleep};

/// Room for a node's files and some work.
const DISK: &str = "size=64m";
/// How long clients work before the disk fails, and afterwards.
const WORK: Duration = Duration::from_secs(1);

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}; is it installed?"));
    assert!(status.success(), "{program} {arguments:?} ended with {status}");
}

/// A small disk, there until this is dropped: before the directory in which it is mounted.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(at: PathBuf) -> Self {
        fs::create_dir(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", at.to_str().unwrap()]);
        Self(at)
    }

    pub(crate) fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves so many bytes free, or less.
    pub(crate) fn leave(&self, bytes: u64) {
        let found = rustix::fs::statvfs(&self.0).unwrap();
        let free = found.f_bavail * found.f_frsize;
        let mut file = fs::File::create(self.filler()).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(free - bytes), &mut file).unwrap();
    }

    fn fill(&self) {
        let filled = fs::File::create(self.filler())
            .and_then(|mut file| std::io::copy(&mut std::io::repeat(0), &mut file));
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A node that still runs keeps it busy; the kernel removes it when that ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Makes each sync of a process fail from now on.
async fn fail_syncs(pid: u32, scratch: &Path) -> tokio::process::Child {
    let trace = scratch.join("strace.log");
    let strace = tokio::process::Command::new("strace")
        .args(["-f", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"])
        .args(["-p", &pid.to_string(), "-o"])
        .arg(&trace)
        .kill_on_drop(true)
        .spawn();
    let strace = strace.unwrap_or_else(|error| panic!("strace: {error}; is it installed?"));
    eventually("a sync was made to fail", async || {
        fs::read_to_string(&trace).ok().filter(|text| text.contains("INJECTED"))
    })
    .await;
    strace
}

/// The pool, and clients at work on it.
async fn work(cluster: &Cluster) -> (PoolId, Load) {
    let engine = cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.74.0.0/24").await.unwrap().id;
    let load = Load::start(&cluster.nodes, &pool, 2);
    sleep(WORK).await;
    (pool, load)
}

/// The node whose disk fails has stopped and said why; the others go on without it.
async fn stops_alone(cluster: &mut Cluster, node: usize, load: &Load, reason: &str) {
    let status = cluster.nodes[node].ended(PATIENCE).await;
    let ended = Instant::now();
    assert_eq!(status.code(), Some(1), "{status}");
    let log = cluster.nodes[node].log();
    let said = log.lines().find(|line| line.starts_with("berth: BERTH-0108: "));
    println!("{said:?}");
    assert!(said.is_some_and(|said| said.contains(reason)), "{log}");
    for other in (0..cluster.nodes.len()).filter(|other| *other != node) {
        let serves = async || load.history().first_given_after(other, ended);
        eventually("the other nodes go on", serves).await;
    }
}

/// With its disk mended the node comes back, and all that was acknowledged is there.
async fn comes_back(cluster: &mut Cluster, pool: &PoolId, load: Load) {
    cluster.start_stopped();
    cluster.ready().await;
    sleep(WORK).await;
    let history = load.stop().await;
    history.assert_never_twice();
    let held = history.held();
    for node in 0..cluster.nodes.len() {
        assert!(cluster.held(node, pool.as_str()).await.is_superset(&held));
    }
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_one_node_only() {
    if !is_root("only root may mount a small disk") {
        return;
    }
    let mut cluster = Cluster::new(3);
    let disk = Disk::mount(cluster.nodes[2].data_dir.clone());
    cluster.start_stopped();
    cluster.ready().await;
    let (pool, load) = work(&cluster).await;
    disk.fill();
    stops_alone(&mut cluster, 2, &load, "No space left on device").await;
    fs::remove_file(disk.filler()).unwrap();
    comes_back(&mut cluster, &pool, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_stops_one_node_only() {
    if !is_root("only root may make the syncs of a process fail") {
        return;
    }
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let (pool, load) = work(&cluster).await;
    let strace = fail_syncs(cluster.nodes[leader].pid(), cluster.nodes[leader].dir()).await;
    stops_alone(&mut cluster, leader, &load, "Input/output error").await;
    drop(strace);
    comes_back(&mut cluster, &pool, load).await;
}
