//! `berth cluster`: what is done to the cluster as a whole.

mod backup;
mod restore;
mod resume;
mod verify;

use super::{Common, Failure, ask};

/// Back the cluster up, restore it, compare its nodes
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Write the cluster's state to a file, while it serves
    Backup(backup::Arguments),
    /// Make the data directory of a first member of a new cluster out of a backup
    Restore(restore::Arguments),
    /// Let a restored cluster give new pools and addresses again
    Resume(resume::Arguments),
    /// Compare the states of all nodes
    Verify(verify::Arguments),
}

pub(super) fn run(command: Command, common: Common) -> Result<(), Failure> {
    match command {
        Command::Backup(arguments) => ask(common, |api| backup::run(arguments, api)),
        Command::Restore(arguments) => restore::run(arguments, &common),
        Command::Resume(arguments) => ask(common, |api| resume::run(arguments, api)),
        Command::Verify(arguments) => ask(common, |api| verify::run(arguments, api)),
    }
}
