//! The HTTP API, on a Unix socket: what the `berth` commands ask, and scripts may.
//!
//! Reads are linearizable unless `?consistency=stale` is asked for. Every error is a problem
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a stable code. What a request looks at
//! is a copy of the state, so that no large answer holds up the allocator.

mod addresses;
mod health;
mod hosts;
mod pools;
mod problem;
mod query;
mod server;
mod socket;
mod spaces;
mod states;
mod status;
mod suspects;
pub mod types;
pub(crate) mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use berth_allocator::SpaceName;
use berth_replication::{Ledger, NodeName, Replica};

pub use problem::Problem;
pub use server::ApiServer;
pub use socket::SocketError;

use crate::code::Code;
use crate::sender::Sender;

/// How long a read or a command waits for the cluster.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a request may take in all: reading it, waiting for the cluster, making the answer.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 256 << 10;

/// What the API serves. Clones serve the same.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    name: NodeName,
    local_space: SpaceName,
    global_space: SpaceName,
    local: Arc<Sender>,
    global: Arc<Sender>,
    replica: Replica,
    ledger: Arc<Ledger>,
}

impl Api {
    /// The API of a node. Its commands go through `local` and `global`, senders of its own.
    pub fn new(
        name: NodeName,
        (local_space, global_space): (SpaceName, SpaceName),
        local: Arc<Sender>,
        global: Arc<Sender>,
        replica: Replica,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self(Arc::new(Inner { name, local_space, global_space, local, global, replica, ledger }))
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
            .route("/v1/spaces/{name}/pools", get(pools::list_of_space))
            .route("/v1/pools", get(pools::list))
            .route("/v1/pools/{*id}", get(pools::show))
            .route("/v1/addresses", get(addresses::list))
            .route("/v1/hosts", get(hosts::list))
            .route("/v1/suspects/free", post(suspects::free))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(middleware::from_fn(in_time))
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
    let answer = tokio::time::timeout(REQUEST_MAX, next.run(request)).await;
    answer.map_err(|_| {
        let detail = format!("the request took longer than {} s", REQUEST_MAX.as_secs());
        Problem::new(Code::OutcomeUnknown, detail)
    })
}
