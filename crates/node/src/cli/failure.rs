//! How a command fails: a code, the reason, what to do next, and the exit code that says which kind.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::api::Problem;
use crate::code::Code;
use crate::config::ConfigError;
use crate::host::HostError;

/// Refused, or failed.
const FAILED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// No quorum, or no node answers.
const UNAVAILABLE: u8 = 3;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    exit: u8,
    code: String,
    text: String,
}

impl Failure {
    /// A failure of this kind.
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        let exit = match code {
            Code::Unavailable | Code::OutcomeUnknown | Code::CannotConnect | Code::NoRoom => {
                UNAVAILABLE
            }
            Code::BadRequest | Code::Configuration => USAGE,
            _ => FAILED,
        };
        Self { exit, code: code.to_string(), text: text.into() }
    }

    /// The same, with an error and all its causes.
    pub(super) fn of(code: Code, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
    }

    /// The process itself could not be set up.
    pub(super) fn cannot_start(error: &io::Error) -> Self {
        Self::new(Code::CannotStart, format!("cannot start: {error}"))
    }

    /// Whether there was no quorum, or no node that answers.
    pub(super) fn is_unavailable(&self) -> bool {
        self.exit == UNAVAILABLE
    }

    /// Tells the user.
    pub(super) fn report(&self) -> ExitCode {
        // Without a standard error there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "berth: {}: {}", self.code, self.text);
        ExitCode::from(self.exit)
    }
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(said.trim_end());
        }
        cause = error.source();
    }
    text
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Code::Configuration, chain(&error))
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::new(error.code(), chain(&error))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.status {
            503 | 504 => UNAVAILABLE,
            _ => FAILED,
        };
        Self { exit, code: problem.code, text: problem.detail }
    }
}
