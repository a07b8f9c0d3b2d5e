//! HTTP to a plugin socket, byte for byte as engines speak it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::constants;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Connections kept for the next call.
const IDLE_MAX: usize = 2;

type Sender = SendRequest<Full<Bytes>>;

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("cannot connect to plugin socket {}: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the connection to the plugin failed: {0}")]
    Http(#[source] hyper::Error),
    #[error("cannot read the plugin's answer: {0}")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the plugin did not answer in time")]
    TimedOut,
}

/// What the plugin answered.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// A client of one plugin socket. Connections are kept and used again.
pub(crate) struct HttpClient {
    pub(crate) path: PathBuf,
    pub(crate) host: HeaderValue,
    idle: Mutex<Vec<Sender>>,
}

impl HttpClient {
    pub(crate) fn new(path: &Path) -> Self {
        let host = HeaderValue::from_static("plugin.moby.localhost");
        Self { path: path.to_owned(), host, idle: Mutex::default() }
    }

    /// One attempt at a call.
    pub(crate) async fn post(
        &self,
        method: &str,
        body: Bytes,
    ) -> Result<HttpAnswer, TransportError> {
        let mut request = self.request(method, body);
        while let Some(mut sender) = self.take_idle() {
            match sender.try_send_request(request).await {
                Ok(response) => return self.finish(sender, response).await,
                // The plugin closed the idle connection before a byte was sent: that is no failure.
                Err(mut unsent) => match unsent.take_message() {
                    Some(message) => request = message,
                    None => return Err(TransportError::Http(unsent.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(TransportError::Http)?;
        self.finish(sender, response).await
    }

    async fn connect(&self) -> Result<Sender, TransportError> {
        let stream = UnixStream::connect(&self.path)
            .await
            .map_err(|source| TransportError::Connect { path: self.path.clone(), source })?;
        let (sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(TransportError::Http)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the plugin ended");
            }
        });
        Ok(sender)
    }

    fn request(&self, method: &str, body: Bytes) -> Request<Full<Bytes>> {
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = format!("/{method}").parse().expect("method names are plain ASCII");
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static("Go-http-client/1.1"));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(ACCEPT, HeaderValue::from_static(constants::CONTENT_TYPE));
        request
    }

    async fn finish(
        &self,
        sender: Sender,
        response: Response<Incoming>,
    ) -> Result<HttpAnswer, TransportError> {
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(TransportError::Read)?.to_bytes();
        self.keep(sender);
        Ok(HttpAnswer { status, body })
    }

    fn take_idle(&self) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
    }
}
