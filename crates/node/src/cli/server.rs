//! `berth server`

use super::{Common, Failure};
use crate::cli::process;
use crate::config::{HostSettings, MemberSettings, ServerConfig, Settings};
use crate::server;

const EXAMPLES: &str = "\
Examples:
  One host, to try it:
    berth server --bootstrap
  A node of three, each started with the same list and the same secret:
    head -c 32 /dev/urandom | base64 > /etc/berth/secret
    berth server --name N1 --listen 10.1.0.1:7100 \\
      --initial-cluster N1=10.1.0.1:7100,N2=10.1.0.2:7100,N3=10.1.0.3:7100 \\
      --bootstrap-secret-file /etc/berth/secret
  One more node, with a token that `berth cluster join-token` prints on another one:
    berth server --name N4 --listen 10.1.0.4:7100 --join TOKEN

A flag wins over its environment variable, and that over the same key of the configuration file.";

/// Run a node of the cluster, and the driver of this host's Docker engine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    host: HostSettings,
    #[command(flatten)]
    member: MemberSettings,
}

pub(super) fn run(arguments: Arguments, common: Common) -> Result<(), Failure> {
    let read = move || {
        let file = Settings::load(common.config.as_deref())?;
        let api_socket = common.api_socket.clone();
        let settings = Settings {
            host: HostSettings { api_socket, ..arguments.host.clone() }.or(file.host),
            member: arguments.member.clone().or(file.member),
            ..Settings::default()
        };
        let config = ServerConfig::new(settings.host.clone(), settings.member.clone())?;
        Ok((settings, config))
    };
    let (settings, config) = read()?;
    let again = Box::new(move || read().map(|(settings, config)| (settings, config.host)));
    process::run(&config.host.clone(), server::run(config), (settings, again))
}
