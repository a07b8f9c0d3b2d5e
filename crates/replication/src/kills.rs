//! Processes that die while they write: at each failpoint, by their disk's refusal, and by SIGKILL.
//!
//! The test runs itself as the process that dies ([`child`]). That one tells each step before it is
//! taken and after it was acknowledged; what it has told is what the next one must find
//! ([`history`]). `BERTH_KILLS` says how often (`make storage`).
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "the child reports to its parent that way")]

mod child;
mod found;
mod history;
mod places;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use history::History;
use places::PLACES;

/// Tells the child where to work.
const DIR: &str = "BERTH_KILLS_DIR";
/// Which random steps to take.
const SEED: &str = "BERTH_KILLS_SEED";
/// What is to happen, where, and after how many times: `ACTION PLACE SKIP`.
const PLAN: &str = "BERTH_KILLS_PLAN";

/// Lives of one directory: then another one begins empty.
const LIVES: u64 = 12;

/// What a failpoint does.
const ACTIONS: [&str; 3] = ["abort", "refuse", "delay"];

/// The process that dies. Nothing to do where no parent started it.
#[test]
fn child() {
    if let Ok(dir) = std::env::var(DIR) {
        child::run(Path::new(&dir));
    }
}

#[test]
fn what_was_acknowledged_survives_every_death() {
    // Each place once, with one of the actions, unless more are wanted.
    let usual = PLACES.len() as u64 * 4 / 3 + 1;
    let kills = std::env::var("BERTH_KILLS").map_or(usual, |kills| kills.parse().unwrap());
    let mut struck: BTreeMap<String, u64> = BTreeMap::new();
    let mut dir = tempfile::tempdir().unwrap();
    let mut history = History::default();
    for number in 0..kills {
        let plan = plan(number);
        if number % LIVES == 0 || places::is_first(&plan) {
            dir = tempfile::tempdir().unwrap();
            history = History::default();
        }
        let life = live(dir.path(), number, &plan);
        let told =
            || format!("life {number}, {plan:?}, {}:\n{}", life.ended, life.lines.join("\n"));
        history.check(&life.lines).unwrap_or_else(|wrong| panic!("{wrong} in {}", told()));
        match life.lines.iter().find_map(|line| line.strip_prefix("struck ")) {
            Some(place) => *struck.entry(place.to_owned()).or_default() += 1,
            None if plan.is_empty() => *struck.entry("SIGKILL".to_owned()).or_default() += 1,
            // RocksDB's threads may be in the way of a process that exits.
            None => assert!(life.lines.iter().any(|line| line == "lived"), "it died: {}", told()),
        }
    }
    // The last word is the next life's.
    let life = live(dir.path(), 0, "end");
    history
        .check(&life.lines)
        .unwrap_or_else(|wrong| panic!("{wrong}:\n{}", life.lines.join("\n")));
    println!("{} deaths and refusals:", struck.values().sum::<u64>());
    for (place, times) in &struck {
        println!("  {place} {times}");
    }
    let missed: Vec<_> = PLACES.iter().filter(|place| !struck.contains_key(**place)).collect();
    assert!(missed.is_empty(), "never struck: {missed:?}");
}

/// One in four lives ends by SIGKILL; the others meet each place with each action in turn.
fn plan(number: u64) -> String {
    if number % 4 == 3 {
        return String::new();
    }
    let turn = usize::try_from(number - number / 4).unwrap();
    let place = PLACES[turn % PLACES.len()];
    let round = turn / PLACES.len();
    let action = ACTIONS[(turn + round) % ACTIONS.len()];
    // What happens once a life cannot be skipped.
    let skip = if places::is_rare(place) { 0 } else { round % 4 };
    format!("{action} {place} {skip}")
}

struct Life {
    lines: Vec<String>,
    ended: ExitStatus,
}

/// Has a child live in `dir` until it ends by itself, or is killed.
fn live(dir: &Path, seed: u64, plan: &str) -> Life {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child", "--nocapture"])
        .env(DIR, dir)
        .env(SEED, seed.to_string())
        .env(PLAN, plan)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut lines = Vec::new();
    if plan.is_empty() {
        // Another moment in each life.
        let moment = usize::try_from(5 + seed * 37 % 150).unwrap();
        lines.extend(told.by_ref().take(moment));
        child.kill().unwrap();
    }
    lines.extend(told);
    let ended = child.wait().unwrap();
    Life { lines, ended }
}
