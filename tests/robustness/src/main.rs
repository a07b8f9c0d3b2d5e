//! `make robustness`: runs of real processes under faults, one seed a run.
#![allow(clippy::print_stdout, reason = "that is where a command reports")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use berth_robustness::{Fault, Report, run};
use clap::Parser;

/// Runs of real processes under faults.
#[derive(Parser)]
struct Arguments {
    /// The first run's seed.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// How many runs.
    #[arg(long, env = "RUNS", default_value_t = 22)]
    runs: u64,
    /// Where the files of runs that failed are kept.
    #[arg(long, default_value = ".robustness")]
    dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut passed = 0;
    let (mut operations, mut struck) = (0, BTreeMap::<Fault, usize>::new());
    for seed in arguments.seed..arguments.seed + arguments.runs {
        match one(seed, &arguments.dir).await {
            Ok(report) => {
                let how = if report.passed() { "passed" } else { "FAILED" };
                println!("seed {seed} {how}: {report}");
                passed += u64::from(report.passed());
                operations += report.operations;
                for fault in &report.faults {
                    *struck.entry(*fault).or_default() += 1;
                }
                if report.passed() {
                    continue;
                }
            }
            Err(error) => println!("seed {seed} FAILED: {error:#}"),
        }
        println!(
            "  once more: make robustness SEED={seed} RUNS=1; its files are in {}",
            arguments.dir.display()
        );
    }
    println!("{operations} operations; struck: {struck:?}");
    println!("robustness: {passed} passed, {} failed", arguments.runs - passed);
    if passed == arguments.runs { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes a run, and keeps its files if it fails.
async fn one(seed: u64, dir: &Path) -> Result<Report> {
    let files = dir.join(format!("seed-{seed}"));
    let _ = std::fs::remove_dir_all(&files);
    std::fs::create_dir_all(&files)?;
    // A socket's path is short.
    let place = tempfile::Builder::new().prefix("berth-").tempdir()?;
    let result = run(seed, place.path()).await;
    if result.as_ref().is_ok_and(Report::passed) {
        std::fs::remove_dir_all(&files)?;
        return result;
    }
    if let Ok(report) = &result {
        let history = BufWriter::new(File::create(files.join("history.jsonl"))?);
        report.judgement.history.write(history)?;
    }
    for node in ["n1", "n2", "n3", "a1"] {
        let _ = std::fs::copy(
            place.path().join(node).join("berth.log"),
            files.join(format!("{node}.log")),
        );
    }
    result
}
