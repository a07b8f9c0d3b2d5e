//! The figures of `docs/benchmarks.md`: Berth beside others that give addresses. All keep their data on the
//! same disk, and are asked by the same generator ([`berth_node::bench`]) in turns, several times, so that
//! what else goes on meets all alike.
#![allow(clippy::print_stderr, reason = "that is where it says how far it is")]

mod batches;
mod contender;
mod core;
mod disk;
mod etcd;
mod figures;
mod host_local;
mod ours;
mod page;
mod picture;
mod plugin;
mod postgres;
mod sqlite;
mod tables;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use self::contender::{Contender, Group};
use self::disk::Disk;
use self::figures::{Figures, Run};
use self::plugin::Backend;

/// Measures Berth and its peers in turns, and writes what was found.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each is measured with each number of clients.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of a measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only these, by their short names, repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Only these numbers of clients.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// Where criterion has left what it found of the allocator.
    #[arg(long)]
    criterion: Option<PathBuf>,
    /// A program that measures libnetwork's allocator, and prints JSON Lines.
    #[arg(long)]
    libnetwork: Option<PathBuf>,
    /// What was measured: the commit.
    #[arg(long, default_value = "")]
    commit: String,
    /// The machine, in a line.
    #[arg(long, default_value = "")]
    machine: String,
    /// Directory of `benchmarks.md`, whose tables are replaced, and of what goes with it.
    #[arg(long)]
    docs: Option<PathBuf>,
    /// The file that all figures go to.
    #[arg(long, default_value = "benchmarks.json")]
    json: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves a plugin socket, as a driver on this backend does: what a run starts for itself.
    Serve {
        socket: PathBuf,
        #[command(subcommand)]
        backend: Backend,
    },
}

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if let Some(Command::Serve { socket, backend }) = arguments.command.take() {
        return plugin::serve(&socket, backend).await;
    }
    ensure!(arguments.rounds > 0 && arguments.seconds > 0, "a run of no time measures nothing");
    let core = core::read(arguments.criterion.as_deref(), arguments.libnetwork.as_deref()).await?;
    let mut figures = Figures {
        commit: arguments.commit.clone(),
        machine: arguments.machine.clone(),
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        runs: Vec::new(),
        syncs: Vec::new(),
        core,
    };
    for group in Group::ALL {
        measure(group, &arguments, &mut figures).await?;
    }
    let text = serde_json::to_string_pretty(&figures)?;
    fs::write(&arguments.json, text + "\n")
        .with_context(|| format!("cannot write {}", arguments.json.display()))?;
    if let Some(docs) = &arguments.docs {
        page::write(docs, &figures)?;
    }
    let wrong: Vec<&Run> = figures.runs.iter().filter(|run| run.is_wrong()).collect();
    ensure!(wrong.is_empty(), "these gave addresses twice, or none: {wrong:?}");
    Ok(())
}

/// Measures all that are compared with each other.
async fn measure(group: Group, arguments: &Arguments, figures: &mut Figures) -> Result<()> {
    let wanted = |contender: &Contender| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == contender.name())
    };
    let contenders: Vec<Contender> = group.contenders().into_iter().filter(wanted).collect();
    if contenders.is_empty() {
        return Ok(());
    }
    let ground = contender::Ground::prepare(&contenders).await?;
    let mut disk = Disk::open()?;
    let duration = Duration::from_secs(arguments.seconds);
    for round in 0..arguments.rounds {
        for &clients in group.clients() {
            if !arguments.clients.is_empty() && !arguments.clients.contains(&clients) {
                continue;
            }
            for &contender in &contenders {
                figures.syncs.push(disk.probe()?);
                let name = contender.name();
                let run = ground.measure(contender, clients, duration).await;
                let run = run.with_context(|| format!("{name} with {clients} clients"))?;
                eprintln!(
                    "round {} {name} with {clients}: {:.0}/s, p50 {:.0} µs, p99 {:.0} µs, {} errors, {} twice",
                    round + 1,
                    run.requests.per_second,
                    run.requests.p50_us,
                    run.requests.p99_us,
                    run.errors.iter().map(|error| error.count).sum::<u64>(),
                    run.duplicates
                );
                figures.runs.push(run);
                ground.settle().await?;
            }
        }
    }
    Ok(())
}
