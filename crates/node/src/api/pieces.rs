//! An answer that is too large to be in memory as a whole: it is sent while it is made.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bytes that are sent at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait to be sent.
const PIECES_MAX: usize = 8;
/// How long the one who gets it may take for a piece.
const PIECE_DEADLINE: Duration = Duration::from_mins(1);

type Piece = io::Result<Bytes>;

/// The answer that `write` makes, in a thread of its own. Where that fails, the answer breaks off.
pub(super) fn streamed(
    content_type: &'static str,
    write: impl FnOnce(&mut Pieces) -> Result<(), String> + Send + 'static,
) -> Response {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let filled = Vec::with_capacity(PIECE_BYTES);
        let mut to = Pieces { sender, handle, filled };
        let written = write(&mut to).and_then(|()| to.flush().map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!(%error, "an answer was not finished");
            // Whoever is gone need not be told.
            let _ = to.send(Err(io::Error::other(error)));
        }
    });
    let pieces = stream::unfold(pieces, async |mut pieces: mpsc::Receiver<Piece>| {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(pieces)).into_response()
}

/// Cuts what is written into pieces, and waits while too many are not sent yet.
pub(super) struct Pieces {
    sender: mpsc::Sender<Piece>,
    handle: Handle,
    filled: Vec<u8>,
}

impl Pieces {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = self.handle.block_on(timeout(PIECE_DEADLINE, self.sender.send(piece)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filled.extend_from_slice(bytes);
        if self.filled.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.filled, Vec::with_capacity(PIECE_BYTES));
        self.send(Ok(piece.into()))
    }
}
