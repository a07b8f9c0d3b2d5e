//! What one run came to.

use std::collections::BTreeMap;
use std::fmt;

use crate::network::Micros;

/// What one run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What the seed stands for.
    pub scenario: String,
    /// How much time was simulated.
    pub simulated: Micros,
    /// What clients did.
    pub operations: usize,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// States of nodes that were compared.
    pub compared: u64,
    /// Snapshots that nodes went on from.
    pub installed: u64,
    /// A hash of all that happened.
    pub digest: u64,
    /// How much happened.
    pub events: u64,
    /// What must not have happened.
    pub violations: Vec<String>,
    /// Why the run has tested nothing, if it has not.
    pub invalid: Option<String>,
    /// What happened last.
    pub last: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.violations.is_empty() && self.invalid.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "scenario: {}", self.scenario)?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        if let Some(invalid) = &self.invalid {
            writeln!(f, "INVALID {invalid}")?;
        }
        write!(f, "seed {} trace {:016x}, {} events", self.seed, self.digest, self.events)
    }
}
