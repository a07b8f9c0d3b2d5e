//! What came of a change, as the record has it.

use axum::response::Response as HttpResponse;
use berth_allocator::{Rejection, Response, Revision};
use berth_replication::LogIndex;

use super::cut;
use crate::api::Problem;
use crate::code::Code;

/// An outcome.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// `done`, `refused`, or `unknown`: it may have been done.
    pub(super) result: &'static str,
    /// Of the refusal.
    pub(super) code: Option<String>,
    pub(super) why: Option<String>,
    /// The entry of the replicated log that decided it; a ledger's have no number.
    pub(super) log_index: Option<u64>,
    /// The revision of the state that decided it.
    pub(super) revision: Option<u64>,
}

impl Outcome {
    /// It was decided by a state machine.
    pub(super) fn decided(
        log_index: Option<LogIndex>,
        revision: Revision,
        outcome: &Result<Response, Rejection>,
    ) -> Self {
        let refusal = outcome.as_ref().err();
        Self {
            result: if refusal.is_some() { "refused" } else { "done" },
            code: refusal.map(|rejection| rejection.code().to_owned()),
            why: refusal.map(Rejection::to_string),
            log_index: log_index.map(LogIndex::get),
            revision: Some(revision.get()),
        }
    }

    /// There was no decision that anybody heard of.
    pub(super) fn failed(problem: Problem) -> Self {
        let unknown = problem.code == Code::OutcomeUnknown.as_str();
        Self {
            result: if unknown { "unknown" } else { "refused" },
            code: Some(problem.code),
            why: Some(cut(&problem.detail).to_owned()),
            ..Self::default()
        }
    }

    /// Whoever asked did not wait for the outcome.
    pub(super) fn unheard() -> Self {
        Self::failed(Problem::new(
            Code::OutcomeUnknown,
            "whoever asked did not wait for the outcome",
        ))
    }

    /// What can be told of a request that began no command here.
    pub(super) fn of_response(response: &HttpResponse) -> Self {
        match response.extensions().get::<Problem>() {
            Some(problem) => Self::failed(problem.clone()),
            None if response.status().is_success() => Self { result: "done", ..Self::default() },
            None => {
                let why = Some(response.status().to_string());
                Self { result: "refused", why, ..Self::default() }
            }
        }
    }
}
