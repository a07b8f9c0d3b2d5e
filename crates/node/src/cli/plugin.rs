//! `berth plugin`

use clap::Parser;

use super::{Cli, Failure};
use crate::config::ConfigError;

const AFTER: &str = "\
It is what the managed plugin runs. All settings come from the environment, as `berth server --help`
and `berth agent --help` name them.";

/// Run as Docker's managed plugin: a server, or an agent
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// What to be: server or agent
    #[arg(long, env = "BERTH_MODE", hide_env_values = true, default_value = "server")]
    mode: String,
}

/// The command that the mode names.
pub(super) fn command(arguments: &Arguments) -> Result<Cli, Failure> {
    match arguments.mode.as_str() {
        mode @ ("server" | "agent") => Ok(Cli::parse_from(["berth", mode])),
        mode => Err(ConfigError::Mode { mode: mode.to_owned() }.into()),
    }
}
