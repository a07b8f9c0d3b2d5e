//! An agent's API: what is the cluster's is answered by a server, what is this host's here, and lists
//! of both by both.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State as Of};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use berth_replication::{AskError, Deadline, Servers};
use serde::Deserialize;
use serde_json::Value;

use super::types::Scope;
use super::{ANSWER_BYTES_MAX, Api, BODY_BYTES_MAX, Cluster, Problem, REQUEST_MAX, import};
use crate::code::Code;
use crate::peers::{self, ApiAnswer};

/// Paths that an agent answers itself: about its process, and what is too large for a message.
const OWN: [&str; 7] = [
    "/livez",
    "/readyz",
    "/v1/status",
    "/v1/fingerprint",
    "/v1/backup",
    "/v1/export",
    import::PATH,
];
/// Lists of things of both kinds of space.
const LISTS: [&str; 3] = ["/v1/spaces", "/v1/pools", "/v1/addresses"];

/// On an agent, hands to a server what is the cluster's.
pub(super) async fn servers(
    Of(api): Of<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Cluster::Servers(servers) = api.0.cluster.clone() else {
        return Ok(next.run(request).await);
    };
    if OWN.contains(&request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await;
    let body = body.map_err(|error| Problem::new(Code::TooLarge, error.to_string()))?;
    let here = |uri: &Uri| {
        let mut parts = parts.clone();
        parts.uri = uri.clone();
        Request::from_parts(parts, Body::from(body.clone()))
    };
    match scope(&api, &parts.method, &parts.uri, &body) {
        Some(Scope::Local) => Ok(next.run(here(&parts.uri)).await),
        Some(Scope::Global) => {
            let answer = ask(&servers, &parts.method, &parts.uri, &body).await?;
            Ok(response(answer))
        }
        None => {
            let local = next.run(here(&with_scope(&parts.uri, "local"))).await;
            if local.status() != StatusCode::OK {
                return Ok(local);
            }
            let global = with_scope(&parts.uri, "global");
            let global = ask(&servers, &parts.method, &global, &body).await?;
            if global.status != StatusCode::OK.as_u16() {
                return Ok(response(global));
            }
            both(&global.body, local).await
        }
    }
}

/// Where what is asked for is kept; `None` for a list of both.
fn scope(api: &Api, method: &Method, uri: &Uri, body: &[u8]) -> Option<Scope> {
    let of_space = |space: &str| {
        let local = space == api.0.local_space.as_str();
        Some(if local { Scope::Local } else { Scope::Global })
    };
    let path = uri.path();
    let named = ["/v1/spaces/", "/v1/pools/"].iter().find_map(|list| path.strip_prefix(list));
    if let Some(named) = named {
        return of_space(named.split('/').next().unwrap_or_default());
    }
    if *method == Method::GET && LISTS.contains(&path) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wanted {
            scope: Option<Scope>,
            space: Option<String>,
            pool: Option<String>,
        }
        // What cannot be read is refused here, as on a node.
        let Ok(Query(wanted)) = Query::<Wanted>::try_from_uri(uri) else {
            return Some(Scope::Local);
        };
        let pool = wanted.pool.as_deref().and_then(|pool| pool.split('/').next());
        return match wanted.space.as_deref().or(pool) {
            Some(space) => of_space(space),
            None => wanted.scope,
        };
    }
    let pool = serde_json::from_slice::<BTreeMap<String, Value>>(body).ok();
    let pool = pool.and_then(|body| Some(body.get("pool")?.as_str()?.to_owned()));
    match pool.as_deref().and_then(|pool| pool.split('/').next()) {
        Some(space) => of_space(space),
        None => Some(Scope::Global),
    }
}

/// The same, of one kind of space only.
fn with_scope(uri: &Uri, scope: &str) -> Uri {
    let query = uri.query().map(|query| format!("{query}&")).unwrap_or_default();
    let target = format!("{}?{query}scope={scope}", uri.path());
    target.parse().unwrap_or_else(|_| uri.clone())
}

async fn ask(
    servers: &Servers,
    method: &Method,
    uri: &Uri,
    body: &[u8],
) -> Result<ApiAnswer, Problem> {
    let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str()).to_owned();
    let deadline = Deadline::after(REQUEST_MAX / 2);
    let asked = peers::api(servers, method.to_string(), target, body.to_vec(), deadline).await;
    asked.map_err(|error| match error {
        AskError::Silent(reason) if *method != Method::GET => Problem::new(
            Code::OutcomeUnknown,
            format!("it is not known whether this was done: {reason}; look before you ask again"),
        ),
        error => Problem::new(
            Code::Unavailable,
            format!("{error}; this host's own space can be asked with its name or `scope=local`"),
        ),
    })
}

fn response(answer: ApiAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    if !status.is_success()
        && let Ok(problem) = serde_json::from_slice::<Problem>(&answer.body)
    {
        return problem.into_response();
    }
    (status, [(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}

/// Two lists as one: the cluster's first, as on a node.
async fn both(global: &[u8], local: Response) -> Result<Response, Problem> {
    let strange = |error: String| Problem::new(Code::Unavailable, error);
    let mut all: Value =
        serde_json::from_slice(global).map_err(|error| strange(error.to_string()))?;
    let local = to_bytes(local.into_body(), ANSWER_BYTES_MAX).await;
    let local = local.map_err(|error| strange(error.to_string()))?;
    let mut local: Value =
        serde_json::from_slice(&local).map_err(|error| strange(error.to_string()))?;
    let more = local["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
    if let Some(items) = all["items"].as_array_mut() {
        items.extend(more);
    }
    all["truncated"] =
        (all["truncated"] == Value::Bool(true) || local["truncated"] == Value::Bool(true)).into();
    Ok(axum::Json(all).into_response())
}
