//! Runs the cases.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use super::cases::{CASES, Case, NEEDS_A_CLUSTER};
use super::lab::{Factory, Lab};
use super::profile::Profile;
use super::report::{CaseReport, Outcome, Report};
use super::verdict::Stop;

/// The cases, for one driver.
pub struct Suite {
    lab: Lab,
}

impl Suite {
    /// The suite for the drivers that `factory` makes, through the trait.
    pub fn new(factory: impl Factory + 'static, profile: Profile) -> Self {
        let factory: Arc<dyn Factory> = Arc::new(factory);
        Self { lab: Lab { profile, through_socket: false, factory } }
    }

    /// The same through a plugin server and a client, each driver on a socket of its own.
    #[must_use]
    pub fn through_socket(mut self) -> Self {
        self.lab.through_socket = true;
        self
    }

    /// Runs all cases. Those that need several hosts are listed as skipped, with the reason.
    pub async fn run(&self) -> Report {
        let mut report = self.run_those(|_| true).await;
        report.cases.extend(NEEDS_A_CLUSTER.iter().map(|&(number, name, why)| CaseReport {
            number,
            name,
            outcome: Outcome::Skipped(why.to_owned()),
            duration: std::time::Duration::ZERO,
        }));
        report.cases.sort_by_key(|case| case.number);
        report
    }

    /// Runs the cases of these numbers.
    pub async fn run_only(&self, numbers: &[u8]) -> Report {
        self.run_those(|case| numbers.contains(&case.number)).await
    }

    async fn run_those(&self, which: impl Fn(&Case) -> bool) -> Report {
        let mut report = Report::default();
        for case in CASES.iter().filter(|case| which(case)) {
            report.cases.push(self.run_case(case).await);
        }
        report
    }

    /// Runs a case on a task of its own, so that its panic is its own failure.
    async fn run_case(&self, case: &Case) -> CaseReport {
        let started = Instant::now();
        let deadline = self.lab.profile.case_deadline;
        let task = tokio::spawn((case.run)(self.lab.clone()));
        let abort = task.abort_handle();
        let outcome = match timeout(deadline, task).await {
            Ok(Ok(Ok(()))) => Outcome::Passed,
            Ok(Ok(Err(Stop::Failed(why)))) => Outcome::Failed(why),
            Ok(Ok(Err(Stop::Skipped(why)))) => Outcome::Skipped(why),
            Ok(Err(error)) => Outcome::Failed(error.to_string()),
            Err(_) => {
                abort.abort();
                Outcome::Failed(format!("not done after {deadline:?}"))
            }
        };
        let duration = started.elapsed();
        CaseReport { number: case.number, name: case.name, outcome, duration }
    }
}
