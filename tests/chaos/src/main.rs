//! Chaos in docker-compose: `make chaos`.
//!
//! Three nodes and two agents in containers; two Swarms, a shared space and each host's own at work on
//! their sockets; faults that overlap, from a seed; and every checker over what clients were told and
//! what is there in the end. A run in which a kind of fault did not strike, or too little was served,
//! has failed.
#![allow(clippy::print_stdout, reason = "that is where a command reports")]

mod api;
mod compose;
mod engine;
mod home;
mod hosts;
mod judge;
mod logs;
mod nemesis;
mod picture;
mod plan;
mod realm;
mod recorder;
mod report;
mod series;
mod shell;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use berth_allocator::AddressKind;
use berth_checkers::{Fingerprint, Outcome};
use clap::Parser;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Api;
use crate::compose::Compose;
use crate::engine::{Engine, SHARED, Space};
use crate::home::Home;
use crate::hosts::Host;
use crate::judge::{Judgement, Last, judge, last_listings};
use crate::logs::Logs;
use crate::nemesis::Nemesis;
use crate::realm::{Realm, prefix};
use crate::recorder::Recorder;
use crate::watch::Watch;

/// How long hosts may take until they serve, at the beginning and after the last fault.
const READY_MAX: Duration = Duration::from_secs(90);
/// How long hosts go on after the last fault is over, at least.
const AFTERWARDS: Duration = Duration::from_secs(8);
/// Longer than a host takes to settle what it left open.
const SETTLED: Duration = Duration::from_secs(15);
/// Requests that every host must answer when all is over.
const LAST_REQUESTS: usize = 10;

/// Chaos in docker-compose.
#[derive(Parser)]
struct Arguments {
    /// The checkout.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Where the hosts' files and the report are kept.
    #[arg(long, default_value = ".chaos")]
    dir: PathBuf,
    /// How long clients work.
    #[arg(long, env = "CHAOS_MINUTES", default_value_t = 10)]
    minutes: u64,
    /// Which faults strike when [default: a random one, which the report tells]
    #[arg(long, env = "CHAOS_SEED")]
    seed: Option<u64>,
    /// What the report calls the version.
    #[arg(long, default_value = "unknown")]
    commit: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match chaos(&arguments).await {
        Ok((passed, failed)) => {
            println!("chaos: {passed} passed, {failed} failed");
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("{error:#}\nchaos: 0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

async fn chaos(arguments: &Arguments) -> Result<(usize, usize)> {
    std::fs::create_dir_all(&arguments.dir)?;
    let (root, dir) = (arguments.root.canonicalize()?, arguments.dir.canonicalize()?);
    let hosts = Host::all(&dir);
    let compose = Compose::new(&root, &dir, &hosts).await;
    compose.up().await.context("the cluster cannot be started")?;
    let result = run(arguments, &dir, &hosts, &compose).await;
    compose.down().await?;
    result
}

async fn run(
    arguments: &Arguments,
    dir: &Path,
    hosts: &[Host],
    compose: &Compose,
) -> Result<(usize, usize)> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let length = Duration::from_secs(arguments.minutes * 60);
    println!("{} minutes, seed {seed}", arguments.minutes);
    ready(hosts).await.context("the cluster does not serve")?;
    Api::new(hosts[0].api_socket()).make_shared(SHARED).await?;

    let begin = Instant::now();
    let watch = Arc::new(Watch::default());
    let logs = Arc::new(Logs::default());
    let recorder = Arc::new(Recorder::new(begin));
    let mut lookers = JoinSet::new();
    let (watching, watched) = (Arc::clone(&watch), hosts.to_vec());
    lookers.spawn(async move { watching.look(&watched, begin).await });
    lookers.spawn(Arc::clone(&logs).gather(hosts.to_vec()));

    let stop = Arc::new(AtomicBool::new(false));
    let workers = work(hosts, &recorder, seed, begin, &stop);
    let nemesis = Nemesis::new(hosts, Arc::clone(&watch), begin);
    nemesis.carry_out(plan::plan(seed, length.saturating_sub(AFTERWARDS))).await;
    nemesis.heal_all().await?;
    let healed = Instant::now();
    sleep_until(begin + length).await;
    let recovered = ready(hosts).await.map(|()| healed.elapsed()).ok();
    stop.store(true, Ordering::Relaxed);
    workers.join_all().await;

    let mut unserved = serve_last(hosts, &recorder).await;
    if recovered.is_none() {
        unserved.push("not all hosts served again after the last fault".to_owned());
    }
    sleep(SETTLED).await;
    let last = look_last(hosts).await?;
    lookers.abort_all();
    let applied = last.applied;
    let log = whole_log(&logs, hosts, applied).await;
    let operations = recorder.operations();
    let struck = nemesis.struck();
    let mut judgement = judge(&operations, last, log, &struck, length);
    judgement.invalid.extend(unserved);
    if !keep_logs(dir, hosts, compose).await? {
        judgement.invalid.push("no host noticed that its disk was full".to_owned());
    }

    let seconds = series::series(&operations);
    let leaders = watch.terms();
    std::fs::write(dir.join("chart.svg"), picture::draw(&seconds, &struck, &leaders))?;
    let run = report::Run {
        seed,
        length,
        commit: &arguments.commit,
        operations: &operations,
        seconds: &seconds,
        struck: &struck,
        not_struck: &nemesis.failed(),
        leaders: leaders.len(),
        recovered,
        judgement: &judgement,
    };
    std::fs::write(dir.join("report.md"), report::write(&run))?;
    keep(dir, &judgement)?;
    println!("{}\nsee {}", report::write(&run), dir.join("report.md").display());
    Ok(report::tally(&judgement))
}

/// Keeps what the hosts logged; whether one of them met a full disk.
async fn keep_logs(dir: &Path, hosts: &[Host], compose: &Compose) -> Result<bool> {
    let mut full = false;
    for host in hosts {
        let log = compose.log(host).await?;
        full |=
            log.contains("No space left on device") || log.contains("cannot write /var/lib/berth");
        std::fs::write(dir.join(format!("{}.log", host.name)), log)?;
    }
    Ok(full)
}

fn keep(dir: &Path, judgement: &Judgement) -> Result<()> {
    let file = std::fs::File::create(dir.join("history.jsonl"))?;
    judgement.history.write(std::io::BufWriter::new(file))?;
    Ok(())
}

/// Sets clients to work on all hosts.
fn work(
    hosts: &[Host],
    recorder: &Arc<Recorder>,
    seed: u64,
    begin: Instant,
    stop: &Arc<AtomicBool>,
) -> JoinSet<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut workers = JoinSet::new();
    let members: Vec<(Engine, Arc<Home>)> = hosts
        .iter()
        .map(|host| {
            let engine = Engine::new(host, recorder);
            (engine.clone(), Home::new(engine, stop))
        })
        .collect();
    for ((_, home), number) in members.iter().zip(0..) {
        workers.spawn(Arc::clone(home).work_on_local(number, rng.fork()));
        workers.spawn(Arc::clone(home).work_on_shared(begin, rng.fork()));
    }
    let nodes = hosts.iter().filter(|host| host.is_node).count();
    let (nodes, agents) = members.split_at(nodes);
    Realm::new("GlobalDefault", 20, nodes, stop).start(rng.u64(..), &mut workers);
    Realm::new("GlobalDefault@blue", 100, agents, stop).start(rng.u64(..), &mut workers);
    workers
}

/// Waits until all hosts serve.
async fn ready(hosts: &[Host]) -> Result<()> {
    let until = Instant::now() + READY_MAX;
    for host in hosts {
        let api = Api::new(host.api_socket());
        loop {
            match api.status().await {
                Ok(status) if status.ready => break,
                other if Instant::now() > until => {
                    let how = other.map(|status| status.problems);
                    bail!("{} is not ready: {how:?}", host.name)
                }
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
    }
    Ok(())
}

/// Every host must write and read when all is well again; what it did not.
async fn serve_last(hosts: &[Host], recorder: &Arc<Recorder>) -> Vec<String> {
    let serve = hosts.iter().enumerate().map(|(at, host)| async move {
        let client = Engine::new(host, recorder).client();
        let third = u8::try_from(at).expect("there are few hosts");
        let mut unserved = Vec::new();
        // In a run of its own the engine would replay all that it has: it goes on in the last one.
        let space = Space::Shared;
        let given = client.pool(&space, Some(prefix([10, 191, third, 0], 24))).await;
        let Outcome::Pool { pool, .. } = given else {
            return vec![format!("in the end {} gave no pool: {given:?}", host.name)];
        };
        for _ in 0..LAST_REQUESTS {
            let scope = space.scope();
            let given = client.address(scope, &pool, None, AddressKind::Endpoint).await;
            if !matches!(given, Outcome::Address { .. }) {
                unserved.push(format!("in the end {} gave no address: {given:?}", host.name));
            }
            let listed = client.list(scope, &pool).await;
            if !matches!(listed, Outcome::Listed(_)) {
                unserved.push(format!("in the end {} listed nothing", host.name));
            }
        }
        unserved
    });
    join_all(serve).await.concat()
}

/// What is there in the end. Nodes are asked until they have applied the same entries.
async fn look_last(hosts: &[Host]) -> Result<Last> {
    let listings = last_listings(hosts).await?;
    let nodes: Vec<&Host> = hosts.iter().filter(|host| host.is_node).collect();
    let until = Instant::now() + READY_MAX;
    loop {
        let asked = nodes.iter().map(|node| async {
            let found = Api::new(node.api_socket()).fingerprint().await?;
            let value = u64::from_str_radix(&found.value, 16)?;
            anyhow::Ok(Fingerprint { node: node.name.clone(), index: found.applied, value })
        });
        let fingerprints: Result<Vec<Fingerprint>> = join_all(asked).await.into_iter().collect();
        match fingerprints {
            Ok(fingerprints)
                if fingerprints.iter().all(|node| node.index == fingerprints[0].index) =>
            {
                let applied = fingerprints[0].index;
                return Ok(Last { listings, fingerprints, applied });
            }
            found if Instant::now() > until => bail!("nodes do not come to agree: {found:?}"),
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The committed log up to an entry, once it is on the nodes' disks.
async fn whole_log(
    logs: &Arc<Logs>,
    hosts: &[Host],
    last: u64,
) -> Result<Vec<berth_checkers::Entry>, String> {
    let until = Instant::now() + READY_MAX;
    loop {
        for host in hosts.iter().filter(|host| host.is_node) {
            logs.look(host).await;
        }
        let whole = logs.whole(last);
        if whole.is_ok() || Instant::now() > until {
            return whole;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
