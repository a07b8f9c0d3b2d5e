//! What comes with a request, checked: parameters with unknown ones refused, path, body.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use berth_allocator::Text;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Problem;
use super::types::{Consistency, Scope};
use crate::code::Code;

/// The parameters of a request.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parsed = Query::try_from_uri(&parts.uri);
        let bad = |error: axum::extract::rejection::QueryRejection| {
            Problem::new(Code::BadRequest, error.body_text())
        };
        parsed.map(|Query(parameters)| Self(parameters)).map_err(bad)
    }
}

/// A part of the path.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(segment) = Path::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
        Ok(Self(segment))
    }
}

/// The body of a request, as JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| {
            let large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let code = if large { Code::TooLarge } else { Code::BadRequest };
            Problem::new(code, error.body_text())
        })?;
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Self).map_err(|error| Problem::new(Code::BadRequest, error.to_string()))
    }
}

/// An address, from a request.
pub(super) fn address(text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| {
        Problem::new(Code::BadRequest, format!("{text:?} is not an address, such as 10.0.0.7"))
    })
}

/// A note, from a request.
pub(super) fn note(text: String) -> Result<Text, Problem> {
    Text::new(text).map_err(|error| Problem::new(Code::BadRequest, error.to_string()))
}

/// What every read takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReadParameters {
    /// How new it must be.
    pub(super) consistency: Consistency,
}

/// Which things are listed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListParameters {
    /// How new it must be.
    pub(super) consistency: Consistency,
    /// Of this host or of the cluster only.
    pub(super) scope: Option<Scope>,
    /// Of this space only.
    pub(super) space: Option<String>,
    /// Of this pool only.
    pub(super) pool: Option<String>,
    /// This address only, free or not.
    pub(super) address: Option<String>,
}

/// A request that takes no parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}
