//! `berth agent`

use super::{Common, Failure};
use crate::agent;
use crate::cli::process;
use crate::config::{AgentConfig, AgentSettings, HostSettings, Settings};

const EXAMPLES: &str = "\
Examples:
  A host beside a cluster of three, with the secret that its nodes share:
    berth agent --name worker-1 \\
      --server 10.1.0.1:7100,10.1.0.2:7100,10.1.0.3:7100 \\
      --bootstrap-secret-file /etc/berth/secret
    docker network create --ipam-driver berth web
    berth status

An agent keeps its host's own space, and nothing of the cluster. While no server answers, networks of
this host work as always. A flag wins over its environment variable, and that over the same key of
the configuration file.";

/// Run the driver of this host's Docker engine, for a cluster of other hosts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    host: HostSettings,
    #[command(flatten)]
    agent: AgentSettings,
}

pub(super) fn run(arguments: Arguments, common: Common) -> Result<(), Failure> {
    let file = Settings::load(common.config.as_deref())?;
    let host = HostSettings { api_socket: common.api_socket, ..arguments.host };
    let config = AgentConfig::new(host.or(file.host), arguments.agent.or(file.agent))?;
    process::run(&config.host.clone(), agent::run(config))
}
