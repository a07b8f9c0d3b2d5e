//! `berth manual`

use std::path::PathBuf;

use clap::CommandFactory;

use super::{Cli, Failure};
use crate::code::Code;

/// Write the manual pages of all commands to a directory
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The directory
    dir: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let written = clap_mangen::generate_to(Cli::command(), &arguments.dir);
    written.map_err(|error| {
        let dir = arguments.dir.display();
        Failure::new(Code::CannotStart, format!("cannot write to {dir}: {error}"))
    })
}
