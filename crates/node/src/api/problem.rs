//! Errors of the API: problem details with a stable code.

use axum::Extension;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use berth_allocator::Rejection;
use berth_replication::ReadError;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::sender::SubmitError;

/// An error, as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of error: `urn:berth:error:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What HTTP calls it.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What happened, and what to do.
    pub detail: String,
    /// Seconds after which to ask again, where that helps; the header `Retry-After` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// An error of the node.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = match code {
            Code::Unavailable | Code::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Code::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
            Code::BadRequest => StatusCode::BAD_REQUEST,
            Code::NoSuchPath | Code::NotInAnyPool | Code::NoSuchMember => StatusCode::NOT_FOUND,
            Code::QuorumAtRisk
            | Code::NotCaughtUp
            | Code::MembershipRefused
            | Code::NoToken
            | Code::NotAllKnow => StatusCode::CONFLICT,
            Code::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Code::Import => StatusCode::UNPROCESSABLE_ENTITY,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Code::NotAllowed => StatusCode::FORBIDDEN,
            Code::WhoAreYou => StatusCode::UNAUTHORIZED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(status, code.as_str(), detail.into())
    }

    fn of(status: StatusCode, code: &str, detail: String) -> Self {
        Self {
            kind: format!("urn:berth:error:{code}"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail,
            retry_after: None,
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        use Rejection as R;
        let status = match &rejection {
            R::UnknownSpace { .. }
            | R::UnknownPool { .. }
            | R::UnknownReservation { .. }
            | R::UnknownToken => StatusCode::NOT_FOUND,
            R::Settings(_)
            | R::InvalidSubPool { .. }
            | R::OutOfRange { .. }
            | R::InvalidRange { .. }
            | R::Misplaced { .. }
            | R::VoidToken => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::CONFLICT,
        };
        Self::of(status, rejection.code(), rejection.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let detail = format!(
            "{error}; what this node knows can be read with `--stale` (`?consistency=stale`)"
        );
        Self::new(Code::Unavailable, detail)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Rejected(rejection) => rejection.into(),
            SubmitError::NotExecuted(_) | SubmitError::Forgotten(_) => {
                Self::new(Code::Unavailable, error.to_string())
            }
            SubmitError::NoRoom(reason) => Self::new(Code::NoRoom, reason),
            SubmitError::Unknown(_) => {
                Self::new(Code::OutcomeUnknown, format!("{error}; look before you ask again"))
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem is plain text and numbers");
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let again = self.retry_after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
        // Itself too, for those who record it.
        (status, kind, again, Extension(self), body).into_response()
    }
}
