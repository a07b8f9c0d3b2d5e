//! Serves the API on its socket, within limits.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Api;
use super::socket::Socket;
use crate::audit::{self, Asker, Process};

/// Connections at a time; more wait to be accepted.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long a request's head may take to arrive, and a connection may stay idle.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// How long a stopping server waits for requests that are under way.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, which otherwise would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The API on its socket. Clients can connect as soon as it exists, and are served while
/// [`serve`](Self::serve) runs.
pub struct ApiServer {
    socket: Socket,
    router: Router,
}

impl ApiServer {
    /// The API on a socket; who connected before has waited.
    pub fn on(socket: Socket, api: Api) -> Self {
        Self { socket, router: api.router() }
    }

    /// Serves until `shutdown` is ready; then finishes what is under way, and removes the socket.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::select! {
            () = self.accept(&mut connections, &stopping) => {}
            () = shutdown => {}
        }
        drop(stop);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN_DEADLINE, drained).await.is_err() {
            tracing::warn!("stopped with API requests still under way");
        }
    }

    async fn accept(&self, connections: &mut JoinSet<()>, stopping: &watch::Receiver<()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = Arc::clone(&room).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            match self.socket.listener.accept().await {
                Ok((stream, _)) => {
                    let (router, stopping) = (self.router.clone(), stopping.clone());
                    connections.spawn(async move {
                        serve_connection(stream, router, stopping).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    let socket = self.socket.path().display();
                    tracing::error!(%error, %socket, "cannot accept on the API socket");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn serve_connection(stream: UnixStream, router: Router, stopping: watch::Receiver<()>) {
    match stream.peer_cred() {
        Ok(shown) => {
            let pid = shown.pid().and_then(|pid| u32::try_from(pid).ok());
            let asker = Asker::User(Process::of(shown.uid(), pid));
            audit::on_behalf_of(asker, converse(stream, router, stopping)).await;
        }
        Err(error) => tracing::warn!(%error, "cannot tell who asks on the API socket"),
    }
}

/// Answers requests on a connection.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    mut stopping: watch::Receiver<()>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The server is stopping: its side of the channel is gone.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "API connection ended");
    }
}
