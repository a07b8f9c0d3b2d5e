//! First figures of a cluster of three nodes and of a host's own space: allocations a second and
//! their latency at 1, 16 and 64 clients, through the plugin sockets, beside the disk's sync time.
//! `make bench` runs it; `docs/benchmarks.md` says how to read it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it measures, or it fails")]

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_tests::{Cluster, Engine, GLOBAL, LOCAL};
use ipamapi::PoolId;
use tokio::task::JoinSet;

const CLIENTS: [usize; 3] = [1, 16, 64];
const RUN: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(1);
/// Room for more addresses than any run takes.
const POOL: &str = "10.128.0.0/10";
/// Syncs measured, of this many bytes each.
const SYNCS: usize = 500;
const SYNC_BYTES: usize = 4_096;

#[tokio::main]
async fn main() {
    let sync = sync_times();
    println!(
        "fdatasync of {SYNC_BYTES} bytes: p50 {}, p99 {}\n",
        shown(within(&sync, 500)),
        shown(within(&sync, 990))
    );
    println!("| space | clients | allocations/s | p50 | p99 | max | errors | duplicates |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let all: Vec<usize> = (0..cluster.nodes.len()).collect();
    for clients in CLIENTS {
        measure("global, on the leader's host", &cluster, &[leader], GLOBAL, clients).await;
    }
    for clients in CLIENTS {
        measure("global, on all three hosts", &cluster, &all, GLOBAL, clients).await;
    }
    for clients in CLIENTS {
        measure("local", &cluster, &[leader], LOCAL, clients).await;
    }
}

/// Prints one row: clients, spread over these nodes, ask one pool for any address, one after another.
async fn measure(name: &str, cluster: &Cluster, nodes: &[usize], space: &str, clients: usize) {
    let mut pools = Vec::new();
    for &node in nodes {
        let engine = cluster.nodes[node].engine();
        // A new session, which adopts the pool from the node before.
        engine.handshake().await.unwrap();
        let pool = engine.pool(space, POOL).await.unwrap().id;
        pools.push((Arc::new(engine), pool));
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + RUN;
    let mut running = JoinSet::new();
    for (engine, pool) in pools.iter().cycle().take(clients) {
        running.spawn(ask_until(Arc::clone(engine), pool.clone(), end));
    }
    let (mut times, mut given) = (Vec::new(), HashSet::new());
    let (mut errors, mut duplicates) = (0, 0);
    for Asked { answers, refused } in running.join_all().await {
        errors += refused;
        for (address, asked, took) in answers {
            duplicates += usize::from(!given.insert(address));
            if asked >= begin {
                times.push(took);
            }
        }
    }
    times.sort_unstable();
    println!(
        "| {name} | {clients} | {} | {} | {} | {} | {errors} | {duplicates} |",
        times.len() / usize::try_from(RUN.as_secs()).unwrap(),
        shown(within(&times, 500)),
        shown(within(&times, 990)),
        shown(within(&times, 1_000)),
    );
    let (engine, pool) = pools.pop().unwrap();
    engine.release_pool(&pool).await.unwrap();
}

#[derive(Default)]
struct Asked {
    answers: Vec<(IpAddr, Instant, Duration)>,
    refused: usize,
}

async fn ask_until(engine: Arc<Engine>, pool: PoolId, end: Instant) -> Asked {
    let mut asked = Asked::default();
    while Instant::now() < end {
        let began = Instant::now();
        match engine.address(&pool).await {
            Ok(address) => asked.answers.push((address, began, began.elapsed())),
            Err(_) => asked.refused += 1,
        }
    }
    asked
}

fn sync_times() -> Vec<Duration> {
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create(dir.path().join("sync")).unwrap();
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[7; SYNC_BYTES]).unwrap();
        file.sync_data().unwrap();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
}

/// The time that this share of them, in thousandths, did not exceed.
fn within(times: &[Duration], thousandths: usize) -> Duration {
    let at = (times.len() * thousandths / 1_000).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}
