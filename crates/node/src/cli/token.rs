//! `berth token`: what users elsewhere may do.

use berth_allocator::Role;
use comfy_table::Cell;
use hyper::Method;

use super::client::ApiClient;
use super::output::{note, print, show_all};
use super::table::{cell, table};
use super::time::{Seconds, age};
use super::{Failure, Reading};
use crate::api::types::{Listing, MadeToken, NewToken, Token};
use crate::doctor::Ask;
use crate::role;

const CREATE_EXAMPLES: &str = "\
Examples:
  berth token create read --note dashboard
  berth token create allocate:lab --lifetime 720h > token
  BERTH_TOKEN_FILE=token berth pool ls --space lab      from any host

The token is told once. It says where the cluster is, so that nothing else is needed to use it.";
const LS_EXAMPLES: &str = "\
Examples:
  berth token ls
  berth token ls --output json | jq -r '.[] | select(.role == \"admin\") | .id'";
const REVOKE_EXAMPLES: &str = "\
Examples:
  berth token revoke 4711            by its number, as `berth token ls` shows it";

/// Make tokens for users of the API elsewhere, list them, make them void
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token, and print it
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List the tokens that may be used
    #[command(visible_alias = "list", after_help = LS_EXAMPLES)]
    Ls(List),
    /// Make a token void, at once and everywhere
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// What it allows: read; allocate:SPACE, to change what is in a space too; admin, everything
    #[arg(value_name = "ROLE", value_parser = role::parse)]
    role: Role,

    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "2160h")]
    lifetime: Seconds,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// Its number
    #[arg(value_name = "ID")]
    id: u64,
}

pub(super) async fn run(command: Command, api: ApiClient) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let Create { role, lifetime, note: what_for } = create;
            let (role, lifetime) = (Some(role::text(&role)), Some(lifetime.0));
            let new = NewToken { role, note: what_for, lifetime_seconds: lifetime, uses: None };
            let made: MadeToken = api.change(Method::POST, "/v1/tokens", &new).await?;
            note(&format!("token {} was made; it is not shown again", made.id));
            print(&made.token)
        }
        Command::Ls(List { reading }) => {
            let tokens: Listing<Token> = api.get(&reading.query("/v1/tokens", &[])).await?;
            show_all(reading.output, &tokens, listed)
        }
        Command::Revoke(Revoke { id }) => {
            api.remove(&format!("/v1/tokens/{id}")).await?;
            print(&format!("token {id} is void"))
        }
    }
}

fn listed(tokens: &[Token]) -> String {
    let rows = tokens.iter().map(|token| {
        let uses = token.uses_left.map(|uses| uses.to_string());
        vec![
            Cell::new(token.id),
            Cell::new(&token.role),
            Cell::new(age(&token.made)),
            cell(token.expires.as_deref()),
            cell(uses.as_deref()),
            cell(token.used_by.as_deref()),
            Cell::new(&token.note),
        ]
    });
    table(&["#ID", "ROLE", "MADE", "EXPIRES", "#USES", "USED BY", "NOTE"], rows)
}
