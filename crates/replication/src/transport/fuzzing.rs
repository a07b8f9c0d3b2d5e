//! What peers send, read as it arrives.

use std::io::Cursor;

use berth_codec::testing::comes_back;
use futures::executor::block_on;

use super::frame::{self, BODY_BYTES_MAX, Frame, FrameKind};
use super::{AgentHello, AgentWelcome, Hello, JoinHello, JoinWelcome, Request, Response, Welcome};
use crate::raft::Entry;

/// The bytes of a connection.
pub(crate) type Stream<'a> = Cursor<&'a [u8]>;

/// Reads a stream to its end, or to its first byte that is none of a frame's.
pub(crate) fn read(stream: &mut Stream<'_>) {
    while let Ok(Some(frame)) = block_on(frame::read(stream, BODY_BYTES_MAX)) {
        message(frame.kind, &frame.body);
    }
}

/// Sends a body in a frame, and reads what arrives.
pub(crate) fn body(kind: u8, body: &[u8]) {
    let kinds = [
        FrameKind::Greeting,
        FrameKind::Request,
        FrameKind::Response,
        FrameKind::AgentGreeting,
        FrameKind::JoinGreeting,
    ];
    let kind = kinds[usize::from(kind) % kinds.len()];
    let sent = Frame { kind, id: 7, body: body.to_owned() };
    let mut stream = Vec::new();
    block_on(frame::write(&mut stream, &sent)).expect("a short body fits");
    let received = block_on(frame::read(&mut Stream::new(&stream), BODY_BYTES_MAX));
    assert_eq!(received.expect("what was written can be read"), Some(sent));
    message(kind, body);
}

fn message(kind: FrameKind, body: &[u8]) {
    match kind {
        FrameKind::Greeting => {
            comes_back::<Hello>(body);
            comes_back::<Welcome>(body);
        }
        FrameKind::AgentGreeting => {
            comes_back::<AgentHello>(body);
            comes_back::<AgentWelcome>(body);
        }
        FrameKind::JoinGreeting => {
            comes_back::<JoinHello>(body);
            comes_back::<JoinWelcome>(body);
        }
        FrameKind::Request => {
            if let Some(Request::Append { entries, .. }) = comes_back::<Request>(body) {
                for entry in entries {
                    let _ = Entry::try_from(entry);
                }
            }
        }
        FrameKind::Response => {
            comes_back::<Response>(body);
        }
    }
}
