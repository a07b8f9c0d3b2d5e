//! Runs what goes on until it is told to stop.

use std::future::Future;
use std::time::Duration;

use super::Failure;
use crate::config::HostConfig;
use crate::host::HostError;
use crate::logs;

/// How long what is left may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);

pub(super) fn run(
    config: &HostConfig,
    process: impl Future<Output = Result<(), HostError>>,
) -> Result<(), Failure> {
    logs::start(config.log_level, config.log_format, config.audit);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    let ended = runtime.block_on(process);
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    Ok(ended?)
}
