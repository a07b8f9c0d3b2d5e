//! One connection to one peer, as seen by those who ask it something.
//!
//! It connects when the first call comes, carries many calls at a time, and starts again after a
//! pause when it fails. A call that fails says whether it can have reached the peer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval, timeout, timeout_at};

use super::addresses::Addresses;
use super::agent_greeting::AgentIdentity;
use super::channel::Channel;
use super::frame::{self, BODY_BYTES_MAX, Frame, FrameKind};
use super::greeting::{Identity, Lane, Refusal};
use super::handshake::{self, HandshakeError};
use super::message::{Request, Response};
use super::stream::PeerStream;
use crate::{Deadline, Fatal, NodeId};

/// Calls that wait to be sent.
const QUEUE_MAX: usize = 256;
/// Calls that wait for their response.
const IN_FLIGHT_MAX: usize = 1_024;
/// Pause after a failed connection; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How often a connection is checked for silence.
const CHECK: Duration = Duration::from_millis(250);
/// How long a call must have waited before its peer counts as silent.
const SILENCE: Duration = Duration::from_secs(1);
/// How long the peer may take no bytes.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// A call got no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The peer has not seen it.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The peer may have seen it.
    #[error("no answer: {0}")]
    Lost(String),
}

/// Where and how to connect.
pub(crate) struct Target {
    pub(crate) greeter: Greeter,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) channel: Channel,
    pub(crate) connect_timeout: Duration,
}

/// Where the other one is.
pub(crate) enum Whereabouts {
    /// Here.
    Fixed(String),
    /// Where this member is known to be, which may change.
    Member(Addresses, NodeId),
}

impl Whereabouts {
    /// The address to try: another one with each attempt, if there are several.
    fn address(&self, attempt: usize) -> Option<String> {
        match self {
            Self::Fixed(address) => Some(address.clone()),
            Self::Member(addresses, node) => {
                let known = addresses.of(*node);
                let which = attempt.checked_rem(known.len())?;
                known.into_iter().nth(which)
            }
        }
    }
}

/// Who connects to whom.
pub(crate) enum Greeter {
    /// A node to another one.
    Member {
        /// The one that connects.
        identity: Identity,
        /// The one that is meant.
        node: NodeId,
        /// What for.
        lane: Lane,
        /// Raised when the other one has known this node with other data.
        fatal: Fatal,
    },
    /// An agent to any node of its cluster.
    Agent(Arc<AgentIdentity>),
}

impl std::fmt::Display for Greeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member { node, .. } => write!(f, "node {node}"),
            Self::Agent(_) => f.write_str("the server"),
        }
    }
}

impl Greeter {
    async fn greet(&self, stream: &mut PeerStream) -> Result<(), HandshakeError> {
        match self {
            Self::Member { identity, node, lane, fatal } => {
                let greeted = handshake::greet(stream, identity, *node, *lane).await;
                if let Err(HandshakeError::RefusedUs(refusal @ Refusal::OtherInstance)) = &greeted {
                    // It must not form a cluster with others that lost their data too.
                    fatal.raise("joining the other nodes", refusal);
                }
                greeted
            }
            Self::Agent(identity) => handshake::greet_as_agent(stream, identity).await,
        }
    }
}

/// Whether a call is sent or its caller has given up, whichever comes first. One swap decides: with a flag
/// for each, a processor that reorders memory could let both happen.
#[derive(Clone, Default)]
struct Settled(Arc<AtomicBool>);

impl Settled {
    /// Settles it; false if the other side did before.
    fn settle(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

struct Call {
    body: Vec<u8>,
    deadline: Deadline,
    settled: Settled,
    reply: oneshot::Sender<Result<Response, CallError>>,
}

/// The calling end. Clones share the connection; it closes when the last one goes.
#[derive(Clone)]
pub(crate) struct Link(mpsc::Sender<Call>);

impl Link {
    pub(crate) fn new(target: Target) -> Self {
        let (calls, queue) = mpsc::channel(QUEUE_MAX);
        let (pause, failure) = (PAUSE, String::new());
        tokio::spawn(Driver { target, queue, pause, attempt: 0, failure }.run());
        Self(calls)
    }

    /// Asks, and waits for the response until the deadline.
    pub(crate) async fn call(
        &self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Response, CallError> {
        let body =
            berth_codec::encode(request).map_err(|error| CallError::NotSent(error.to_string()))?;
        let settled = Settled::default();
        let (reply, response) = oneshot::channel();
        let call = Call { body, deadline, settled: settled.clone(), reply };
        match timeout_at(deadline.instant(), self.0.send(call)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(CallError::NotSent("the node is stopping".to_owned())),
            Err(_) => return Err(CallError::NotSent("too many calls wait".to_owned())),
        }
        let reason = match timeout_at(deadline.instant(), response).await {
            Ok(Ok(result)) => return result,
            Ok(Err(_)) => "the node is stopping".to_owned(),
            Err(_) => "the deadline passed".to_owned(),
        };
        Err(if settled.settle() { CallError::NotSent(reason) } else { CallError::Lost(reason) })
    }
}

struct Driver {
    target: Target,
    queue: mpsc::Receiver<Call>,
    pause: Duration,
    /// Attempts that failed: which of several addresses is tried.
    attempt: usize,
    /// Why connecting failed the last time; empty when it did not.
    failure: String,
}

impl Driver {
    async fn run(mut self) {
        while let Some(call) = self.queue.recv().await {
            if call.reply.is_closed() {
                continue;
            }
            match self.connect().await {
                Ok(stream) => {
                    self.pause = PAUSE;
                    self.failure.clear();
                    // The address that was right is tried first again.
                    Conversation::start(stream).run(call, &mut self.queue).await;
                }
                Err(reason) => {
                    self.attempt = self.attempt.wrapping_add(1);
                    self.refuse(call, reason).await;
                }
            }
        }
    }

    async fn connect(&self) -> Result<PeerStream, String> {
        let Target { greeter, whereabouts, channel, connect_timeout } = &self.target;
        let address = whereabouts.address(self.attempt);
        let address = &address.ok_or_else(|| format!("nobody has told where {greeter} is"))?;
        let connecting = async {
            let mut stream = channel
                .connect(address)
                .await
                .map_err(|error| format!("cannot connect to {greeter} at {address}: {error}"))?;
            let greeted = greeter.greet(&mut stream).await;
            greeted.map_err(|error| format!("{greeter} at {address}: {}", chain(&error)))?;
            Ok(stream)
        };
        timeout(*connect_timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(format!("{greeter} at {address} does not answer")))
    }

    /// Refuses calls for a while after a failed connection.
    async fn refuse(&mut self, call: Call, reason: String) {
        if self.failure != reason {
            tracing::warn!(reason, "a peer cannot be reached");
            self.failure.clone_from(&reason);
        }
        let until = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        let refuse = |call: Call| {
            // The caller may have gone.
            let _ = call.reply.send(Err(CallError::NotSent(reason.clone())));
        };
        refuse(call);
        while let Ok(Some(call)) = timeout_at(until, self.queue.recv()).await {
            refuse(call);
        }
    }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

struct Waiting {
    reply: oneshot::Sender<Result<Response, CallError>>,
    deadline: Deadline,
    since: Instant,
}

/// Calls without a response yet, and when the peer was heard last.
struct InFlight {
    waiting: BTreeMap<u64, Waiting>,
    heard: Instant,
}

type Shared = Arc<Mutex<InFlight>>;

fn lock(shared: &Shared) -> MutexGuard<'_, InFlight> {
    shared.lock().expect("nothing panics while it holds the calls in flight")
}

/// An open connection.
struct Conversation {
    writer: BufWriter<WriteHalf<PeerStream>>,
    reader: tokio::task::JoinHandle<String>,
    in_flight: Shared,
    next_id: u64,
}

impl Conversation {
    fn start(stream: PeerStream) -> Self {
        let (read, write) = tokio::io::split(stream);
        let in_flight = InFlight { waiting: BTreeMap::new(), heard: Instant::now() };
        let in_flight = Arc::new(Mutex::new(in_flight));
        let reader = tokio::spawn(listen(BufReader::new(read), Arc::clone(&in_flight)));
        Self { writer: BufWriter::new(write), reader, in_flight, next_id: 0 }
    }

    /// Goes on until the connection fails, or nobody can call any more.
    async fn run(mut self, first: Call, queue: &mut mpsc::Receiver<Call>) {
        let mut check = interval(CHECK);
        let mut next = Some(first);
        let reason = loop {
            if let Some(call) = next.take()
                && let Err(reason) = self.send(call, queue).await
            {
                break reason;
            }
            tokio::select! {
                call = queue.recv() => match call {
                    Some(call) => next = Some(call),
                    None => break "the node is stopping".to_owned(),
                },
                ended = &mut self.reader => {
                    break ended.unwrap_or_else(|_| "the node is stopping".to_owned());
                }
                _ = check.tick() => {
                    if self.is_silent() {
                        break "the peer is silent".to_owned();
                    }
                }
            }
        };
        self.reader.abort();
        for waiting in std::mem::take(&mut lock(&self.in_flight).waiting).into_values() {
            // The caller may have gone.
            let _ = waiting.reply.send(Err(CallError::Lost(reason.clone())));
        }
    }

    /// Sends a call, and those that wait behind it.
    async fn send(&mut self, first: Call, queue: &mut mpsc::Receiver<Call>) -> Result<(), String> {
        let mut next = Some(first);
        while let Some(call) = next {
            self.write(call).await?;
            next = queue.try_recv().ok();
        }
        match timeout(WRITE_MAX, self.writer.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the peer takes no bytes".to_owned()),
        }
    }

    async fn write(&mut self, call: Call) -> Result<(), String> {
        let Call { body, deadline, settled, reply } = call;
        if !settled.settle() {
            return Ok(());
        }
        self.next_id += 1;
        let id = self.next_id;
        {
            let mut in_flight = lock(&self.in_flight);
            if in_flight.waiting.len() >= IN_FLIGHT_MAX {
                // The caller may have gone.
                let _ = reply.send(Err(CallError::NotSent("too many calls in flight".to_owned())));
                return Ok(());
            }
            in_flight.waiting.insert(id, Waiting { reply, deadline, since: Instant::now() });
        }
        let frame = Frame { kind: FrameKind::Request, id, body };
        match timeout(WRITE_MAX, frame::write(&mut self.writer, &frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err("the peer takes no bytes".to_owned()),
        }
    }

    /// Forgets calls that nobody waits for any more. True if nothing was heard since one of them was
    /// sent, and that is long ago.
    fn is_silent(&self) -> bool {
        let mut in_flight = lock(&self.in_flight);
        let heard = in_flight.heard;
        let expired: Vec<Waiting> = in_flight
            .waiting
            .extract_if(.., |_, waiting| {
                waiting.deadline.has_passed() && waiting.since.elapsed() >= SILENCE
            })
            .map(|(_, waiting)| waiting)
            .collect();
        expired.iter().any(|waiting| waiting.since > heard)
    }
}

/// Hands responses to those who wait; gives the reason why it ended.
async fn listen(mut reader: BufReader<ReadHalf<PeerStream>>, in_flight: Shared) -> String {
    loop {
        let frame = match frame::read(&mut reader, BODY_BYTES_MAX).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return "the peer closed the connection".to_owned(),
            Err(error) => return chain(&error),
        };
        if frame.kind != FrameKind::Response {
            return "the peer sent something else than a response".to_owned();
        }
        let response = match berth_codec::decode(&frame.body) {
            Ok(response) => response,
            Err(error) => return chain(&error),
        };
        let mut in_flight = lock(&in_flight);
        in_flight.heard = Instant::now();
        if let Some(waiting) = in_flight.waiting.remove(&frame.id) {
            // The caller may have gone.
            let _ = waiting.reply.send(Ok(response));
        }
    }
}
