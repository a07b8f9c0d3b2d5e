//! `berth cluster join-token`

use hyper::Method;

use crate::api::types::{MadeToken, NewToken};
use crate::cli::Failure;
use crate::cli::client::ApiClient;
use crate::cli::output::print;
use crate::cli::time::Seconds;

const EXAMPLES: &str = "\
Examples:
  berth cluster join-token
  berth cluster join-token --uses 1 --lifetime 10m --note n4
  berth cluster join-token > token    then, on another host: berth server --join \"$(cat token)\" …

Whoever has the token can become a server, until it expires or `berth token revoke` ends it.";

/// Print a token with which another host can join; it is secret
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    lifetime: Seconds,

    /// How many hosts may join with it [default: any number]
    #[arg(long, value_name = "COUNT")]
    uses: Option<u32>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let Arguments { lifetime, uses, note } = arguments;
    let new = NewToken { role: None, note, lifetime_seconds: Some(lifetime.0), uses };
    let made: MadeToken = api.change(Method::POST, "/v1/join-tokens", &new).await?;
    print(&made.token)
}
