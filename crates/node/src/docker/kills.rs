//! A process that dies while it notes what no engine has heard: at each failpoint, and by SIGKILL. The next
//! one finds all that was noted, and nothing else.
//!
//! The test runs itself as the process that dies ([`child`]). `BERTH_KILLS` says how often
//! (`make storage`).
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "the child reports to its parent that way")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::unheard::tests::open as example;
use super::unheard::{Open, Unheard};

const DIR: &str = "BERTH_KILLS_DIR";
/// What is to happen, where, after how many times: `ACTION PLACE SKIP`.
const PLAN: &str = "BERTH_KILLS_PLAN";

const PLACES: [&str; 6] = [
    "journal.before",
    "journal.after",
    "file-write.before",
    "file-write.after",
    "file-rename.before",
    "file-rename.after",
];
const ACTIONS: [&str; 3] = ["abort", "refuse", "delay"];
/// Lives of one directory.
const LIVES: usize = 9;
/// Steps of a life that nothing ends.
const STEPS: u64 = 60;

/// The numbers of the commands under way.
fn numbers(open: &[Open]) -> BTreeSet<u64> {
    open.iter().map(|open| open.number.1.get()).collect()
}

/// What a step does: sends the next command, or hears the answer of the first.
fn step(open: &mut BTreeSet<u64>, number: u64) {
    match open.first().copied().filter(|_| number.is_multiple_of(3)) {
        Some(first) => drop(open.remove(&first)),
        None => drop(open.insert(number)),
    }
}

/// The process that dies. Nothing to do where no parent started it.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    println!();
    let plan = std::env::var(PLAN).unwrap();
    arm(&plan);
    if let Err(error) = live(Path::new(&dir)) {
        let told = format!("{error:?}");
        assert!(told.contains("failpoint"), "{told}");
        println!("struck {}", plan.split(' ').nth(1).unwrap());
    }
    std::process::exit(0);
}

fn arm(plan: &str) {
    let &[action, place, skip] = plan.split(' ').collect::<Vec<_>>().as_slice() else { return };
    let skipped = if skip == "0" { String::new() } else { format!("{skip}*off->") };
    if action == "refuse" {
        return fail::cfg(place, &format!("{skipped}1*return")).unwrap();
    }
    let left = std::sync::atomic::AtomicU64::new(skip.parse().unwrap());
    let (told, abort) = (place.to_owned(), action == "abort");
    let strike = move || {
        let order = std::sync::atomic::Ordering::Relaxed;
        if left.fetch_update(order, order, |left| left.checked_sub(1)).is_err() {
            println!("struck {told}");
            if abort {
                std::process::abort();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    fail::cfg_callback(place, strike).unwrap();
}

fn live(dir: &Path) -> Result<(), crate::file::FileError> {
    let unheard = Unheard::load(dir.join("unheard"))?;
    let mut open = numbers(&unheard.open());
    let list: Vec<String> = open.iter().map(u64::to_string).collect();
    println!("found {}", list.join(","));
    let first = open.last().map_or(1, |last| last + 1);
    for number in first..first + STEPS {
        println!("ask {number}");
        let before = open.clone();
        step(&mut open, number);
        match before.difference(&open).next() {
            Some(answered) => unheard.answered(example(*answered).number)?,
            None => unheard.sent(example(number))?,
        }
        println!("done {number}");
    }
    Ok(())
}

#[test]
fn what_was_noted_survives_every_death() {
    let kills = std::env::var("BERTH_KILLS").map_or(36, |kills| kills.parse().unwrap());
    let mut struck: BTreeMap<String, u64> = BTreeMap::new();
    let mut dir = tempfile::tempdir().unwrap();
    // What may be there: nothing was asked for yet.
    let mut possible = vec![BTreeSet::new()];
    for number in 0..kills {
        if number % LIVES == 0 {
            (dir, possible) = (tempfile::tempdir().unwrap(), vec![BTreeSet::new()]);
        }
        let plan = plan(number);
        let lines = lines(dir.path(), number, &plan);
        for line in &lines {
            match line.split_once(' ') {
                Some(("found", list)) => {
                    let list = list.split(',').filter(|word| !word.is_empty());
                    let found: BTreeSet<u64> = list.map(|word| word.parse().unwrap()).collect();
                    assert!(possible.contains(&found), "{plan}: {found:?} of {possible:?}");
                    possible = vec![found];
                }
                Some(("ask", step_number)) => {
                    let mut next = possible.last().unwrap().clone();
                    step(&mut next, step_number.parse().unwrap());
                    possible.push(next);
                }
                Some(("done", _)) => drop(possible.drain(..possible.len() - 1)),
                _ => {}
            }
        }
        // A delay may strike again and again.
        let place = lines.iter().find_map(|line| line.strip_prefix("struck "));
        let what = if plan.is_empty() { Some("SIGKILL") } else { place };
        if let Some(what) = what {
            *struck.entry(what.to_owned()).or_default() += 1;
        }
    }
    println!("{} deaths and refusals: {struck:?}", struck.values().sum::<u64>());
    assert!(PLACES.iter().all(|place| struck.contains_key(*place)), "{struck:?}");
}

/// One in four lives ends by SIGKILL; the others meet each place with each action in turn.
fn plan(number: usize) -> String {
    if number % 4 == 3 {
        return String::new();
    }
    let turn = number - number / 4;
    let (place, round) = (PLACES[turn % PLACES.len()], turn / PLACES.len());
    let skip = if place.starts_with("journal") { round * 7 % 50 } else { 0 };
    format!("{} {place} {skip}", ACTIONS[(turn + round) % ACTIONS.len()])
}

fn lines(dir: &Path, number: usize, plan: &str) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "docker::kills::child", "--nocapture"])
        .env(DIR, dir)
        .env(PLAN, plan)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut lines = Vec::new();
    if plan.is_empty() {
        lines.extend(told.by_ref().take(5 + number * 37 % 100));
        child.kill().unwrap();
    }
    lines.extend(told);
    child.wait().unwrap();
    lines
}
