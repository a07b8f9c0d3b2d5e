//! One HTTP request over a Unix socket, as the commands ask a node and `berth doctor` an engine.

use std::error::Error;
use std::io;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// There was no whole answer.
pub(crate) enum ExchangeError {
    /// Nobody answers on the socket.
    Connect(io::Error),
    /// The connection was lost before the answer began.
    Lost(hyper::Error),
    /// The answer broke off, or is too long.
    BrokeOff(Box<dyn Error + Send + Sync>),
}

/// Sends a request on a connection of its own; gives the answer, whose body is still to come.
pub(crate) async fn open(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ExchangeError> {
    let stream = UnixStream::connect(socket).await.map_err(ExchangeError::Connect)?;
    open_on(stream, request).await
}

/// Sends a request on a connection that is for it alone.
pub(crate) async fn open_on(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ExchangeError> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(ExchangeError::Lost)?;
    // It ends with the answer; an error shows there.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(ExchangeError::Lost)
}

/// Sends a request on a connection of its own; gives the status and the body of the answer.
pub(crate) async fn exchange(
    socket: &Path,
    request: Request<Full<Bytes>>,
    answer_bytes_max: usize,
) -> Result<(StatusCode, Bytes), ExchangeError> {
    whole(open(socket, request).await?, answer_bytes_max).await
}

/// The status and the body of an answer.
pub(crate) async fn whole(
    answer: Response<Incoming>,
    answer_bytes_max: usize,
) -> Result<(StatusCode, Bytes), ExchangeError> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), answer_bytes_max).collect().await;
    Ok((status, body.map_err(ExchangeError::BrokeOff)?.to_bytes()))
}
