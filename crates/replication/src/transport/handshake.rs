//! Greeting each other over a fresh connection.

use berth_codec::{DecodeError, EncodeError, Record};
use tokio::io::AsyncWriteExt;

use super::frame::{self, Frame, FrameError, FrameKind};
use super::greeting::{Hello, Identity, Lane, Refusal, Welcome};
use super::stream::PeerStream;
use crate::NodeId;
use crate::directory::DirectoryError;

/// Two nodes did not come together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
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
    #[error("cannot note whom this node met")]
    Directory(#[source] DirectoryError),
    #[error("interrupted")]
    Interrupted,
}

/// Greets as the one who connected.
pub(super) async fn greet(
    stream: &mut PeerStream,
    identity: &Identity,
    to: NodeId,
    lane: Lane,
) -> Result<(), HandshakeError> {
    send(stream, &identity.hello(to, lane)).await?;
    let welcome: Welcome = receive(stream).await?;
    let refused_us = matches!(welcome, Welcome::Refused(_));
    let identity = identity.clone();
    let checking = tokio::task::spawn_blocking(move || identity.check(to, &welcome));
    let checked = checking.await.map_err(|_| HandshakeError::Interrupted)?;
    checked.map_err(HandshakeError::Directory)?.map_err(|refusal| {
        if refused_us {
            HandshakeError::RefusedUs(refusal)
        } else {
            HandshakeError::RefusedThem(refusal)
        }
    })
}

/// Greets as the one who listens; gives who connected and for what. `busy` refuses anybody.
pub(super) async fn welcome(
    stream: &mut PeerStream,
    identity: &Identity,
    busy: bool,
) -> Result<(NodeId, Lane), HandshakeError> {
    let hello: Hello = receive(stream).await?;
    let (from, lane) = (NodeId::new(hello.from), hello.lane);
    let identity = identity.clone();
    let judging = tokio::task::spawn_blocking(move || identity.judge(&hello));
    let judged = judging.await.map_err(|_| HandshakeError::Interrupted)?;
    let welcome = match judged.map_err(HandshakeError::Directory)? {
        Welcome::Accepted { .. } if busy => Welcome::Refused(Refusal::Busy),
        judged => judged,
    };
    send(stream, &welcome).await?;
    match welcome {
        Welcome::Accepted { .. } => Ok((from, lane)),
        Welcome::Refused(refusal) => Err(HandshakeError::RefusedThem(refusal)),
    }
}

async fn send<R: Record>(stream: &mut PeerStream, message: &R) -> Result<(), HandshakeError> {
    let body = berth_codec::encode(message).map_err(HandshakeError::Encode)?;
    let frame = Frame { kind: FrameKind::Greeting, id: 0, body };
    frame::write(stream, &frame).await.map_err(HandshakeError::Frame)?;
    stream.flush().await.map_err(|error| HandshakeError::Frame(FrameError::Io(error)))
}

async fn receive<R: Record>(stream: &mut PeerStream) -> Result<R, HandshakeError> {
    let frame = frame::read(stream, R::LIMIT).await.map_err(HandshakeError::Frame)?;
    let frame = frame.ok_or(HandshakeError::Closed)?;
    if frame.kind != FrameKind::Greeting {
        return Err(HandshakeError::Frame(FrameError::Kind(frame.kind as u8)));
    }
    berth_codec::decode(&frame.body).map_err(HandshakeError::Decode)
}
