//! One question to an engine's API: HTTP on its Unix socket.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long the engine may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Bytes of its answer: a hundred thousand tasks.
const ANSWER_BYTES_MAX: usize = 512 << 20;

/// The engine's API did not tell. What cannot be seen is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// No engine answers.
    #[error("no engine answers on {socket}: {source}; set --docker-socket, or run this as root")]
    Connect {
        /// Its socket.
        socket: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A question was not answered.
    #[error("the engine did not answer {path}: {reason}")]
    Answer {
        /// What was asked.
        path: String,
        /// Why not.
        reason: String,
    },
    /// What was asked for is not there.
    #[error("the engine has no {path}")]
    NotFound {
        /// What was asked for.
        path: String,
    },
    /// An address cannot be read.
    #[error("the engine shows {text:?} on network {network}, which is no address")]
    Address {
        /// The network.
        network: String,
        /// What it shows.
        text: String,
    },
}

/// What the engine has at a path, in whatever version of its API it prefers.
pub(super) async fn ask<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, DockerError> {
    let failed = |reason: String| DockerError::Answer { path: path.to_owned(), reason };
    let body = timeout(ANSWER_MAX, get(socket, path)).await;
    let body = body.map_err(|_| failed(format!("nothing within {ANSWER_MAX:?}")))??;
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}

async fn get(socket: &Path, path: &str) -> Result<Bytes, DockerError> {
    let connected = UnixStream::connect(socket).await;
    let stream = connected
        .map_err(|source| DockerError::Connect { socket: socket.display().to_string(), source })?;
    let failed = |reason: String| DockerError::Answer { path: path.to_owned(), reason };
    let broken = |error: hyper::Error| failed(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the answer; an error shows there.
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, "docker").body(Empty::<Bytes>::new());
    let request = request.expect("paths are made of ids");
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
    match status.as_u16() {
        200..=299 => Ok(body),
        404 => Err(DockerError::NotFound { path: path.to_owned() }),
        _ => Err(failed(format!("HTTP {status}: {}", String::from_utf8_lossy(&body).trim()))),
    }
}
