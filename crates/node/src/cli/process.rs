//! Runs what goes on until it is told to stop.

use std::future::Future;
use std::num::NonZero;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::Failure;
use super::reload::{Read, Reload};
use crate::config::{HostConfig, Settings};
use crate::descriptors;
use crate::host::HostError;
use crate::logs::Logs;

/// How long what is left may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
/// Threads for a process's tasks, at most. What takes long runs on others.
const THREADS_MAX: usize = 4;

/// Threads for a process's tasks, so that half of the processors are left to others.
pub(super) fn threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (processors / 2).clamp(1, THREADS_MAX)
}

pub(super) fn run(
    config: &HostConfig,
    process: impl Future<Output = Result<(), HostError>>,
    (started, read): (Settings, Read),
) -> Result<(), Failure> {
    let live = config.live.clone();
    let logs = Logs::start(live.get().log);
    descriptors::raise_limit();
    let runtime = runtime().map_err(|error| Failure::cannot_start(&error))?;
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

/// Of few threads: a request passes from task to task some twenty times, which is cheap on one thread, while
/// several that wake each other for it cost more than the request does.
fn runtime() -> std::io::Result<Runtime> {
    let mut builder = match threads() {
        1 => Builder::new_current_thread(),
        threads => {
            let mut several = Builder::new_multi_thread();
            several.worker_threads(threads);
            several
        }
    };
    builder.enable_all().build()
}
