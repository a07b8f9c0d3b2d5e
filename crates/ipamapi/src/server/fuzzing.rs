//! A connection of a caller who may send anything.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, watch};

use super::call::Call;
use super::line::Line;
use super::service::{Caller, Service};
use super::stream::Delivery;
use super::{ServerConfig, serve_connection};
use crate::null::NullIpam;

/// How often the server may go on before the caller hangs up.
const TURNS: usize = 16;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_all().build().expect("the system gives a runtime");
}

/// Reads a call, and writes what it says, as the log does.
pub(crate) fn parse(method: &str, body: &[u8]) {
    match Call::parse(method, body) {
        Some(Ok(call)) => assert!(!call.to_string().contains(['\n', '\r', '\0']), "{call}"),
        Some(Err(error)) => assert!(!error.to_string().is_empty()),
        None => {}
    }
}

/// Sends these bytes to a plugin, and hangs up. What comes back, if anything, is HTTP.
pub fn connection(bytes: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(converse(bytes)));
}

async fn converse(bytes: &[u8]) {
    let config = ServerConfig::default();
    let calls = Arc::new(Semaphore::new(config.calls_max));
    let driver = Arc::new(NullIpam);
    let service = Arc::new(Service { driver, config, calls, requests: AtomicU64::new(0) });
    let (mut engine, stream) = UnixStream::pair().expect("the system gives sockets");
    let (running, _over) = mpsc::channel(1);
    let (_stop, stopping) = watch::channel(());
    let line = Arc::new(Line::of(&stream).expect("the system gives a descriptor"));
    let caller = Caller { peer: None, delivery: Delivery::default(), line, running };
    let room = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("it is never closed");
    let serving = tokio::spawn(serve_connection(service, stream, caller, stopping, room));
    // It may have hung up already.
    let _ = engine.write_all(bytes).await;
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    let _ = engine.shutdown().await;
    let mut answers = Vec::new();
    let _ = engine.read_to_end(&mut answers).await;
    serving.await.expect("a connection does not panic");
    let http = answers.is_empty() || answers.starts_with(b"HTTP/1.");
    assert!(http, "answered {:?}", String::from_utf8_lossy(&answers));
}
