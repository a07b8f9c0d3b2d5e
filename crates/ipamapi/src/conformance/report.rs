//! What a run of the suite found.

use std::fmt;
use std::time::Duration;

/// The outcome of each case that was asked for, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry a case.
    pub cases: Vec<CaseReport>,
}

/// The outcome of one case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The case's number in the contract.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the contract says.
    Passed,
    /// Otherwise.
    Failed(String),
    /// Not run, for this reason.
    Skipped(String),
}

impl Report {
    /// How many cases passed.
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// How many were skipped.
    pub fn skipped(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Skipped(_)))
    }

    /// Panics with the whole report if a case failed. For tests.
    pub fn assert_none_failed(&self) {
        assert_eq!(self.failed(), 0, "\n{self}");
    }

    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.cases.iter().filter(|case| which(&case.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for CaseReport { name, outcome, duration, .. } in &self.cases {
            match outcome {
                Outcome::Passed => writeln!(f, "pass  {name} ({duration:.1?})")?,
                Outcome::Failed(why) => writeln!(f, "FAIL  {name}: {why}")?,
                Outcome::Skipped(why) => writeln!(f, "skip  {name}: {why}")?,
            }
        }
        let (passed, failed, skipped) = (self.passed(), self.failed(), self.skipped());
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
