//! Making faults happen, and making them good again.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_chaos::api::Api;
use berth_chaos::hosts::Host;
use berth_tests::Node;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::fault::Fault;
use crate::ground::{Ground, NODES, SNAPSHOT_AFTER};
use crate::rule::{Effect, Rule};

/// Clients that crowd a node's sockets, and how many of them must have been let in.
const CROWD: usize = 1_000;
const CROWD_MIN: usize = 250;
/// How long one of them waits to be let in.
const LET_IN_MAX: Duration = Duration::from_millis(20);
/// File descriptors of a node that has few: fewer than it uses.
const FEW: u64 = 40;
/// A node that cannot sync has ended by then.
const ENDED_MAX: Duration = Duration::from_secs(20);
/// A follower needs a snapshot by then, if clients work.
const NEEDS_SNAPSHOT_MAX: Duration = Duration::from_secs(40);
/// strace has attached, and a sync came, by then.
const INJECTED_MAX: Duration = Duration::from_secs(10);

/// A fault under way.
pub(crate) struct Struck {
    fault: Fault,
    victim: usize,
    /// What the proxies had done before.
    before: u64,
    /// Who interferes with the victim's syncs.
    tracer: Option<Child>,
    crowd: Vec<UnixStream>,
}

/// Strikes; `leader` leads.
pub(crate) async fn strike(
    ground: &mut Ground,
    fault: Fault,
    leader: usize,
    rng: &mut fastrand::Rng,
) -> Result<Struck> {
    // Most faults hurt most where they hit the leader; a follower misses what it was not sent.
    let follower = (leader + rng.usize(1..NODES)) % NODES;
    let victim = match fault {
        Fault::LateSnapshot => follower,
        Fault::Pause if rng.u8(0..4) == 0 => NODES,
        _ if rng.u8(0..3) == 0 => follower,
        _ => leader,
    };
    let before = ground.struck();
    let mut struck = Struck { fault, victim, before, tracer: None, crowd: Vec::new() };
    if fault.is_of_links() {
        ground.rule(|from, to| rule(fault, victim, from, to));
        if fault == Fault::LateSnapshot {
            needs_snapshot(ground, victim).await?;
        }
        return Ok(struck);
    }
    let node = &mut ground.nodes[victim];
    match fault {
        Fault::Kill => node.kill().await,
        Fault::KillAll => {
            for node in &mut ground.nodes[..NODES] {
                node.kill().await;
            }
        }
        Fault::Stop => node.stop().await,
        Fault::Pause => node.signal(Signal::STOP),
        Fault::SlowSync => struck.tracer = Some(inject(node, "delay_enter=300000").await?),
        Fault::FailedSync => struck.tracer = Some(inject(node, "error=EIO").await?),
        Fault::Descriptors => {
            limit_descriptors(node, Some(FEW))?;
            struck.crowd = crowd(&ground.hosts[victim]).await;
        }
        _ => struck.crowd = crowd(&ground.hosts[victim]).await,
    }
    Ok(struck)
}

/// What a link's proxy does, if it is one that is struck.
fn rule(fault: Fault, victim: usize, from: usize, to: usize) -> Option<Rule> {
    let (out, into) = (from == victim, to == victim);
    let both = |effect| (out || into).then_some(Rule::both(effect));
    let forward = |effect| Some(Rule { forward: effect, ..Rule::default() });
    let backward = |effect| Some(Rule { backward: effect, ..Rule::default() });
    match fault {
        Fault::Isolate | Fault::LateSnapshot => both(Effect::Swallow),
        // What it is sent: by who connected to it, and by whom it connected to.
        Fault::Deaf if into => forward(Effect::Swallow),
        Fault::Deaf if out => backward(Effect::Swallow),
        Fault::Mute if into => backward(Effect::Swallow),
        Fault::Mute if out => forward(Effect::Swallow),
        Fault::Ring => {
            let against = from < NODES && (from + 1) % NODES != to;
            against.then_some(Rule::both(Effect::Swallow))
        }
        Fault::HalfOpen => both(Effect::HalfOpen),
        Fault::Delay => both(Effect::Delay { least_ms: 5, most_ms: 150 }),
        Fault::Throttle => both(Effect::Throttle { per_second: 20_000 }),
        Fault::Stall => both(Effect::Stall),
        Fault::Refuse => into.then_some(Rule::REFUSE),
        Fault::Garbage => Some(Rule::both(Effect::Garbage)),
        Fault::Oversized => Some(Rule::both(Effect::Oversized)),
        Fault::Reset => Some(Rule::both(Effect::Reset)),
        Fault::Cut => Some(Rule::both(Effect::Cut)),
        _ => None,
    }
}

/// Makes it good again. An error if it did not really strike.
pub(crate) async fn heal(ground: &mut Ground, mut struck: Struck) -> Result<()> {
    let Struck { fault, victim, before, .. } = struck;
    if fault == Fault::LateSnapshot {
        // The snapshot comes, and its way breaks.
        for _ in 0..4 {
            for effect in [Effect::Cut, Effect::Pass] {
                ground.rule(|_, to| (to == victim).then_some(Rule::both(effect)));
                sleep(Duration::from_millis(250)).await;
            }
        }
    }
    if fault.is_of_links() {
        let after = ground.rule(|_, _| Some(Rule::default()));
        ensure!(after > before, "no proxy had anything to break");
        return Ok(());
    }
    let node = &mut ground.nodes[victim];
    if fault == Fault::FailedSync {
        // The sync that failed is its last: it ends by itself.
        let status = node.ended(ENDED_MAX).await;
        ensure!(!status.success(), "a node whose disk fails ended with {status}");
    }
    if let Some(mut tracer) = struck.tracer.take() {
        let _ = tracer.kill().await;
    }
    match fault {
        Fault::Pause => node.signal(Signal::CONT),
        Fault::Descriptors => {
            // One that could not write a file has ended.
            if !node.has_ended() {
                limit_descriptors(node, None)?;
            }
            ensure!(node.log().contains("os error 24"), "descriptors did not run out");
        }
        Fault::Crowd => ensure!(struck.crowd.len() >= CROWD_MIN, "too few were let in"),
        _ => {}
    }
    drop(struck.crowd);
    for node in ground.nodes.iter_mut().filter(|node| !node.is_started()) {
        node.start();
    }
    Ok(())
}

/// Waits until another node has purged what this one would need next.
async fn needs_snapshot(ground: &Ground, victim: usize) -> Result<()> {
    let log = async |host: usize| {
        let status = Api::new(ground.hosts[host].api_socket.clone()).status().await?;
        anyhow::Ok(status.log)
    };
    let begin = Instant::now();
    let other = (victim + 1) % NODES;
    loop {
        if let (Ok(behind), Ok(ahead)) = (log(victim).await, log(other).await)
            && ahead.snapshot > behind.last + SNAPSHOT_AFTER / 2
        {
            return Ok(());
        }
        ensure!(begin.elapsed() < NEEDS_SNAPSHOT_MAX, "no snapshot was needed");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Has the kernel treat a node's syncs otherwise. Returns once it has.
async fn inject(node: &Node, what: &str) -> Result<Child> {
    let trace = node.dir().join("strace.log");
    let _ = std::fs::remove_file(&trace);
    let syncs = "fsync,fdatasync";
    let tracer = Command::new("strace")
        .args(["-qq", "-f", "-p", &node.pid().to_string(), "-o"])
        .arg(&trace)
        .args(["-e", &format!("trace={syncs}"), "-e", &format!("inject={syncs}:{what}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run strace")?;
    let begin = Instant::now();
    loop {
        let written = std::fs::read_to_string(&trace).unwrap_or_default();
        if written.contains("INJECTED") || written.contains("DELAYED") {
            return Ok(tracer);
        }
        ensure!(begin.elapsed() < INJECTED_MAX, "strace interfered with no sync");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sets how many file descriptors a node may have; `None` as many as this process.
fn limit_descriptors(node: &Node, soft: Option<u64>) -> Result<()> {
    let pid = i32::try_from(node.pid()).ok().and_then(Pid::from_raw);
    let own = getrlimit(Resource::Nofile);
    let limit = Rlimit { current: soft.or(own.current), maximum: own.maximum };
    prlimit(Some(pid.context("it has no number")?), Resource::Nofile, limit)?;
    Ok(())
}

/// Clients who connect, and say half a request or nothing.
async fn crowd(host: &Host) -> Vec<UnixStream> {
    let mut crowd = Vec::new();
    for at in 0..CROWD {
        let socket = if at % 2 == 0 { &host.plugin_socket } else { &host.api_socket };
        // Where the queue is full nobody is let in.
        let connected = timeout(LET_IN_MAX, UnixStream::connect(socket)).await;
        let Ok(Ok(mut stream)) = connected else { continue };
        if at % 4 < 2 {
            let half = b"POST /IpamDriver.RequestAddress HTTP/1.1\r\nHost: a\r\n";
            let _ = stream.write_all(half).await;
        }
        crowd.push(stream);
    }
    crowd
}
