//! Many seeds, and what they came to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[cfg(feature = "canary")]
use berth_allocator::canary::{Canary, sin};
use berth_sim::{Fault, Report};
use clap::Parser;

/// Runs simulations.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Runs at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Ends with the first seed that fails.
    #[arg(long)]
    until_failure: bool,
    /// Writes a run's trace here; for one seed.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Commits this sin, which must be caught: the exit status is 0 if it is.
    #[cfg(feature = "canary")]
    #[arg(long, value_parser = canary)]
    canary: Option<Canary>,
    /// Shows what the nodes log; for one seed.
    #[arg(long)]
    log: Option<String>,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(filter) = &arguments.log {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    }
    #[cfg(feature = "canary")]
    if let Some(canary) = arguments.canary {
        sin(canary);
    }
    match campaign(&arguments) {
        Ok(passed) => ExitCode::from(u8::from(passed != arguments.is_to_pass())),
        Err(error) => {
            // Where would this be written if not there?
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn is_to_pass(&self) -> bool {
        #[cfg(feature = "canary")]
        return self.canary.is_none();
        #[cfg(not(feature = "canary"))]
        true
    }
}

#[cfg(feature = "canary")]
fn canary(name: &str) -> Result<Canary, String> {
    let found = Canary::ALL.iter().find(|(known, _)| *known == name);
    let names = || Canary::ALL.map(|(name, _)| name).join(", ");
    found.map(|(_, canary)| *canary).ok_or_else(|| format!("none of {}", names()))
}

/// What all runs came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    failed: Vec<u64>,
    simulated: u64,
    operations: usize,
    compared: u64,
    installed: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        if !report.passed() {
            self.failed.push(report.seed);
        }
        self.simulated += report.simulated;
        self.operations += report.operations;
        self.compared += report.compared;
        self.installed += report.installed;
        for (what, count) in &report.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }
}

fn campaign(arguments: &Arguments) -> io::Result<bool> {
    let begun = Instant::now();
    let next = AtomicU64::new(arguments.first);
    let end = arguments.first + arguments.count;
    let sum = Mutex::new(Sum::default());
    let worker = || -> io::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return Ok(());
            }
            let report = berth_sim::run(seed, arguments.trace.as_deref())?;
            let mut sum = sum.lock().expect("nothing panics while it holds the sum");
            sum.add(&report);
            tell(&report, arguments, &sum)?;
            if arguments.until_failure && !report.passed() {
                next.store(end, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("panics are noted"))
    })?;
    let sum = sum.into_inner().expect("nothing panicked while it held the sum");
    summary(&sum, begun)?;
    Ok(sum.failed.is_empty())
}

fn tell(report: &Report, arguments: &Arguments, sum: &Sum) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let seed = report.seed;
    if !report.passed() {
        writeln!(out, "{report}\nto repeat it: make sim SEED={seed}")?;
    } else if arguments.count == 1 {
        let (digest, events) = (report.digest, report.events);
        writeln!(out, "seed {seed} passed: trace {digest:016x}, {events} events")?;
    } else if sum.seeds.is_multiple_of(10) {
        let (seeds, failed) = (sum.seeds, sum.failed.len());
        writeln!(out, "  {seeds} of {} seeds, {failed} failed", arguments.count)?;
    }
    Ok(())
}

fn summary(sum: &Sum, begun: Instant) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let hours = sum.simulated / 3_600_000_000;
    let minutes = sum.simulated / 60_000_000 % 60;
    writeln!(out, "simulated: {hours} h {minutes} min in {} s", begun.elapsed().as_secs())?;
    writeln!(out, "client operations: {}", sum.operations)?;
    writeln!(out, "states compared: {}, snapshots gone on from: {}", sum.compared, sum.installed)?;
    writeln!(out, "faults struck:")?;
    for fault in Fault::ALL {
        let count = sum.counts.get(fault.name()).copied().unwrap_or_default();
        writeln!(out, "  {:<20} {count}", fault.name())?;
    }
    let faults: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    writeln!(out, "besides:")?;
    for (what, count) in sum.counts.iter().filter(|(what, _)| !faults.contains(what)) {
        writeln!(out, "  {what:<32} {count}")?;
    }
    if !sum.failed.is_empty() {
        writeln!(out, "failed seeds: {:?}", sum.failed)?;
    }
    let failed = sum.failed.len() as u64;
    writeln!(out, "sim: {} passed, {failed} failed", sum.seeds - failed)
}
