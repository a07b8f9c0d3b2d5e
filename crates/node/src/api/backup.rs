//! `/v1/backup`: the cluster's state, to be kept elsewhere.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Of;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use berth_replication::{Backup, BackupError, Deadline};
use bytes::Bytes;
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::query::{NoParameters, Parameters};
use super::{Api, DEADLINE, Problem};
use crate::code::Code;

/// Bytes that are sent at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait to be sent.
const PIECES_MAX: usize = 8;
/// How long the one who gets it may take for a piece.
const PIECE_DEADLINE: Duration = Duration::from_secs(60);

type Piece = io::Result<Bytes>;

/// Streams a backup. One at a time, since each holds a copy of the state's bulk.
pub(super) async fn download(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let (replica, _) = api.member()?;
    let busy = |_| Problem::new(Code::Unavailable, "this node makes another backup: wait for it");
    let place = Arc::clone(&api.0.backups).try_acquire_owned().map_err(busy)?;
    let backup = replica.backup(Deadline::after(DEADLINE)).await;
    let backup = backup
        .map_err(|error| Problem::new(Code::Unavailable, format!("no backup was made: {error}")))?;
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        write(backup, Pieces { sender, handle, filled: Vec::with_capacity(PIECE_BYTES) });
        drop(place);
    });
    let pieces = stream::unfold(pieces, async |mut pieces: mpsc::Receiver<Piece>| {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

fn write(backup: Backup, mut to: Pieces) {
    match backup.write(&mut to) {
        Ok(info) => tracing::info!(index = %info.index, addresses = info.addresses, "backed up"),
        Err(error) => {
            tracing::warn!(%error, "a backup was not finished");
            to.broken(&error);
        }
    }
}

/// Cuts what is written into pieces, and waits while too many are not sent yet.
struct Pieces {
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

    /// Ends the answer as one that is not whole.
    fn broken(&self, error: &BackupError) {
        // Whoever is gone need not be told.
        let _ = self.send(Err(io::Error::other(error.to_string())));
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
