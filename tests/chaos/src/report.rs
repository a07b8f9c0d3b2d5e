//! What an operator is told of a run: a page of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use berth_chaos::judge::{Judgement, RULES};
use berth_checkers::{Operation, Outcome};

use crate::nemesis::{Struck, counts};
use crate::series::{Second, millis, quantile};

/// Violations that are told in full.
const SHOWN_MAX: usize = 10;

/// All that a run was.
pub(crate) struct Run<'a> {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) commit: &'a str,
    pub(crate) operations: &'a [Operation],
    pub(crate) seconds: &'a [Second],
    pub(crate) struck: &'a [Struck],
    pub(crate) not_struck: &'a [String],
    pub(crate) leaders: usize,
    /// From the end of the last fault until all hosts served again.
    pub(crate) recovered: Option<Duration>,
    pub(crate) judgement: &'a Judgement,
}

/// How many checks passed, and how many did not.
pub(crate) fn tally(judgement: &Judgement) -> (usize, usize) {
    let broken = RULES.iter().filter(|rule| is_broken(judgement, **rule)).count();
    let failed = broken + usize::from(!judgement.invalid.is_empty());
    (RULES.len() + 1 - failed, failed)
}

fn is_broken(judgement: &Judgement, rule: berth_checkers::Rule) -> bool {
    judgement.violations.iter().any(|violation| violation.rule == rule)
}

/// Writes the page.
pub(crate) fn write(run: &Run<'_>) -> String {
    let mut page = String::new();
    let (passed, failed) = tally(run.judgement);
    let minutes = run.length.as_secs_f64() / 60.0;
    let _ = write!(
        page,
        "# Chaos: {passed} checks passed, {failed} failed\n\n\
         {minutes:.0} minutes on three nodes and two agents, at commit {}. Again with the same faults:\n\n\
         ```\nmake chaos CHAOS_MINUTES={minutes:.0} CHAOS_SEED={}\n```\n\n\
         ![What was answered, how fast, and what was wrong](chart.svg)\n\n",
        run.commit, run.seed
    );
    rules(&mut page, run.judgement);
    faults(&mut page, run);
    served(&mut page, run);
    page
}

fn rules(page: &mut String, judgement: &Judgement) {
    page.push_str("## What was checked\n\n| rule | found |\n| --- | --- |\n");
    for rule in RULES {
        let count = judgement.violations.iter().filter(|found| found.rule == rule).count();
        let found =
            if count == 0 { "holds".to_owned() } else { format!("**broken {count} times**") };
        let _ = writeln!(page, "| {rule} | {found} |");
    }
    let valid = if judgement.invalid.is_empty() { "yes" } else { "**no**" };
    let _ = writeln!(page, "| enough was done, and every kind of fault struck | {valid} |\n");
    for (what, how_many) in &judgement.looked_at {
        let _ = writeln!(page, "- {what}: {how_many}");
    }
    for why in &judgement.invalid {
        let _ = writeln!(page, "- does not count: {why}");
    }
    page.push('\n');
    for violation in judgement.violations.iter().take(SHOWN_MAX) {
        let _ = writeln!(page, "```\n{violation}\n```\n");
    }
}

fn faults(page: &mut String, run: &Run<'_>) {
    page.push_str(
        "## What went wrong\n\n| fault | times | seconds in all |\n| --- | --- | --- |\n",
    );
    for (kind, times) in counts(run.struck) {
        let of_kind = run.struck.iter().filter(|fault| fault.kind == kind);
        let seconds: f64 =
            of_kind.map(|fault| fault.until.saturating_sub(fault.from).as_secs_f64()).sum();
        let seconds = seconds.abs();
        let _ = writeln!(page, "| {} | {times} | {seconds:.0} |", kind.says());
    }
    let _ = writeln!(page, "\nLeadership changed hands {} times.", run.leaders.saturating_sub(1));
    match run.recovered {
        Some(after) => {
            let after = after.as_secs_f64();
            let _ = writeln!(page, "All hosts served again {after:.1} s after the last fault.\n");
        }
        None => page.push_str("**Not all hosts served again.**\n\n"),
    }
    for why in run.not_struck {
        let _ = writeln!(page, "- could not strike: {why}");
    }
}

fn served(page: &mut String, run: &Run<'_>) {
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for operation in run.operations {
        let outcome = match &operation.outcome {
            Outcome::Refused { .. } => "refused, with a reason",
            Outcome::NotDone => "not done, and said so",
            Outcome::Unknown => "unknown",
            _ => "done",
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    page.push_str("## What was served\n\n| requests | |\n| --- | --- |\n");
    for (outcome, count) in outcomes {
        let _ = writeln!(page, "| {outcome} | {count} |");
    }
    let served = run.seconds.iter().filter(|second| second.global > 0).count();
    let local = run.seconds.iter().filter(|second| second.local > 0).count();
    let all = run.seconds.len().max(1);
    let mut times: Vec<f64> = run
        .operations
        .iter()
        .filter(|operation| {
            !matches!(operation.outcome, Outcome::Unknown | Outcome::NotDone)
                && operation.scope == berth_checkers::Scope::Global
        })
        .filter_map(|operation| Some(millis(operation.returned? - operation.invoked)))
        .collect();
    times.sort_by(f64::total_cmp);
    let _ = write!(
        page,
        "\nThe cluster's spaces answered in {} % of all seconds, hosts' own spaces in {} %. Half of the \
         cluster's answers came within {:.1} ms, 99 of 100 within {:.0} ms.\n",
        served * 100 / all,
        local * 100 / all,
        quantile(&times, 50),
        quantile(&times, 99)
    );
}
