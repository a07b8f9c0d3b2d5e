//! Runs what goes on until it is told to stop.

use std::future::Future;
use std::time::Duration;

use super::Failure;
use super::reload::{Read, Reload};
use crate::config::{HostConfig, Settings};
use crate::descriptors;
use crate::host::HostError;
use crate::logs::Logs;

/// How long what is left may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);

pub(super) fn run(
    config: &HostConfig,
    process: impl Future<Output = Result<(), HostError>>,
    (started, read): (Settings, Read),
) -> Result<(), Failure> {
    let live = config.live.clone();
    let logs = Logs::start(live.get().log);
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
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
