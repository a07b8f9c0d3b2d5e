//! A history that fails, without what it fails without as well.
//!
//! Commands name claims and sessions by the revision that made them. So none is taken out: what is
//! not needed becomes a command that changes nothing, and is not told.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use berth_allocator::Command;

use super::history::{History, Step};
use crate::world::space;

fn nothing() -> Command {
    Command::Unreserve { space: space("Lan"), first: "192.0.2.1".parse().unwrap() }
}

/// Executes steps until one fails: those done, and how it failed. A broken invariant is a panic.
fn failure(mut next: impl FnMut(&mut History) -> Option<Result<(), String>>) -> Option<History> {
    let mut history = History::begin();
    loop {
        match catch_unwind(AssertUnwindSafe(|| next(&mut history))) {
            Ok(None) => return None,
            Ok(Some(Ok(()))) => {}
            Ok(Some(Err(_))) | Err(_) => return Some(history),
        }
    }
}

fn repeated(steps: &[Step]) -> Option<History> {
    let mut steps = steps.iter();
    failure(|history| steps.next().map(|step| history.repeat(step)))
}

fn without(steps: &[Step], at: usize) -> Vec<Step> {
    let mut fewer = steps.to_vec();
    if steps[at].again {
        fewer.remove(at);
    } else {
        fewer[at].command = nothing();
    }
    fewer
}

/// Tells the steps that the history of these picks needs to fail.
pub(super) fn shorten(picks: &[[u8; 8]]) -> String {
    let mut picks = picks.iter();
    let Some(failed) = failure(|history| picks.next().map(|step| history.step(*step))) else {
        return "it does not fail twice".into();
    };
    let mut steps = failed.steps;
    loop {
        let before = steps.clone();
        for at in (0..before.len()).rev() {
            if at < steps.len()
                && let Some(failed) = repeated(&without(&steps, at))
            {
                steps = failed.steps;
            }
        }
        // What was needed may have been needed only by what is gone now.
        if steps == before {
            break;
        }
    }
    let mut told = String::new();
    for step in steps.iter().filter(|step| step.command != nothing()) {
        let Step { now, client, command, again } = step;
        let how = if *again { ", again" } else { "" };
        let _ = writeln!(told, "at {now}, {client}{how}: {command:?}");
    }
    told
}
