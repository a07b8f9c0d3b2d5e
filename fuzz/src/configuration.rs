//! Configuration: a file, and a command line.

use berth_node::cli::Cli;
use berth_node::config::{AgentConfig, ServerConfig, Settings};
use clap::Parser;

/// A configuration file, taken for a server's and for an agent's.
pub(crate) fn file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(mut settings) = toml::from_str::<Settings>(text) else { return };
    // Nothing outside is read.
    settings.host.bootstrap_secret_file = None;
    let told = [
        ServerConfig::new(settings.host.clone(), settings.member).map(drop),
        AgentConfig::new(settings.host, settings.agent).map(drop),
    ];
    for error in told.into_iter().filter_map(Result::err) {
        assert!(!error.to_string().is_empty());
    }
}

/// Arguments, one a line. They are parsed, not carried out.
pub(crate) fn command_line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Cli::try_parse_from(std::iter::once("berth").chain(text.lines())) {
        assert!(!error.to_string().is_empty());
    }
}
