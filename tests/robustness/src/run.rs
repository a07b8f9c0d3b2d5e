//! One run: clients at work, one or two faults that overlap, everybody well again, and what must be true.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use berth_chaos::judge::{Judgement, Least, is_answered};
use berth_chaos::watch::Watch;
use berth_chaos::workload::{Course, ready};
use berth_checkers::Operation;
use tokio::time::{Instant, sleep};

use crate::fault::Fault;
use crate::ground::Ground;
use crate::rule::Rule;
use crate::strike::{heal, strike};

/// How long clients work before the first fault, and after all are over.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(3);
/// How long faults last, in milliseconds.
const LASTS_MS: (u64, u64) = (2_000, 6_000);
/// Hosts have settled what they left open.
const SETTLED: Duration = Duration::from_secs(3);
/// Between two looks at a node's log.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Acknowledged operations before the faults, and again after them.
const EACH_SIDE_MIN: usize = 30;
const LEAST: Least = Least { all: 120, each_scope: 20 };

/// What came of a run.
pub struct Report {
    /// What struck.
    pub faults: Vec<Fault>,
    /// What clients did.
    pub operations: usize,
    /// Until all hosts served again.
    pub recovered: Duration,
    /// What was found.
    pub judgement: Judgement,
}

impl Report {
    /// Whether all is well, and the run counts.
    pub fn passed(&self) -> bool {
        self.judgement.violations.is_empty() && self.judgement.invalid.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, operations, recovered, judgement } = self;
        write!(f, "{faults:?}: {operations} operations, all served {recovered:.1?} after")?;
        for why in &judgement.invalid {
            write!(f, "\n  does not count: {why}")?;
        }
        for violation in judgement.violations.iter().take(5) {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

/// Which faults a seed has: all come in turn, most with another one.
fn faults(seed: u64, rng: &mut fastrand::Rng) -> Vec<Fault> {
    let count = Fault::ALL.len();
    let first = Fault::ALL[usize::try_from(seed.wrapping_sub(1) % count as u64).unwrap_or(0)];
    let mut faults = vec![first];
    let second = Fault::ALL[rng.usize(0..count)];
    // Two of a kind would undo each other; of dead nodes there is nothing to cut, and a snapshot is needed of
    // a cluster that goes on.
    let apart = second.is_of_links() != first.is_of_links();
    if apart && first != Fault::KillAll && second != Fault::LateSnapshot {
        faults.push(second);
    }
    faults
}

/// Makes a run, with its files in `dir`.
pub async fn run(seed: u64, dir: &Path) -> Result<Report> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let faults = faults(seed, &mut rng);
    let mut ground = Ground::start(dir).await?;
    let hosts = ground.hosts.clone();
    let course = Course::begin(&hosts, seed, LOOK_EVERY).await?;
    let (watch, recorder) = (Arc::clone(&course.watch), Arc::clone(&course.recorder));

    sleep(BEFORE).await;
    let struck_at = recorder.now();
    let invalid = break_and_mend(&mut ground, &faults, &watch, &mut rng).await;
    let (healed, healed_at) = (Instant::now(), recorder.now());
    ready(&hosts).await.context("not all hosts served again")?;
    let recovered = healed.elapsed();
    sleep(AFTER).await;
    let (operations, mut judgement) = course.end(SETTLED, LEAST).await?;
    judgement.invalid.extend(invalid);
    let answered = |operation: &&Operation| is_answered(operation);
    let before = operations.iter().filter(answered).filter(|o| o.invoked < struck_at).count();
    let after = operations.iter().filter(answered).filter(|o| o.invoked > healed_at).count();
    if before < EACH_SIDE_MIN || after < EACH_SIDE_MIN {
        let why = format!("only {before} operations before the faults, and {after} after them");
        judgement.invalid.push(why);
    }
    Ok(Report { faults, operations: operations.len(), recovered, judgement })
}

/// Faults come, overlap, and are over. Why some did not strike.
async fn break_and_mend(
    ground: &mut Ground,
    faults: &[Fault],
    watch: &Watch,
    rng: &mut fastrand::Rng,
) -> Vec<String> {
    let (mut under_way, mut invalid) = (Vec::new(), Vec::new());
    for fault in faults {
        let leader = watch.leader().unwrap_or_default();
        match strike(ground, *fault, leader, rng).await {
            Ok(struck) => under_way.push((*fault, struck)),
            Err(error) => {
                ground.rule(|_, _| Some(Rule::default()));
                invalid.push(format!("{fault:?} did not strike: {error:#}"));
            }
        }
        sleep(Duration::from_millis(rng.u64(0..1_500))).await;
    }
    sleep(Duration::from_millis(rng.u64(LASTS_MS.0..LASTS_MS.1))).await;
    for (fault, struck) in under_way {
        if let Err(error) = heal(ground, struck).await {
            invalid.push(format!("{fault:?} did not strike: {error:#}"));
        }
    }
    invalid
}
