//! Measures a cluster of three nodes in one process, and the local ledger, on real files: commands
//! per second and latencies at 1, 16, 64 and 256 clients, beside the disk's own sync time.
//!
//! ```text
//! cargo run --release -p berth-replication --example throughput [DIRECTORY]
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it measures, or it fails")]

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_allocator::{
    ClientName, Command, Envelope, Incarnation, Millis, Register, Renew, Response, Sequence, Text,
};
use berth_replication::{
    Config, Deadline, Ledger, LedgerConfig, Member, NodeName, Replica, SystemClock,
};

const RUN: Duration = Duration::from_secs(5);
const CLIENTS: [usize; 4] = [1, 16, 64, 256];

fn main() {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base).unwrap();
    let sync = sync_time(dir.path());
    println!("fdatasync of 4 KiB: {sync:?} (median)");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("three nodes:");
        let replicas = start(dir.path()).await;
        let leader = leader(&replicas).await;
        for clients in CLIENTS {
            let propose = async |envelope| {
                leader.propose(envelope, Deadline::after(RUN * 2)).await.unwrap().answer.outcome
            };
            measure(clients, propose).await;
        }
        for replica in &replicas {
            replica.shutdown().await;
        }
        println!("local ledger:");
        let name = NodeName::new("host").unwrap();
        let config = LedgerConfig { dir: dir.path().join("ledger"), name, snapshot_after: 10_000 };
        let ledger = Ledger::open(config, Arc::new(SystemClock)).await.unwrap();
        for clients in CLIENTS {
            let submit = async |envelope| ledger.submit(envelope).await.unwrap().outcome;
            measure(clients, submit).await;
        }
        ledger.shutdown().await;
    });
}

fn sync_time(dir: &Path) -> Duration {
    let mut file = File::create(dir.join("sync")).unwrap();
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let since = Instant::now();
            file.write_all(&[7; 4_096]).unwrap();
            file.sync_data().unwrap();
            since.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

async fn start(dir: &Path) -> Vec<Replica> {
    let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let member = |(number, socket): (usize, &TcpListener)| Member {
        name: NodeName::new(format!("node{number}")).unwrap(),
        address: socket.local_addr().unwrap().to_string(),
    };
    let members: Vec<Member> = sockets.iter().enumerate().map(member).collect();
    drop(sockets);
    let mut replicas = Vec::new();
    for member in &members {
        let data_dir = dir.join(member.name.as_str());
        let config = Config::of_member(member, "measured", members.clone(), data_dir);
        replicas.push(Replica::start(config, Arc::new(SystemClock)).await.unwrap());
    }
    replicas
}

async fn leader(replicas: &[Replica]) -> &Replica {
    let elected = Deadline::after(Duration::from_secs(30));
    let status = replicas[0].status_when(elected, |status| status.leader.is_some()).await.unwrap();
    replicas.iter().find(|replica| Some(replica.node()) == status.leader).unwrap()
}

/// Has each client execute one small command after the other, and prints what came of it.
async fn measure(
    clients: usize,
    execute: impl AsyncFn(Envelope) -> Result<Response, berth_allocator::Rejection>,
) {
    let since = Instant::now();
    let client = async |number: usize| {
        let envelope = |incarnation, sequence, command| Envelope {
            client: ClientName::new(format!("client-{clients}-{number}")).unwrap(),
            incarnation,
            sequence: Sequence::new(sequence),
            heard: Sequence::new(sequence),
            command,
        };
        let address = Text::new("here").unwrap();
        let register = Register { instance: 1, address, lease: Millis::new(0) };
        let command = Command::Register(register);
        let registered = execute(envelope(Incarnation::new(0), 1, command)).await;
        let Ok(Response::Registered(incarnation)) = registered else { panic!("{registered:?}") };
        let mut times = Vec::new();
        while since.elapsed() < RUN {
            let command = Command::Renew(Renew { instance: 1, lease: Millis::new(0) });
            let started = Instant::now();
            let sequence = 2 + times.len() as u64;
            execute(envelope(incarnation, sequence, command)).await.unwrap();
            times.push(started.elapsed());
        }
        times
    };
    let times = futures::future::join_all((0..clients).map(client)).await;
    let mut times: Vec<Duration> = times.into_iter().flatten().collect();
    times.sort_unstable();
    let rate = times.len() as u64 / since.elapsed().as_secs().max(1);
    let (middle, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("  {clients:>4} clients: {rate:>7}/s, p50 {middle:?}, p99 {late:?}");
}
