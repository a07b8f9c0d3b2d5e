//! A plugin server: any [`Ipam`] behind a Unix socket, as engines call it.
//!
//! The same server is a v1 plugin (a socket in `/run/docker/plugins`) and a managed one (a socket
//! in the plugin's own `/run/docker/plugins`, of type `docker.ipamdriver/1.0`).
//!
//! Invariant: every request gets one answer, in time, and the driver learns of each answer that
//! did not arrive ([`Ipam::undelivered`]). An answer counts as arrived once written, unless the
//! caller closes the connection with it unread. A caller that shuts down its sending side counts
//! as gone; what it asked for is not begun any more.

mod brief;
mod call;
mod config;
mod exchange;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod line;
mod service;
mod socket;
mod stream;

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use self::line::Line;
use self::service::{Caller, Service};
use self::stream::{Delivery, PluginStream};
use crate::{Ipam, Peer};

pub use self::config::ServerConfig;
pub use self::socket::{BindError, PluginSocket};

/// Pause after a failed accept, which otherwise would fail again at once (no more descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a driver at `path` until the process is interrupted or terminated (SIGINT, SIGTERM), with
/// the default configuration: all that the `main` of a driver needs.
pub async fn serve(path: impl AsRef<Path>, driver: impl Ipam + 'static) -> io::Result<()> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = Server::bind(path, Arc::new(driver), ServerConfig::default()).await;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    server.map_err(io::Error::other)?.serve(stop).await;
    Ok(())
}

/// A plugin server on its socket. Clients can connect as soon as it exists; they are served while
/// [`serve`](Self::serve) runs.
pub struct Server {
    socket: PluginSocket,
    service: Arc<Service>,
}

impl Server {
    /// Opens the socket: makes its directory, and replaces a socket that nobody serves any more.
    pub async fn bind(
        path: impl AsRef<Path>,
        driver: Arc<dyn Ipam>,
        config: ServerConfig,
    ) -> Result<Self, BindError> {
        let socket = PluginSocket::bind(path.as_ref(), config.socket_mode).await?;
        Ok(Self::on(socket, driver, config))
    }

    /// A server on a socket that was opened before its driver was there. Engines that connected
    /// meanwhile have waited.
    pub fn on(socket: PluginSocket, driver: Arc<dyn Ipam>, config: ServerConfig) -> Self {
        let calls = Arc::new(Semaphore::new(config.calls_max));
        let service = Service { driver, config, calls, requests: AtomicU64::new(0) };
        Self { socket, service: Arc::new(service) }
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Serves until `shutdown` is ready. Then accepts no more, finishes what is under way within
    /// [`ServerConfig::drain_deadline`], and removes the socket.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { socket, service } = self;
        let (running, over) = mpsc::channel(1);
        let (stop, stopping) = watch::channel(());
        tokio::select! {
            () = accept(&socket, &service, &running, &stopping) => {}
            () = shutdown => {}
        }
        let drain_deadline = service.config.drain_deadline;
        drop((running, stop));
        drain(over, drain_deadline).await;
    }
}

/// Waits until every connection and call is over, or for so long.
async fn drain(mut over: mpsc::Receiver<()>, deadline: Duration) {
    if timeout(deadline, over.recv()).await.is_err() {
        tracing::warn!(?deadline, "stopped with requests still under way");
    }
}

async fn accept(
    socket: &PluginSocket,
    service: &Arc<Service>,
    running: &mpsc::Sender<()>,
    stopping: &watch::Receiver<()>,
) {
    let connections = Arc::new(Semaphore::new(service.config.connections_max));
    loop {
        let room = connections.clone().acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let accepted = socket.listener.accept().await;
        match accepted.and_then(|(stream, _)| Ok((Line::of(&stream)?, stream))) {
            Ok((line, stream)) => {
                let peer = peer_of(&stream);
                let (delivery, line) = (Delivery::default(), Arc::new(line));
                let caller = Caller { peer, delivery, line, running: running.clone() };
                let service = Arc::clone(service);
                tokio::spawn(serve_connection(service, stream, caller, stopping.clone(), room));
            }
            Err(error) => {
                tracing::error!(%error, socket = %socket.path().display(), "cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(
    service: Arc<Service>,
    stream: UnixStream,
    caller: Caller,
    mut stopping: watch::Receiver<()>,
    _room: OwnedSemaphorePermit,
) {
    let config = service.config.clone();
    let stream = PluginStream::new(stream, caller.delivery.clone(), config.read_deadline);
    let peer = caller.peer;
    let answer = service_fn(move |request| service.clone().answer(caller.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Engines keep connections open without limit: closing one under a request makes them
        // repeat it with an empty body. Heads that crawl are the stream's business.
        .header_read_timeout(None)
        .max_buf_size(config.head_bytes_max)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The server is stopping: its side of the channel is gone.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            let Ok(ended) = timeout(config.drain_deadline, connection).await else { return };
            ended
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, %error, "connection ended");
    }
}

fn peer_of(stream: &UnixStream) -> Option<Peer> {
    let credentials = stream.peer_cred().ok()?;
    // The kernel says 0 for a process outside our view.
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid > 0);
    Some(Peer { pid, uid: credentials.uid(), gid: credentials.gid() })
}
