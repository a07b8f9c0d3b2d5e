//! Greeting each other over a fresh connection.

use std::sync::Arc;

use berth_allocator::TokenHash;
use berth_codec::{DecodeError, EncodeError, Record};
use berth_pki::{Purpose, Subject};
use tokio::io::AsyncWriteExt;

use super::agent_greeting::{AgentHello, AgentIdentity, AgentWelcome};
use super::frame::{self, Frame, FrameError, FrameKind};
use super::greeting::{Hello, Identity, Lane, Refusal, Welcome};
use super::join_greeting::{JoinHello, JoinWelcome};
use super::links::Links;
use super::stream::PeerStream;
use crate::directory::DirectoryError;
use crate::{ClusterId, NodeId, NodeName};

/// Two nodes did not come together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("TLS failed")]
    Tls(#[source] std::io::Error),
    #[error("the greeting failed")]
    Frame(#[source] FrameError),
    #[error("the greeting cannot be encoded")]
    Encode(#[source] EncodeError),
    #[error("the greeting cannot be decoded")]
    Decode(#[source] DecodeError),
    #[error("the other side left without a greeting")]
    Closed,
    #[error("the other node refuses this one: {0}")]
    RefusedUs(Refusal),
    #[error("this node refuses the other one: {0}")]
    RefusedThem(Refusal),
    #[error("its certificate is for {certified}, but it says that it is {claimed}")]
    Uncertified { certified: Subject, claimed: Subject },
    #[error("cannot note whom this node met")]
    Directory(#[source] DirectoryError),
    #[error("cannot note which cluster this agent met")]
    Home(#[source] std::io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// Who connected.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// A node of the cluster, for something.
    Member(NodeId, Lane),
    /// A host without a replica.
    Agent(NodeName),
    /// A host that wants to become a node, and has shown a token.
    Newcomer(NodeName, TokenHash),
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member(node, lane) => write!(f, "node {node} for {lane:?}"),
            Self::Agent(name) => write!(f, "agent {name}"),
            Self::Newcomer(name, _) => write!(f, "newcomer {name}"),
        }
    }
}

/// Greets as the node that connected.
pub(super) async fn greet(
    stream: &mut PeerStream,
    identity: &Identity,
    to: NodeId,
    lane: Lane,
) -> Result<(), HandshakeError> {
    send(stream, FrameKind::Greeting, &identity.hello(to, lane)).await?;
    let welcome: Welcome = receive(stream, FrameKind::Greeting).await?;
    if let Welcome::Accepted { from, .. } = &welcome {
        vouches(stream, || node(identity.cluster, *from))?;
    }
    let refused_us = matches!(welcome, Welcome::Refused(_));
    let identity = identity.clone();
    let checked = blocking(move || identity.check(to, &welcome)).await?;
    checked.map_err(HandshakeError::Directory)?.map_err(|refusal| refused(refused_us, refusal))
}

/// Greets as the agent that connected.
pub(super) async fn greet_as_agent(
    stream: &mut PeerStream,
    identity: &Arc<AgentIdentity>,
) -> Result<(), HandshakeError> {
    send(stream, FrameKind::AgentGreeting, &identity.hello()).await?;
    let welcome: AgentWelcome = receive(stream, FrameKind::AgentGreeting).await?;
    if let AgentWelcome::Accepted { cluster, .. } = &welcome {
        vouches_for_cluster(stream, *cluster)?;
    }
    let refused_us = matches!(welcome, AgentWelcome::Refused(_));
    let identity = Arc::clone(identity);
    let checked = blocking(move || identity.check(&welcome)).await?;
    checked.map_err(HandshakeError::Home)?.map_err(|refusal| refused(refused_us, refusal))
}

/// Greets as the newcomer that connected.
pub(super) async fn greet_as_newcomer(
    stream: &mut PeerStream,
    hello: &JoinHello,
) -> Result<(), HandshakeError> {
    send(stream, FrameKind::JoinGreeting, hello).await?;
    match receive(stream, FrameKind::JoinGreeting).await? {
        JoinWelcome::Accepted => Ok(()),
        JoinWelcome::Refused(refusal) => Err(HandshakeError::RefusedUs(refusal)),
    }
}

fn refused(us: bool, refusal: Refusal) -> HandshakeError {
    if us { HandshakeError::RefusedUs(refusal) } else { HandshakeError::RefusedThem(refusal) }
}

/// Greets as the one who listens; gives who connected. `busy` refuses anybody.
pub(super) async fn welcome(
    stream: &mut PeerStream,
    links: &Links,
    busy: bool,
) -> Result<Caller, HandshakeError> {
    let frame = read(stream, Hello::LIMIT).await?;
    let called_for = match frame.kind {
        FrameKind::Greeting => Some(Purpose::Node),
        FrameKind::AgentGreeting => Some(Purpose::Host),
        FrameKind::JoinGreeting => Some(Purpose::Join),
        _ => None,
    };
    // Each purpose asks for another proof.
    if stream.purpose().is_some_and(|purpose| Some(purpose) != called_for) {
        return Err(HandshakeError::Frame(FrameError::Kind(frame.kind as u8)));
    }
    match frame.kind {
        FrameKind::Greeting => welcome_member(stream, &frame.body, links.identity(), busy).await,
        FrameKind::AgentGreeting => welcome_agent(stream, &frame.body, links, busy).await,
        FrameKind::JoinGreeting => welcome_newcomer(stream, &frame.body, links, busy).await,
        other => Err(HandshakeError::Frame(FrameError::Kind(other as u8))),
    }
}

async fn welcome_member(
    stream: &mut PeerStream,
    body: &[u8],
    identity: &Identity,
    busy: bool,
) -> Result<Caller, HandshakeError> {
    let hello: Hello = berth_codec::decode(body).map_err(HandshakeError::Decode)?;
    vouches(stream, || node(hello.cluster, hello.from))?;
    let caller = Caller::Member(NodeId::new(hello.from), hello.lane);
    let identity = identity.clone();
    let judged = blocking(move || identity.judge(&hello)).await?;
    let welcome = match judged.map_err(HandshakeError::Directory)? {
        Welcome::Accepted { .. } if busy => Welcome::Refused(Refusal::Busy),
        judged => judged,
    };
    send(stream, FrameKind::Greeting, &welcome).await?;
    match welcome {
        Welcome::Accepted { .. } => Ok(caller),
        Welcome::Refused(refusal) => Err(HandshakeError::RefusedThem(refusal)),
    }
}

async fn welcome_agent(
    stream: &mut PeerStream,
    body: &[u8],
    links: &Links,
    busy: bool,
) -> Result<Caller, HandshakeError> {
    let hello: AgentHello = berth_codec::decode(body).map_err(HandshakeError::Decode)?;
    vouches(stream, || Subject::Host { name: hello.name.as_str().to_owned() })?;
    let welcome = match links.identity().judge_agent(&hello, |name| links.is_member(name)) {
        AgentWelcome::Accepted { .. } if busy => AgentWelcome::Refused(Refusal::Busy),
        judged => judged,
    };
    send(stream, FrameKind::AgentGreeting, &welcome).await?;
    match welcome {
        AgentWelcome::Accepted { .. } => Ok(Caller::Agent(hello.name)),
        AgentWelcome::Refused(refusal) => Err(HandshakeError::RefusedThem(refusal)),
    }
}

async fn welcome_newcomer(
    stream: &mut PeerStream,
    body: &[u8],
    links: &Links,
    busy: bool,
) -> Result<Caller, HandshakeError> {
    let hello: JoinHello = berth_codec::decode(body).map_err(HandshakeError::Decode)?;
    let welcome = match links.identity().judge_newcomer(&hello) {
        JoinWelcome::Accepted if busy => JoinWelcome::Refused(Refusal::Busy),
        judged => judged,
    };
    send(stream, FrameKind::JoinGreeting, &welcome).await?;
    match welcome {
        JoinWelcome::Accepted => {
            let token = hello.token();
            Ok(Caller::Newcomer(hello.name, token))
        }
        JoinWelcome::Refused(refusal) => Err(HandshakeError::RefusedThem(refusal)),
    }
}

/// Whether the other side is who it says, if it has shown a certificate.
fn vouches(stream: &PeerStream, claimed: impl Fn() -> Subject) -> Result<(), HandshakeError> {
    let Some(certified) = stream.certified() else { return Ok(()) };
    let (certified, claimed) = (certified.subject.clone(), claimed());
    let same = match (&certified, &claimed) {
        // A node's name says nothing that its number does not.
        (
            Subject::Node { cluster, number, .. },
            Subject::Node { cluster: claimed_cluster, number: claimed_number, .. },
        ) => (cluster, number) == (claimed_cluster, claimed_number),
        _ => certified == claimed,
    };
    if same { Ok(()) } else { Err(HandshakeError::Uncertified { certified, claimed }) }
}

/// Whether the other side is a node of the cluster that it names.
fn vouches_for_cluster(stream: &PeerStream, cluster: ClusterId) -> Result<(), HandshakeError> {
    match stream.certified().map(|certified| &certified.subject) {
        Some(Subject::Node { number, .. }) => vouches(stream, || node(cluster, *number)),
        _ => vouches(stream, || node(cluster, 0)),
    }
}

fn node(cluster: ClusterId, number: u64) -> Subject {
    Subject::Node { cluster: cluster.bytes(), number, name: String::new() }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HandshakeError> {
    crate::blocking::spawn(work).await.map_err(|_| HandshakeError::Interrupted)
}

async fn send<R: Record>(
    stream: &mut PeerStream,
    kind: FrameKind,
    message: &R,
) -> Result<(), HandshakeError> {
    let body = berth_codec::encode(message).map_err(HandshakeError::Encode)?;
    let frame = Frame { kind, id: 0, body };
    frame::write(stream, &frame).await.map_err(HandshakeError::Frame)?;
    stream.flush().await.map_err(|error| HandshakeError::Frame(FrameError::Io(error)))
}

async fn receive<R: Record>(stream: &mut PeerStream, kind: FrameKind) -> Result<R, HandshakeError> {
    let frame = read(stream, R::LIMIT).await?;
    if frame.kind != kind {
        return Err(HandshakeError::Frame(FrameError::Kind(frame.kind as u8)));
    }
    berth_codec::decode(&frame.body).map_err(HandshakeError::Decode)
}

async fn read(stream: &mut PeerStream, limit: usize) -> Result<Frame, HandshakeError> {
    let frame = frame::read(stream, limit).await.map_err(HandshakeError::Frame)?;
    frame.ok_or(HandshakeError::Closed)
}
