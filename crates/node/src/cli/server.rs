//! `berth server`

use std::process;

use super::{Common, Failure};
use crate::config::{ServerConfig, Settings};
use crate::{logs, server};

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

/// Runs until a signal ends it, or it cannot go on: then the process ends at once, whatever else
/// is under way.
pub(super) fn run(arguments: Arguments, common: Common) -> Result<(), Failure> {
    let file = Settings::load(common.config.as_deref())?;
    let flags = Settings { api_socket: common.api_socket, ..arguments.settings };
    let config = ServerConfig::new(flags.or(file))?;
    logs::start(config.log_level, config.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    let Err(error) = runtime.block_on(server::run(config)) else {
        runtime.shutdown_background();
        return Ok(());
    };
    let failure = Failure::from(error);
    failure.report();
    process::exit(1)
}
