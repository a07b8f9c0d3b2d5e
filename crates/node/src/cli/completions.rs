//! `berth completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, output};

const EXAMPLES: &str = "\
Examples:
  berth completions bash > /etc/bash_completion.d/berth
  source <(berth completions zsh)";

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "berth", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
