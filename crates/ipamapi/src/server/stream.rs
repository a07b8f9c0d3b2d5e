//! One connection's bytes, watched: has the last answer arrived, and is a request too slow?
//!
//! An answer is *delivered* once it is in the kernel's hands and the peer did anything but close
//! the socket over it unread. Linux reports the latter as a reset when the connection is next
//! read, which the HTTP layer does at once and goes on doing while the connection is idle.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// Sent when an answer was delivered; dropped when it was not.
pub(crate) type Receipt = oneshot::Sender<()>;

/// What the HTTP service and the stream under it tell each other.
#[derive(Clone, Default)]
pub(crate) struct Delivery(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// A request is being served: what arrives meanwhile starts no clock.
    serving: bool,
    /// Heads that have arrived as a whole.
    heads: u64,
    /// Answers handed to the HTTP layer, not yet written.
    handed: Vec<Receipt>,
    /// Answers written, not known to be read.
    written: Vec<Receipt>,
}

impl Delivery {
    /// A whole head has arrived.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.serving = true;
        state.heads += 1;
    }

    /// The answer went to the HTTP layer.
    pub(crate) fn handed_over(&self, receipt: Option<Receipt>) {
        let mut state = self.state();
        state.serving = false;
        state.handed.extend(receipt);
    }

    fn flushed(&self) {
        let mut state = self.state();
        let State { handed, written, .. } = &mut *state;
        written.append(handed);
    }

    fn is_serving(&self) -> bool {
        self.state().serving
    }

    fn heads(&self) -> u64 {
        self.state().heads
    }

    fn read(&self) {
        self.state().confirm();
    }

    fn reset(&self) {
        self.state().written.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn confirm(&mut self) {
        for receipt in self.written.drain(..) {
            // The other side no longer asks: it has nothing to undo.
            let _ = receipt.send(());
        }
    }
}

impl Drop for State {
    /// We closed the connection ourselves, after the answer was written and without bad news.
    fn drop(&mut self) {
        self.confirm();
    }
}

/// A Unix stream that keeps its [`Delivery`] up to date and gives up on requests that crawl.
pub(crate) struct PluginStream {
    stream: UnixStream,
    delivery: Delivery,
    read_deadline: Duration,
    /// Runs while the head of this number is arriving.
    head: Option<(u64, Pin<Box<Sleep>>)>,
}

impl PluginStream {
    pub(crate) fn new(stream: UnixStream, delivery: Delivery, read_deadline: Duration) -> Self {
        // Who connects has something to say.
        let head = Some((delivery.heads(), Box::pin(sleep(read_deadline))));
        Self { stream, delivery, read_deadline, head }
    }

    /// Starts the clock at a head's first byte.
    fn watch_head(&mut self, bytes: usize) {
        if bytes > 0 && self.head.is_none() && !self.delivery.is_serving() {
            self.head = Some((self.delivery.heads(), Box::pin(sleep(self.read_deadline))));
        }
    }
}

impl Drop for PluginStream {
    /// We may close without reading once more: has the peer closed over an unread answer?
    fn drop(&mut self) {
        if !matches!(self.stream.take_error(), Ok(None)) {
            self.delivery.reset();
        }
    }
}

impl AsyncRead for PluginStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let heads = this.delivery.heads();
        this.head.take_if(|(number, _)| *number != heads);
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.delivery.read();
                this.watch_head(buf.filled().len().saturating_sub(before));
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                this.delivery.reset();
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let Some((_, clock)) = &mut this.head else {
                    return Poll::Pending;
                };
                ready!(clock.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for PluginStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.delivery.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
