//! HTTP around the calls: paths, bodies and their limits, deadlines.
//!
//! Nothing is asked of a request's headers: engines send no content type, and an empty or escaped
//! `Host`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::ServerConfig;
use super::brief::brief;
use super::call::Call;
use super::exchange::{Exchange, Reply};
use super::line::Line;
use super::stream::{Delivery, Receipt};
use crate::{Ipam, IpamError, Peer, RequestContext, constants};

/// What all connections of a server share.
pub(crate) struct Service {
    pub(crate) driver: Arc<dyn Ipam>,
    pub(crate) config: ServerConfig,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) requests: AtomicU64,
}

/// What one connection's requests share.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) peer: Option<Peer>,
    pub(crate) delivery: Delivery,
    pub(crate) line: Arc<Line>,
    pub(crate) running: mpsc::Sender<()>,
}

impl Service {
    pub(crate) async fn answer(
        self: Arc<Self>,
        caller: Caller,
        request: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        caller.delivery.begin();
        let delivery = caller.delivery.clone();
        let reply = match self.read(request).await {
            Ok(call) => self.call(caller, call).await,
            Err(refusal) => {
                let (status, error) = (refusal.status, brief(&refusal.body));
                tracing::warn!(peer = ?caller.peer, status, error, "not a call of the contract");
                refusal
            }
        };
        Ok(respond(reply, delivery))
    }

    /// Reads the request, or says what is wrong with it.
    async fn read(&self, request: Request<Incoming>) -> Result<Call, Reply> {
        if request.method() != Method::POST {
            return Err(Reply::error(405, "methods of a plugin are called with POST"));
        }
        let path = request.uri().path().to_owned();
        let method = path.strip_prefix('/').unwrap_or(&path);
        let body = self.read_body(request).await?;
        match Call::parse(method, &body) {
            Some(Ok(call)) => Ok(call),
            Some(Err(error)) => Err(Reply::from(&error)),
            None => Err(Reply::error(404, &format!("this plugin has no method {method:?}"))),
        }
    }

    async fn read_body(&self, request: Request<Incoming>) -> Result<Bytes, Reply> {
        let limit = self.config.body_bytes_max;
        let too_large = || Reply::error(413, &format!("the body is larger than {limit} bytes"));
        let body = request.into_body();
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let whole = Limited::new(body, limit).collect();
        match timeout(self.config.read_deadline, whole).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => Err(Reply::error(400, &format!("cannot read the body: {error}"))),
            Err(_) => Err(Reply::error(408, "the body did not arrive in time")),
        }
    }

    /// Calls the driver and waits for its answer until the deadline.
    async fn call(&self, caller: Caller, call: Call) -> Reply {
        let id = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let deadline = Instant::now() + self.config.deadline;
        let Ok(permit) = timeout_at(deadline, self.calls.clone().acquire_owned()).await else {
            let max = self.config.calls_max;
            let text = format!("{max} requests are under way already; nothing was changed");
            return Reply::from(&IpamError::unavailable(text));
        };
        let permit = permit.expect("the semaphore is never closed");
        if caller.line.is_hung_up() {
            // It may have lain here while this process stood still: since then the engine may have
            // died, and its successor may have asked for what this would release.
            tracing::warn!(request = id, call = brief(&call), "not begun: the caller hung up");
            return Reply::from(&IpamError::unavailable("the caller hung up: nothing was changed"));
        }
        // Dropped when this function ends in any way: that is how the driver learns of it.
        let (context, _waiting) =
            RequestContext::of_request(id, caller.peer, deadline).with_caller();
        let (reply, answer) = oneshot::channel();
        let driver = Arc::clone(&self.driver);
        let running = caller.running;
        tokio::spawn(Exchange { driver, context, call, reply, permit, running }.run());
        match timeout_at(deadline, answer).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => {
                tracing::error!(request = id, "the driver panicked");
                Reply::from(&IpamError::internal("the ipam driver failed: see its log"))
            }
            Err(_) => {
                tracing::warn!(request = id, "not answered before the deadline");
                Reply::from(&IpamError::deadline(format!(
                    "the ipam driver did not answer within {:?}: the outcome is unknown, see its \
                     log (request {id})",
                    self.config.deadline,
                )))
            }
        }
    }
}

fn respond(reply: Reply, delivery: Delivery) -> Response<AnswerBody> {
    let Reply { status, body, receipt } = reply;
    let bytes = Some(Bytes::from(body.to_string()));
    let mut response = Response::new(AnswerBody { bytes, receipt, delivery });
    *response.status_mut() = StatusCode::from_u16(status).expect("the statuses here are valid");
    let content_type = HeaderValue::from_static(constants::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    if status == 405 {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// The body of an answer. Its receipt goes the way of its bytes.
pub(crate) struct AnswerBody {
    bytes: Option<Bytes>,
    receipt: Option<Receipt>,
    delivery: Delivery,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            let receipt = self.receipt.take();
            self.delivery.handed_over(receipt);
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
