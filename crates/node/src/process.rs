//! Runs a process until a signal ends it: the first in good order, the second at once.

use std::future::Future;
use std::io;

use rustix::process::{getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::manager;

/// Tells that the process is to stop.
pub(crate) type Stop = watch::Receiver<bool>;

/// Serves until it ends by itself, or was told to stop.
pub(crate) async fn run<E, F: Future<Output = Result<(), E>>>(
    serve: impl FnOnce(Stop) -> F,
    no_signals: impl FnOnce(io::Error) -> E,
) -> Result<(), E> {
    let mut signals = Signals::new().map_err(no_signals)?;
    let stop = signals.stop.clone();
    tokio::select! {
        ended = serve(stop) => ended,
        () = signals.second() => {
            tracing::warn!("killed by a second signal");
            // What was acknowledged is on disk: this is what a crash would do.
            let _ = kill_process(getpid(), rustix::process::Signal::KILL);
            std::future::pending().await
        }
    }
}

/// Waits until the process is to stop.
pub(crate) async fn stopped(mut stop: Stop) {
    // An error means that nobody can ask for a stop any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The signals that end a process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    asked: watch::Sender<bool>,
    stop: Stop,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (asked, stop) = watch::channel(false);
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, asked, stop })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Passes the first signal on, and waits for the second.
    async fn second(&mut self) {
        self.next().await;
        manager::stopping();
        self.asked.send_replace(true);
        self.next().await;
    }
}
