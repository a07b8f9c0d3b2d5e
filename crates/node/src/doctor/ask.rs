//! One question to an engine's API: HTTP on its Unix socket.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::unix_http::{ExchangeError, exchange};

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
    let failed = |reason: String| DockerError::Answer { path: path.to_owned(), reason };
    let request = Request::get(path).header(header::HOST, "docker").body(Full::default());
    let request = request.expect("paths are made of ids");
    let answer = exchange(socket, request, ANSWER_BYTES_MAX).await;
    let (status, body) = answer.map_err(|error| match error {
        ExchangeError::Connect(source) => {
            DockerError::Connect { socket: socket.display().to_string(), source }
        }
        ExchangeError::Lost(error) => failed(error.to_string()),
        ExchangeError::BrokeOff(error) => failed(error.to_string()),
    })?;
    match status.as_u16() {
        200..=299 => Ok(body),
        404 => Err(DockerError::NotFound { path: path.to_owned() }),
        _ => Err(failed(format!("HTTP {status}: {}", String::from_utf8_lossy(&body).trim()))),
    }
}
