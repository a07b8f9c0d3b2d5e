//! How a case ends.

use std::{fmt, io};

/// Passed, or why not.
pub type Verdict<T = ()> = Result<T, Stop>;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The driver did something else than the contract says.
    #[error("{0}")]
    Failed(String),
    /// The case does not apply: to this driver, or to this way to it.
    #[error("{0}")]
    Skipped(String),
}

impl Stop {
    /// A failure.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// A case that does not apply.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("the connection broke: {error}"))
    }
}

/// Fails unless `condition` holds.
pub(crate) fn ensure(condition: bool, why: impl FnOnce() -> String) -> Verdict {
    if condition { Ok(()) } else { Err(Stop::Failed(why())) }
}

/// Fails unless what was found is what was expected.
pub(crate) fn expect<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Verdict {
    match (found, expected) {
        (found, expected) if found == expected => Ok(()),
        (found, expected) => {
            Err(Stop::Failed(format!("{what}: expected {expected:?}, found {found:?}")))
        }
    }
}
