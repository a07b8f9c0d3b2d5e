//! Chaos in docker-compose: `make chaos`.
//!
//! Three nodes and two agents in containers; two Swarms, a shared space and each host's own at work on
//! their sockets; faults that overlap, from a seed; and every checker over what clients were told and
//! what is there in the end. A run in which a kind of fault did not strike, or too little was served,
//! has failed.
#![allow(clippy::print_stdout, reason = "that is where a command reports")]

mod compose;
mod containers;
mod nemesis;
mod picture;
mod plan;
mod report;
mod series;
mod shell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use berth_chaos::hosts::Host;
use berth_chaos::judge::{Judgement, Least};
use berth_chaos::workload::{Course, ready};
use clap::Parser;
use tokio::time::{Instant, sleep_until};

use crate::compose::Compose;
use crate::nemesis::{Nemesis, counts};

/// Acknowledged operations in a minute, below which a run is not one.
const PER_MINUTE_MIN: usize = 300;
/// The same for each kind of state.
const PER_SCOPE_MIN: usize = 60;
/// Between two looks at a node's log.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long hosts go on after the last fault is over, at least.
const AFTERWARDS: Duration = Duration::from_secs(8);
/// Longer than a host takes to settle what it left open.
const SETTLED: Duration = Duration::from_secs(15);

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
    let hosts = containers::hosts(&dir);
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
    let course = Course::begin(hosts, seed, LOOK_EVERY).await?;
    let (begin, watch) = (course.begin, Arc::clone(&course.watch));
    let nemesis = Nemesis::new(hosts, Arc::clone(&watch), begin);
    nemesis.carry_out(plan::plan(seed, length.saturating_sub(AFTERWARDS))).await;
    nemesis.heal_all().await?;
    let healed = Instant::now();
    sleep_until(begin + length).await;
    let recovered = ready(hosts).await.map(|()| healed.elapsed()).ok();

    let minutes = usize::try_from(length.as_secs().div_ceil(60))?;
    let required = Least { all: PER_MINUTE_MIN * minutes, each_scope: PER_SCOPE_MIN * minutes };
    let (operations, mut judgement) = course.end(SETTLED, required).await?;
    let struck = nemesis.struck();
    if recovered.is_none() {
        judgement.invalid.push("not all hosts served again after the last fault".to_owned());
    }
    for (kind, count) in counts(&struck) {
        if count == 0 {
            judgement.invalid.push(format!("no host was {:?}: {}", kind, kind.says()));
        }
    }
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
        let noticed =
            ["less than the reserve", "No space left on device", "cannot write /var/lib/berth"];
        full |= noticed.iter().any(|text| log.contains(text));
        std::fs::write(dir.join(format!("{}.log", host.name)), log)?;
    }
    Ok(full)
}

fn keep(dir: &Path, judgement: &Judgement) -> Result<()> {
    let file = std::fs::File::create(dir.join("history.jsonl"))?;
    judgement.history.write(std::io::BufWriter::new(file))?;
    Ok(())
}
