//! A host's HTTP API, on its socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use berth_node::api::types::{
    Address, Fingerprint, Listing, NewSpace, Pool, Scope, Space, SpaceChange, Status,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longer than a host waits for its cluster.
const DEADLINE: Duration = Duration::from_secs(10);

/// The API on one socket.
#[derive(Clone)]
pub struct Api(PathBuf);

impl Api {
    /// Nothing is sent yet.
    pub fn new(socket: PathBuf) -> Self {
        Self(socket)
    }

    /// How the host is.
    pub async fn status(&self) -> Result<Status> {
        self.send(Method::GET, "/v1/status", Bytes::new()).await
    }

    /// A hash of what it holds of the cluster.
    pub async fn fingerprint(&self) -> Result<Fingerprint> {
        self.send(Method::GET, "/v1/fingerprint", Bytes::new()).await
    }

    /// All pools of a scope.
    pub async fn pools(&self, scope: Scope) -> Result<Listing<Pool>> {
        let scope = if scope == Scope::Local { "local" } else { "global" };
        self.send(Method::GET, &format!("/v1/pools?scope={scope}"), Bytes::new()).await
    }

    /// What is claimed or cooling of a pool.
    pub async fn addresses(&self, pool: &str) -> Result<Listing<Address>> {
        let path = format!("/v1/addresses?pool={}", pool.replace('@', "%40"));
        self.send(Method::GET, &path, Bytes::new()).await
    }

    /// Makes a space that many hosts share.
    pub async fn make_shared(&self, name: &str) -> Result<Space> {
        let settings = SpaceChange { reuse_delay_ms: Some(1_000), ..SpaceChange::default() };
        let space = NewSpace { name: name.to_owned(), shared: true, settings };
        self.send(Method::POST, "/v1/spaces", serde_json::to_vec(&space)?.into()).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T> {
        timeout(DEADLINE, exchange(&self.0, method, path, body))
            .await
            .context("no answer in time")?
    }
}

async fn exchange<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<T> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer; an error shows there.
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header(header::HOST, "berth");
    let answer = sender.send_request(request.body(Full::new(body))?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        bail!("HTTP {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(serde_json::from_slice(&body)?)
}
