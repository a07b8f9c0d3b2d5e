//! Asks a node's API over its socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_replication::{AccessToken, TokenUse, connect_as_user};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::Failure;
use crate::api::Problem;
use crate::code::Code;
use crate::doctor::Ask;
use crate::unix_http::{ExchangeError, open, open_on, whole};

/// How long a node may take to answer: longer than it waits for its cluster.
const DEADLINE: Duration = Duration::from_secs(35);
/// How long it may take to check an import, and to go on with it.
const IMPORT_DEADLINE: Duration = Duration::from_mins(15);
/// Bytes of an answer: the largest listing has less.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A node's API.
pub(super) struct ApiClient(Way);

/// How it is reached.
enum Way {
    /// On this host.
    Socket(PathBuf),
    /// From anywhere, with a token as it is shown.
    Token(Box<AccessToken>, String),
}

impl ApiClient {
    /// The API on this socket.
    pub(super) fn new(socket: PathBuf) -> Self {
        Self(Way::Socket(socket))
    }

    /// The API of the cluster whose token a file holds.
    pub(super) fn with_token(file: &Path) -> Result<Self, Failure> {
        let unusable = |why: String| {
            let text = format!("cannot use the token in {}: {why}", file.display());
            Failure::new(Code::NoToken, text)
        };
        let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
        let token = AccessToken::parse(&text, TokenUse::Api);
        let token = token.map_err(|error| unusable(error.to_string()))?;
        Ok(Self(Way::Token(Box::new(token), text.trim().to_owned())))
    }

    /// Sends a request; gives the answer, whose body is still to come.
    async fn open(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        match &self.0 {
            Way::Socket(socket) => open(socket, request).await,
            Way::Token(token, text) => {
                let bearer = HeaderValue::try_from(format!("Bearer {text}"));
                let bearer = bearer.expect("a token is plain");
                request.headers_mut().insert(header::AUTHORIZATION, bearer);
                let stream = connect_as_user(token).await.map_err(ExchangeError::Connect)?;
                open_on(stream, request).await
            }
        }
    }

    /// What it is called in texts.
    fn name(&self) -> String {
        match &self.0 {
            Way::Socket(socket) => socket.display().to_string(),
            Way::Token(token, _) => token.addresses().join(", "),
        }
    }

    /// Makes or changes what is at a path; gives what it is then.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).expect("what is sent is made of names and numbers");
        self.send(Request::builder().method(method).uri(path), body.into()).await
    }

    /// Removes what is at a path.
    pub(super) async fn remove(&self, path: &str) -> Result<(), Failure> {
        self.send(Request::delete(path), Bytes::new()).await
    }

    /// Hands on what is at a path, a piece at a time.
    pub(super) async fn download(
        &self,
        path: &str,
        took: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let broke = |text: String| {
            Failure::new(
                Code::Unavailable,
                format!("the node's answer broke off: {text}; try again"),
            )
        };
        self.in_pieces(Request::get(path), Bytes::new(), DEADLINE, broke, took).await
    }

    /// Sends a file, and hands on what is answered, a piece at a time.
    pub(super) async fn upload(
        &self,
        path: &str,
        file: Bytes,
        took: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let broke = |text: String| {
            let text = format!("the node's answer broke off: {text}; look before you try again");
            Failure::new(Code::OutcomeUnknown, text)
        };
        self.in_pieces(Request::post(path), file, IMPORT_DEADLINE, broke, took).await
    }

    async fn in_pieces(
        &self,
        request: request::Builder,
        body: Bytes,
        deadline: Duration,
        broke: impl Fn(String) -> Failure,
        mut took: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let late = |_| broke(format!("nothing came for {} s", deadline.as_secs()));
        let request = request.header(header::HOST, "berth").body(Full::new(body));
        let request = request.expect("paths are made of checked names and numbers");
        let opened = timeout(deadline, self.open(request)).await.map_err(late)?;
        let answer = opened.map_err(|error| self.failed(error))?;
        if !answer.status().is_success() {
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| broke(error.to_string()))?.to_bytes();
            let problem: Problem =
                serde_json::from_slice(&body).map_err(|error| broke(error.to_string()))?;
            return Err(problem.into());
        }
        let mut body = answer.into_body();
        while let Some(frame) = timeout(deadline, body.frame()).await.map_err(late)? {
            let frame = frame.map_err(|error| broke(error.to_string()))?;
            if let Some(bytes) = frame.data_ref() {
                took(bytes)?;
            }
        }
        Ok(())
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: request::Builder,
        body: Bytes,
    ) -> Result<T, Failure> {
        let late = || {
            let seconds = DEADLINE.as_secs();
            Failure::new(
                Code::OutcomeUnknown,
                format!("the node gave no answer within {seconds} s"),
            )
        };
        let request = request.header(header::HOST, "berth").body(Full::new(body));
        let request = request.expect("paths are made of checked names and numbers");
        let asked = timeout(DEADLINE, self.ask_patiently(&request)).await;
        let (status, body) = asked.map_err(|_| late())??;
        let strange = |error: serde_json::Error| {
            let socket = self.name();
            let text = format!(
                "what {socket} answered is not Berth's, or of another version (HTTP {status}): \
                 {error}; check --api-socket and `berth --version`"
            );
            Failure::new(Code::StrangeAnswer, text)
        };
        if status.is_success() {
            let body = if body.is_empty() { b"null" } else { body.as_ref() };
            return serde_json::from_slice(body).map_err(strange);
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(strange)?;
        Err(problem.into())
    }

    /// Asks, and again when it is time to where it asked too often.
    async fn ask_patiently(
        &self,
        request: &Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        loop {
            let (status, body) = self.exchange(request.clone()).await?;
            if status != StatusCode::TOO_MANY_REQUESTS {
                return Ok((status, body));
            }
            let problem = serde_json::from_slice::<Problem>(&body).ok();
            match problem.and_then(|problem| problem.retry_after) {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => return Ok((status, body)),
            }
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let answered = async { whole(self.open(request).await?, ANSWER_BYTES_MAX).await };
        answered.await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ExchangeError) -> Failure {
        let unknown = |text: String| Failure::new(Code::OutcomeUnknown, text);
        match error {
            ExchangeError::Connect(error) => self.cannot_connect(&error),
            ExchangeError::Lost(error) => {
                unknown(format!("the node closed the connection: {error}; is it stopping?"))
            }
            ExchangeError::BrokeOff(error) => {
                unknown(format!("the node's answer broke off: {error}"))
            }
        }
    }

    fn cannot_connect(&self, error: &io::Error) -> Failure {
        let advice = match error.kind() {
            _ if matches!(self.0, Way::Token(..)) => {
                "is a server running there, and is its port open for this host? If all have moved, \
                 have another token made"
            }
            io::ErrorKind::PermissionDenied => "run this as root, or join the group berth",
            _ => "start `berth server` or `berth agent`, or set --api-socket or BERTH_API_SOCKET",
        };
        let text = format!("no node answers on {}: {error}; {advice}", self.name());
        Failure::new(Code::CannotConnect, text)
    }
}

impl Ask for ApiClient {
    type Error = Failure;

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Request::get(path), Bytes::new()).await
    }
}
