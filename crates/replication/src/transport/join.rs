//! A newcomer's one request.

use std::io::ErrorKind::{InvalidData, PermissionDenied};
use std::time::Duration;

use berth_codec::Record;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::channel::Channel;
use super::frame::{self, BODY_BYTES_MAX, Frame, FrameKind};
use super::greeting::Refusal;
use super::handshake::{self, HandshakeError};
use super::join_greeting::JoinHello;
use super::link::chain;
use super::message::{Request, Response};
use super::stream::PeerStream;
use crate::Deadline;
use crate::membership::{Admission, ChangeFailure, Grant};

/// How long connecting and greeting may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long one member may take: one that loses power says nothing any more, and there are others.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How much longer than the member may the newcomer wait.
const MARGIN: Duration = Duration::from_secs(1);

/// Why a newcomer was not admitted.
#[derive(Debug)]
pub(crate) enum JoinFailure {
    /// Whoever answered does not want to hear it, and will not.
    TurnedAway(String),
    /// The leader's word.
    Refused(ChangeFailure),
    /// Nobody answered there; nothing was done.
    Unreachable(String),
    /// The answer did not come.
    Lost(String),
}

/// Asks the member at an address to have this newcomer admitted.
pub(crate) async fn ask_to_join(
    address: &str,
    hello: &JoinHello,
    admission: &Admission,
    channel: &Channel,
    deadline: Deadline,
) -> Result<Grant, JoinFailure> {
    let unreachable = |reason: String| JoinFailure::Unreachable(format!("{address}: {reason}"));
    let mut stream = match timeout(CONNECT_MAX, channel.connect(address)).await {
        Ok(Ok(stream)) => stream,
        // TLS found a stranger.
        Ok(Err(error)) if matches!(error.kind(), InvalidData | PermissionDenied) => {
            return Err(JoinFailure::TurnedAway(format!("{address}: {error}")));
        }
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_) => return Err(unreachable("does not answer".to_owned())),
    };
    match timeout(CONNECT_MAX, handshake::greet_as_newcomer(&mut stream, hello)).await {
        Ok(Ok(())) => {}
        Ok(Err(HandshakeError::RefusedUs(Refusal::Busy))) => {
            return Err(unreachable(Refusal::Busy.to_string()));
        }
        Ok(Err(error @ (HandshakeError::RefusedUs(_) | HandshakeError::RefusedThem(_)))) => {
            return Err(JoinFailure::TurnedAway(format!("{address}: {error}")));
        }
        Ok(Err(error)) => return Err(unreachable(chain(&error))),
        Err(_) => return Err(unreachable("does not greet".to_owned())),
    }
    let deadline = deadline.min(Deadline::after(ANSWER_MAX));
    let patience_ms = deadline.millis();
    let request = Request::Admit { admission: admission.clone(), patience_ms };
    let patience = deadline.remaining() + MARGIN;
    let lost = |reason: String| JoinFailure::Lost(format!("{address}: {reason}"));
    match timeout(patience, exchange(&mut stream, &request)).await {
        Ok(Ok(Response::Admitted(answer))) => answer.map_err(JoinFailure::Refused),
        Ok(Ok(Response::Failed { reason }) | Err(reason)) => Err(lost(reason)),
        Ok(Ok(_)) => Err(lost("its answer fits no question of ours".to_owned())),
        Err(_) => Err(lost("no answer in time".to_owned())),
    }
}

async fn exchange(stream: &mut PeerStream, request: &Request) -> Result<Response, String> {
    let body = berth_codec::encode(request).map_err(|error| error.to_string())?;
    let frame = Frame { kind: FrameKind::Request, id: 1, body };
    frame::write(stream, &frame).await.map_err(|error| chain(&error))?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let frame = frame::read(stream, BODY_BYTES_MAX.min(Response::LIMIT)).await;
    let frame = frame.map_err(|error| chain(&error))?;
    let frame = frame.ok_or("the member closed the connection")?;
    if frame.kind != FrameKind::Response {
        return Err("it sent something else than a response".to_owned());
    }
    berth_codec::decode(&frame.body).map_err(|error| chain(&error))
}
