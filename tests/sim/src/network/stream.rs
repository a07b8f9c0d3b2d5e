//! The ends of connections, as nodes hold them.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use berth_replication::sim::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Stage;
use super::{HostId, Network};

/// One end of a connection.
pub(super) struct End {
    network: Network,
    connection: u64,
    side: usize,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "End({}, {})", self.connection, self.side)
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.network.inner();
        let Some(connection) = inner.connections.get_mut(&self.connection) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        match connection.read(self.side, buffer.initialize_unfilled(), context.waker()) {
            Some(read) => Poll::Ready(read.map(|count| buffer.advance(count))),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.network.inner();
        let due = due(&mut inner, self.connection, self.side);
        let Some(connection) = inner.connections.get_mut(&self.connection) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = connection.write(self.side, bytes, due, context.waker());
        written.map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.network.inner();
        let due = due(&mut inner, self.connection, self.side);
        if let Some(connection) = inner.connections.get_mut(&self.connection) {
            connection.close(self.side, due);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut inner = self.network.inner();
        let now = inner.now;
        let due = due(&mut inner, self.connection, self.side);
        if let Some(connection) = inner.connections.get_mut(&self.connection) {
            connection.leave(self.side, due, now);
        }
    }
}

/// When bytes that one side sends now arrive.
fn due(inner: &mut super::Inner, connection: u64, side: usize) -> super::Micros {
    match inner.connections.get(&connection).map(|connection| connection.hosts) {
        Some(hosts) => inner.due(hosts[side], hosts[1 - side]),
        None => inner.now,
    }
}

/// A connection being made.
pub(super) struct Connect {
    pub(super) network: Network,
    /// `None` once it is handed over.
    pub(super) connection: Option<u64>,
}

impl Future for Connect {
    type Output = io::Result<Box<dyn Stream>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let refused = || Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
        let Some(id) = self.connection else { return refused() };
        let network = self.network.clone();
        let mut inner = network.inner();
        let Some(connection) = inner.connections.get_mut(&id) else { return refused() };
        match connection.stage {
            Stage::Greeting { .. } => {
                connection.await_connection(context.waker());
                Poll::Pending
            }
            Stage::Open => {
                self.connection = None;
                Poll::Ready(Ok(Box::new(End { network: network.clone(), connection: id, side: 0 })))
            }
            Stage::Refused | Stage::Broken => refused(),
        }
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(End { network: self.network.clone(), connection, side: 0 });
        }
    }
}

/// A connection being waited for.
pub(super) struct Accept<'a> {
    pub(super) network: &'a Network,
    pub(super) host: HostId,
}

impl Future for Accept<'_> {
    type Output = io::Result<(Box<dyn Stream>, String)>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.network.inner();
        let inner = &mut *inner;
        let Some(port) = inner.ports.get_mut(&self.host) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        while let Some(connection) = port.waiting.pop_front() {
            if let Some(known) = inner.connections.get(&connection)
                && known.holds(1)
            {
                let peer = format!("host {}", known.hosts[0]);
                let end = End { network: self.network.clone(), connection, side: 1 };
                return Poll::Ready(Ok((Box::new(end), peer)));
            }
        }
        port.acceptor = Some(context.waker().clone());
        Poll::Pending
    }
}
