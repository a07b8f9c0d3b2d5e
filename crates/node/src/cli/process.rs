//! Runs what goes on until it is told to stop.

use std::future::Future;
use std::num::NonZero;
use std::time::Duration;

use tokio::runtime::Builder;

use super::Failure;
use super::reload::{Read, Reload};
use crate::config::{HostConfig, Settings};
use crate::descriptors;
use crate::host::HostError;
use crate::logs::Logs;

/// How long what is left may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
/// Threads that requests, peers and Raft share, at most; and at most half of the processors. One request
/// passes from task to task some twenty times: on one thread that is cheap, between two that wake each other
/// it is most of what the request costs. What takes long runs on others.
const THREADS_MAX: usize = 4;

pub(super) fn run(
    config: &HostConfig,
    process: impl Future<Output = Result<(), HostError>>,
    (started, read): (Settings, Read),
) -> Result<(), Failure> {
    let live = config.live.clone();
    let logs = Logs::start(live.get().log);
    descriptors::raise_limit();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (processors / 2).clamp(1, THREADS_MAX);
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    let ended = runtime.block_on(async {
        let reload = Reload { started, live, logs, read }.run();
        let reload = tokio::spawn(reload.map_err(HostError::Signals)?);
        let ended = process.await;
        reload.abort();
        ended
    });
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    Ok(ended?)
}
