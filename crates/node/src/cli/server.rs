//! `berth server`

use std::time::Duration;

use super::{Common, Failure};
use crate::config::{ServerConfig, Settings};
use crate::{logs, server};

/// How long what is left may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  One host, to try it:
    berth server --bootstrap
  A node of three, each started with the same list and the same secret:
    head -c 32 /dev/urandom | base64 > /etc/berth/secret
    berth server --name N1 --listen 10.1.0.1:7100 --insecure \\
      --initial-cluster N1=10.1.0.1:7100,N2=10.1.0.2:7100,N3=10.1.0.3:7100 \\
      --bootstrap-secret-file /etc/berth/secret

A flag wins over its environment variable, and that over the same key of the configuration file.";

/// Run a node of the cluster, and the driver of this host's Docker engine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments, common: Common) -> Result<(), Failure> {
    let file = Settings::load(common.config.as_deref())?;
    let flags = Settings { api_socket: common.api_socket, ..arguments.settings };
    let config = ServerConfig::new(flags.or(file))?;
    logs::start(config.log_level, config.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    let ended = runtime.block_on(server::run(config));
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    Ok(ended?)
}
