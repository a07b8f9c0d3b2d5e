//! The listening side: accepts connections, greets, and has requests answered.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use berth_allocator::TokenHash;
use berth_pki::Purpose;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::crowd::Crowd;
use super::frame::{self, BODY_BYTES_MAX, Frame, FrameKind};
use super::greeting::Lane;
use super::handshake::{Caller, HandshakeError};
use super::link::chain;
use super::message::{Request, Response};
use super::stream::{PeerListener, PeerStream};
use super::{Links, handshake};
use crate::NodeName;
#[cfg(shuttle)]
use crate::interleavings::JoinSetExt as _;
use crate::raft::VoteRecord;
use crate::snapshot::Incoming;

/// Connections open at a time: four lanes from each peer, one from each agent, and room for those
/// being replaced.
const CONNECTIONS_MAX: usize = 4_096;
/// Requests of one connection being answered at a time.
const REQUESTS_MAX: usize = 256;
/// How long a peer may take no bytes.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How often it is looked at whether a caller's certificate has expired.
const EXPIRY_CHECK: Duration = Duration::from_mins(1);
/// The log's target for who was let in, or not, and what they changed.
pub(crate) const AUDIT: &str = "audit";
/// Pause when the system gives no more connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection remembers between its requests.
#[derive(Default)]
pub(crate) struct Session {
    /// A snapshot being received, and the vote it comes under.
    pub(crate) receiving: Option<(VoteRecord, Incoming)>,
}

/// Answers requests.
pub(crate) trait Handle: Send + Sync + 'static {
    /// Answers a node's request that depends on no other one.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Answers an agent's request, and none that is for nodes only.
    fn handle_agent(
        &self,
        agent: &NodeName,
        request: Request,
    ) -> impl Future<Output = Response> + Send;

    /// Answers a newcomer's request: to be admitted, and nothing else.
    fn handle_newcomer(
        &self,
        newcomer: (&NodeName, &TokenHash),
        request: Request,
    ) -> impl Future<Output = Response> + Send;

    /// Serves a user of the API.
    fn serve_user(&self, stream: PeerStream, peer: &str) -> impl Future<Output = ()> + Send;

    /// Answers a request in the order of its connection.
    fn handle_in_order(
        &self,
        session: &mut Session,
        request: Request,
    ) -> impl Future<Output = Response> + Send;
}

/// Answers on a port.
pub(crate) struct Server {
    listener: PeerListener,
    links: Links,
    crowd: Crowd,
}

impl Server {
    pub(crate) fn new(listener: PeerListener, links: Links) -> Self {
        Self { listener, links, crowd: Crowd::default() }
    }

    /// Serves until it is dropped; its connections end with it.
    pub(crate) async fn run<H: Handle>(self, handler: Arc<H>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Twice as many may greet, so that one too many is told so.
        let greeting = Arc::new(Semaphore::new(2 * CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a peer's connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(greeting) = Arc::clone(&greeting).try_acquire_owned() else { continue };
            let permit = Arc::clone(&permits).try_acquire_owned().ok();
            let (links, handler) = (self.links.clone(), Arc::clone(&handler));
            let crowd = self.crowd.clone();
            connections.spawn(async move {
                serve(accepted, links, handler, (permit, crowd)).await;
                drop(greeting);
            });
        }
    }
}

async fn serve<H: Handle>(
    (stream, peer): (PeerStream, String),
    links: Links,
    handler: Arc<H>,
    (permit, crowd): (Option<OwnedSemaphorePermit>, Crowd),
) {
    let greeting = async {
        let accepted = links.channel().accept(stream).await;
        let mut stream = accepted.map_err(HandshakeError::Tls)?;
        if stream.purpose() == Some(Purpose::Api) {
            return Ok((stream, None));
        }
        let caller = handshake::welcome(&mut stream, &links, permit.is_none()).await?;
        Ok::<_, HandshakeError>((stream, Some(caller)))
    };
    match timeout(links.connect_timeout(), greeting).await {
        Err(_) => {
            tracing::warn!(target: AUDIT, peer, "a connection brought no greeting in time");
        }
        Ok(Err(error)) => {
            tracing::warn!(target: AUDIT, peer, error = chain(&error), "a peer was turned away");
        }
        // As on a socket, what it may do is asked with each request.
        Ok(Ok((stream, None))) if permit.is_some() => handler.serve_user(stream, &peer).await,
        Ok(Ok((_, None))) => {}
        Ok(Ok((stream, Some(caller)))) => {
            let Some(_place) = crowd.enter(&caller) else {
                tracing::warn!(target: AUDIT, peer, %caller, "a peer has too many connections");
                return;
            };
            tracing::debug!(peer, %caller, "a peer connected");
            let expired = expiry(stream.certified().map(|certified| certified.expires));
            let reason = tokio::select! {
                reason = converse(stream, &caller, handler) => reason,
                () = expired => "its certificate has expired".to_owned(),
            };
            tracing::debug!(peer, %caller, reason, "a peer's connection ended");
        }
    }
}

/// Waits until a certificate has expired: what was opened with it ends then.
async fn expiry(expires: Option<SystemTime>) {
    let Some(expires) = expires else { return std::future::pending().await };
    // Looked at again and again, since clocks are set.
    while let Ok(left) = expires.duration_since(SystemTime::now()) {
        tokio::time::sleep(left.min(EXPIRY_CHECK)).await;
    }
}

async fn converse<H: Handle>(stream: PeerStream, caller: &Caller, handler: Arc<H>) -> String {
    let (read, write) = tokio::io::split(stream);
    let mut reader = BufReader::new(read);
    let (responses, queue) = mpsc::channel(REQUESTS_MAX);
    let mut tasks = JoinSet::new();
    tasks.spawn(answer(BufWriter::new(write), queue));
    let room = Arc::new(Semaphore::new(REQUESTS_MAX));
    if matches!(caller, Caller::Member(_, Lane::Log)) {
        return answer_in_order(reader, responses, &*handler).await;
    }
    let mut session = Session::default();
    loop {
        while tasks.try_join_next().is_some() {}
        let (id, request) = match receive(&mut reader).await {
            Ok(Some(received)) => received,
            Ok(None) => return "the peer closed it".to_owned(),
            Err(reason) => return reason,
        };
        if matches!(caller, Caller::Member(_, Lane::Snapshot)) {
            let response = handler.handle_in_order(&mut session, request).await;
            if responses.send((id, response)).await.is_err() {
                return "the peer takes no bytes".to_owned();
            }
            continue;
        }
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        let (handler, responses) = (Arc::clone(&handler), responses.clone());
        let caller = caller.clone();
        tasks.spawn(async move {
            let response = match caller {
                Caller::Member(..) => handler.handle(request).await,
                Caller::Agent(name) => handler.handle_agent(&name, request).await,
                Caller::Newcomer(name, token) => {
                    handler.handle_newcomer((&name, &token), request).await
                }
            };
            // Fails when the connection is gone: nobody waits any more.
            let _ = responses.send((id, response)).await;
            drop(permit);
        });
    }
}

/// Begins requests in the order in which they come, and answers them in that order.
async fn answer_in_order<H: Handle>(
    reader: BufReader<ReadHalf<PeerStream>>,
    responses: mpsc::Sender<(u64, Response)>,
    handler: &H,
) -> String {
    let requests = futures::stream::unfold(reader, async |mut reader| {
        let received = receive(&mut reader).await.transpose()?;
        Some((received, reader))
    });
    let mut requests = pin!(requests);
    let mut answering = FuturesOrdered::new();
    loop {
        tokio::select! {
            biased;
            Some(answered) = answering.next() => {
                if responses.send(answered).await.is_err() {
                    return "the peer takes no bytes".to_owned();
                }
            }
            request = requests.next(), if answering.len() < REQUESTS_MAX => match request {
                Some(Ok((id, request))) => {
                    answering.push_back(async move { (id, handler.handle(request).await) });
                }
                Some(Err(reason)) => return reason,
                None => return "the peer closed it".to_owned(),
            },
        }
    }
}

async fn receive(
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
) -> Result<Option<(u64, Request)>, String> {
    let frame = frame::read(reader, BODY_BYTES_MAX).await.map_err(|error| chain(&error))?;
    let Some(frame) = frame else { return Ok(None) };
    if frame.kind != FrameKind::Request {
        return Err("the peer sent something else than a request".to_owned());
    }
    let request = berth_codec::decode(&frame.body).map_err(|error| chain(&error))?;
    Ok(Some((frame.id, request)))
}

/// Writes responses in the order in which they become ready.
async fn answer(
    mut writer: BufWriter<WriteHalf<PeerStream>>,
    mut queue: mpsc::Receiver<(u64, Response)>,
) {
    while let Some((id, response)) = queue.recv().await {
        let body = berth_codec::encode(&response)
            .or_else(|error| berth_codec::encode(&Response::Failed { reason: error.to_string() }));
        let Ok(body) = body else { return };
        let frame = Frame { kind: FrameKind::Response, id, body };
        let idle = queue.is_empty();
        let writing = async {
            frame::write(&mut writer, &frame).await.ok()?;
            if idle { writer.flush().await.ok() } else { Some(()) }
        };
        if !matches!(timeout(WRITE_MAX, writing).await, Ok(Some(()))) {
            return;
        }
    }
}
