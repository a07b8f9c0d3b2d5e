//! The command line: one file a command.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 unavailable (no quorum, or no node
//! answers: the outcome may be unknown, and the text says which).

mod address;
mod agent;
mod bench;
mod bench_bar;
mod bench_table;
mod client;
mod cluster;
mod completions;
mod doctor;
mod export;
mod failure;
mod free;
mod import;
mod manual;
mod output;
mod plugin;
mod pool;
mod process;
mod reload;
mod reserve;
mod server;
mod space;
mod space_change;
mod status;
mod table;
mod time;
mod token;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::client::ApiClient;
use self::failure::Failure;
use self::output::Format;
use crate::api::types::{Listing, Space};
use crate::config::{API_SOCKET, Settings};
use crate::doctor::Ask;

const EXAMPLES: &str = "\
First steps:
  berth server --bootstrap        a cluster of this one host, and its Docker engine's IPAM driver
  docker network create --ipam-driver berth mine
  berth address ls                who has which address
  berth why 172.17.0.2            and since when, and what to do

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 unavailable or outcome unknown.";

/// A cluster-wide IPAM for Docker: no address is given twice, none that was given is lost.
#[derive(Debug, Parser)]
#[command(name = "berth", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What all commands take.
#[derive(Debug, Args)]
struct Common {
    /// Configuration file [default: /etc/berth/berth.toml]
    #[arg(long, global = true, env = "BERTH_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Socket of the node's API [default: /run/berth/api.sock]
    #[arg(
        long,
        global = true,
        env = "BERTH_API_SOCKET",
        hide_env_values = true,
        value_name = "PATH"
    )]
    api_socket: Option<PathBuf>,

    /// File with a token of `berth token create`: ask its cluster, instead of a node on this host
    #[arg(
        long,
        global = true,
        env = "BERTH_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,
}

impl Common {
    /// The node, or the cluster, that is asked.
    fn api(self) -> Result<ApiClient, Failure> {
        if let Some(file) = self.token_file {
            return ApiClient::with_token(&file);
        }
        if let Some(socket) = self.api_socket {
            return Ok(ApiClient::new(socket));
        }
        let settings = Settings::load(self.config.as_deref())?;
        Ok(ApiClient::new(settings.host.api_socket.unwrap_or(API_SOCKET.into())))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node of the cluster, and the driver of this host's Docker engine
    Server(Box<server::Arguments>),
    /// Run the driver of this host's Docker engine, for a cluster of other hosts
    Agent(Box<agent::Arguments>),
    /// Run as Docker's managed plugin: a server, or an agent
    #[command(hide = true)]
    Plugin(plugin::Arguments),
    /// Show members, leader, log, spaces, and what is wrong
    Status(status::Arguments),
    /// Members and leadership, backups, and what to do when a majority is lost
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Make tokens for users of the API elsewhere, list them, make them void
    #[command(subcommand)]
    Token(token::Command),
    /// Look at address spaces, make and change them
    #[command(subcommand)]
    Space(space::Command),
    /// Look at pools, remove what is left of them, reserve addresses
    #[command(subcommand)]
    Pool(pool::Command),
    /// Look at addresses, and release what is left of them
    #[command(subcommand)]
    Address(address::Command),
    /// Print spaces, reservations, pools and addresses as JSON Lines
    Export(export::Arguments),
    /// Take what `berth export` printed into this cluster
    Import(import::Arguments),
    /// Explain who holds an address or a pool, since when, and what to do
    Why(why::Arguments),
    /// Find leaks, and addresses that are used and not held; free what is lost
    Doctor(doctor::Arguments),
    /// Measure how fast addresses are given, with pools of its own
    Bench(Box<bench::Arguments>),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Write the manual pages of all commands to a directory
    #[command(hide = true)]
    Manual(manual::Arguments),
}

/// How a command that reads shows what it read.
#[derive(Debug, Clone, Copy, Args)]
struct Reading {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,

    /// Accept what this node knows, however old; works without a quorum
    #[arg(long)]
    stale: bool,
}

impl Reading {
    /// Says how old what is about to be shown is, where it may be old and anybody knows.
    async fn tell_staleness(self, api: &ApiClient) {
        if self.stale {
            let spaces = self.query("/v1/spaces", &[("scope", Some("global".to_owned()))]);
            let spaces: Option<Listing<Space>> = api.get(&spaces).await.ok();
            spaces.and_then(|spaces| spaces.read).iter().for_each(output::tell_staleness);
        }
    }

    /// The path with the query for it. Filters are checked names and numbers: nothing to escape.
    fn query(self, path: &str, filters: &[(&str, Option<String>)]) -> String {
        let consistency = if self.stale { "stale" } else { "linearizable" };
        let filters = filters.iter().filter_map(|(name, value)| Some((*name, value.clone()?)));
        let all = std::iter::once(("consistency", consistency.to_owned())).chain(filters);
        let all: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
        format!("{path}?{}", all.join("&"))
    }
}

/// Runs the command that the process's arguments name.
pub fn run() -> ExitCode {
    start(Cli::parse()).map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

fn start(Cli { common, command }: Cli) -> Result<(), Failure> {
    match command {
        Command::Server(arguments) => server::run(*arguments, common),
        Command::Agent(arguments) => agent::run(*arguments, common),
        Command::Plugin(arguments) => start(plugin::command(&arguments)?),
        Command::Status(arguments) => ask(common, |api| status::run(arguments, api)),
        Command::Cluster(command) => cluster::run(command, common),
        Command::Token(command) => ask(common, |api| token::run(command, api)),
        Command::Space(command) => ask(common, |api| space::run(command, api)),
        Command::Pool(command) => ask(common, |api| pool::run(command, api)),
        Command::Address(command) => ask(common, |api| address::run(command, api)),
        Command::Export(arguments) => ask(common, |api| export::run(arguments, api)),
        Command::Import(arguments) => ask(common, |api| import::run(arguments, api)),
        Command::Why(arguments) => ask(common, |api| why::run(arguments, api)),
        Command::Doctor(arguments) => ask(common, |api| doctor::run(arguments, api)),
        Command::Bench(arguments) => bench::run(&arguments, common),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Manual(arguments) => manual::run(&arguments),
    }
}

/// Runs a command that asks a node.
fn ask<F: Future<Output = Result<(), Failure>>>(
    common: Common,
    command: impl FnOnce(ApiClient) -> F,
) -> Result<(), Failure> {
    let api = common.api()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    runtime.block_on(command(api))
}
