//! The HTTP API, on a Unix socket: what the `berth` commands ask, and scripts may.
//!
//! Reads are linearizable unless `?consistency=stale` is asked for. Every error is a problem
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a stable code. What a request looks at
//! is a copy of the state, so that no large answer holds up the allocator.

mod access;
mod addresses;
mod backup;
mod bearer;
mod cluster;
mod export;
mod health;
mod hosts;
mod import;
mod level;
mod members;
mod pieces;
mod pools;
mod problem;
mod query;
mod rate;
mod reservations;
mod resume;
mod server;
mod socket;
mod spaces;
mod states;
mod status;
mod suspects;
mod through;
mod tokens;
pub mod types;
mod verify;
pub(crate) mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use berth_allocator::SpaceName;
use berth_replication::{Ledger, NodeName};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

pub use cluster::Cluster;
pub use problem::Problem;
pub use server::ApiServer;
pub use socket::{Socket, SocketError};

use self::rate::Rates;
use crate::audit::{self, Asker};
use crate::code::Code;
use crate::docker::Driver;
use crate::peers::{ApiAnswer, Respondent};
use crate::room::Room;
use crate::sender::Sender;

/// How long a read or a command waits for the cluster.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a request may take in all: reading it, waiting for the cluster, making the answer.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Backups and exports made, and imports carried out, at a time.
const COPIES_MAX: usize = 1;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Bytes of an answer to this process itself.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What the API serves. Clones serve the same.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    name: NodeName,
    local_space: SpaceName,
    global_space: SpaceName,
    local: Arc<Sender>,
    ledger: Arc<Ledger>,
    cluster: Cluster,
    driver: Arc<Driver>,
    respondent: Arc<Respondent>,
    room: Room,
    /// Places for requests that hold a copy of the state for long.
    copies: Arc<Semaphore>,
    rates: Rates,
    /// Places for connections of users elsewhere.
    users: Arc<Semaphore>,
}

impl Api {
    /// The API of a host. Its commands about the host's own space go through `local`, a sender of its
    /// own.
    pub(crate) fn new(
        name: NodeName,
        (local_space, global_space): (SpaceName, SpaceName),
        local: Arc<Sender>,
        ledger: Arc<Ledger>,
        cluster: Cluster,
        (driver, respondent, room): (Arc<Driver>, Arc<Respondent>, Room),
    ) -> Self {
        let copies = Arc::new(Semaphore::new(COPIES_MAX));
        let inner = Inner {
            name,
            local_space,
            global_space,
            local,
            ledger,
            cluster,
            driver,
            respondent,
            room,
            copies,
            rates: Rates::default(),
            users: Arc::new(Semaphore::new(server::CONNECTIONS_MAX)),
        };
        Self(Arc::new(inner))
    }

    /// What it answers to a request that did not come through its socket.
    pub(crate) async fn answer(
        &self,
        asker: Asker,
        method: &str,
        target: &str,
        body: Vec<u8>,
    ) -> Result<ApiAnswer, String> {
        let request = Request::builder().method(method).uri(target).body(Body::from(body));
        let request = request.map_err(|error| error.to_string())?;
        let router = TowerToHyperService::new(self.clone().router());
        let response = audit::on_behalf_of(asker, router.call(request)).await;
        let response = response.unwrap_or_else(|never| match never {});
        let content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
        Ok(ApiAnswer {
            status,
            content_type: content_type
                .and_then(|kind| Some(kind.to_str().ok()?.to_owned()))
                .unwrap_or_default(),
            body: body.map_err(|error| error.to_string())?.to_vec(),
        })
    }

    fn router(self) -> Router {
        Router::new()
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/v1/status", get(status::show))
            .route("/v1/fingerprint", get(status::fingerprint))
            .route("/v1/spaces", get(spaces::list).post(spaces::create))
            .route(
                "/v1/spaces/{name}",
                get(spaces::show).patch(spaces::change).delete(spaces::remove),
            )
            .route("/v1/spaces/{name}/reservations", post(reservations::add))
            .route("/v1/spaces/{name}/reservations/{first}", delete(reservations::remove))
            .route("/v1/spaces/{name}/pools", get(pools::list_of_space))
            .route("/v1/pools", get(pools::list))
            .route("/v1/pools/{*id}", get(pools::show))
            .route("/v1/addresses", get(addresses::list))
            .route("/v1/hosts", get(hosts::list))
            .route("/v1/suspects/free", post(suspects::free))
            .route("/v1/export", get(export::lines))
            .route(import::PATH, post(import::upload))
            .route("/v1/backup", get(backup::download))
            .route("/v1/verify", post(verify::all))
            .route("/v1/resume", post(resume::resume))
            .route("/v1/members", get(members::list))
            .route("/v1/members/{member}", delete(members::remove))
            .route("/v1/members/{member}/promote", post(members::promote))
            .route("/v1/leader", put(members::lead))
            .route("/v1/level", get(level::show).post(level::raise))
            .route("/v1/authority", get(tokens::authority))
            .route("/v1/tokens", get(tokens::list).post(tokens::create))
            .route("/v1/tokens/{id}", delete(tokens::revoke))
            .route("/v1/join-tokens", post(tokens::create_for_hosts))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(middleware::from_fn_with_state(self.clone(), through::servers))
            .layer(middleware::from_fn(access::allowed))
            .layer(middleware::from_fn(in_time))
            .layer(middleware::from_fn(audit::of_requests))
            .layer(middleware::from_fn_with_state(self.clone(), rate::limited))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self)
    }
}

async fn no_such_path(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(Code::NoSuchPath, format!("the API has no path {path}"))
}

async fn no_such_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(Code::NoSuchMethod, format!("{path} has no method {method}"))
}

async fn in_time(request: Request, next: Next) -> Result<Response, Problem> {
    if request.uri().path() == import::PATH {
        return Ok(next.run(request).await);
    }
    let answer = tokio::time::timeout(REQUEST_MAX, next.run(request)).await;
    answer.map_err(|_| {
        let detail = format!("the request took longer than {} s", REQUEST_MAX.as_secs());
        Problem::new(Code::OutcomeUnknown, detail)
    })
}
