//! `berth cluster`: what is done to the cluster as a whole.

mod backup;
mod ca;
mod change;
mod join;
mod join_token;
mod members;
mod recover;
mod restore;
mod resume;
mod upgrade;
mod verify;

use super::{Common, Failure, ask};

/// Members and leadership, backups, and what to do when a majority is lost
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the members, and how far each is
    Members(members::Arguments),
    /// Print a token with which another host can join; it is secret
    JoinToken(join_token::Arguments),
    /// Make this host a member: what `berth server --join` does, without starting it
    Join(Box<join::Arguments>),
    /// Give a learner a vote
    Promote(change::Promote),
    /// Remove a member, for good
    Remove(change::Remove),
    /// Have another member lead
    TransferLeader(change::TransferLeader),
    /// Print the certificate by which other programs know the cluster's nodes
    Ca(ca::Arguments),
    /// Write the cluster's state to a file, while it serves
    Backup(backup::Arguments),
    /// Make the data directory of a first member of a new cluster out of a backup
    Restore(restore::Arguments),
    /// Let a restored cluster give new pools and addresses again
    Resume(resume::Arguments),
    /// Compare the states of all nodes
    Verify(verify::Arguments),
    /// Show what the members know, and raise the cluster's level to it
    Upgrade(upgrade::Arguments),
    /// Make a cluster of one out of this stopped member, when most are lost for good
    Recover(recover::Arguments),
}

pub(super) fn run(command: Command, common: Common) -> Result<(), Failure> {
    match command {
        Command::Members(arguments) => ask(common, |api| members::run(arguments, api)),
        Command::JoinToken(arguments) => ask(common, |api| join_token::run(arguments, api)),
        Command::Join(arguments) => join::run(*arguments, &common),
        Command::Promote(arguments) => ask(common, |api| change::promote(arguments, api)),
        Command::Remove(arguments) => ask(common, |api| change::remove(arguments, api)),
        Command::TransferLeader(arguments) => ask(common, |api| change::transfer(arguments, api)),
        Command::Ca(arguments) => ask(common, |api| ca::run(arguments, api)),
        Command::Backup(arguments) => ask(common, |api| backup::run(arguments, api)),
        Command::Restore(arguments) => restore::run(arguments, &common),
        Command::Resume(arguments) => ask(common, |api| resume::run(arguments, api)),
        Command::Verify(arguments) => ask(common, |api| verify::run(arguments, api)),
        Command::Upgrade(arguments) => ask(common, |api| upgrade::run(arguments, api)),
        Command::Recover(arguments) => recover::run(&arguments, &common),
    }
}
