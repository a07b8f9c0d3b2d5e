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
    let read = move || {
        let file = Settings::load(common.config.as_deref())?;
        let api_socket = common.api_socket.clone();
        let settings = Settings {
            host: HostSettings { api_socket, ..arguments.host.clone() }.or(file.host),
            agent: arguments.agent.clone().or(file.agent),
            ..Settings::default()
        };
        let config = AgentConfig::new(settings.host.clone(), settings.agent.clone())?;
        Ok((settings, config))
    };
    let (settings, config) = read()?;
    let again = Box::new(move || read().map(|(settings, config)| (settings, config.host)));
    process::run(&config.host.clone(), agent::run(config), (settings, again))
}
