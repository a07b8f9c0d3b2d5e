//! What a checker found.

use std::fmt;

use crate::Operation;

/// What must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// K1: no address has two live owners.
    NeverTwice,
    /// K2: what was acknowledged and not released is there in the end.
    NeverLost,
    /// K3: nothing is there that nobody asked for, or that was released.
    NoPhantoms,
    /// K4: each pool behaves as if its operations were done one after the other.
    Linearizable,
    /// K5: a request that is sent again gets the answer of its first run.
    OneAnswer,
    /// K6: what was answered is seen by whoever asks later.
    Monotonic,
    /// K7: what was said to be done is in the log, and what was said not to be done is not.
    InTheLog,
    /// The committed log, executed again, gives every answer.
    Replayed,
    /// Nodes that applied the same entries hold the same.
    SameState,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverTwice => "K1, no address has two owners",
            Self::NeverLost => "K2, nothing acknowledged is lost",
            Self::NoPhantoms => "K3, nothing is there that nobody asked for",
            Self::Linearizable => "K4, each pool is linearizable",
            Self::OneAnswer => "K5, one request has one answer",
            Self::Monotonic => "K6, later questions see earlier answers",
            Self::InTheLog => "K7, what was said is what the log says",
            Self::Replayed => "W1, the log gives every answer again",
            Self::SameState => "W2, the same log is the same state",
        })
    }
}

/// A rule is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// How.
    pub what: String,
    /// The operations that show it.
    pub operations: Vec<Operation>,
}

impl Violation {
    pub(crate) fn new<'a>(
        rule: Rule,
        what: String,
        operations: impl IntoIterator<Item = &'a Operation>,
    ) -> Self {
        Self { rule, what, operations: operations.into_iter().cloned().collect() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)?;
        for operation in &self.operations {
            write!(f, "\n    {operation}")?;
        }
        Ok(())
    }
}
