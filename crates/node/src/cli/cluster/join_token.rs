//! `berth cluster join-token`

use hyper::Method;

use crate::api::types::JoinToken;
use crate::cli::Failure;
use crate::cli::client::ApiClient;
use crate::cli::output::print;

const EXAMPLES: &str = "\
Examples:
  berth cluster join-token
  berth cluster join-token > token    then, on another host: berth server --join \"$(cat token)\" …

Whoever has the token can join: it holds the cluster's secret.";

/// Print a token with which another host can join; it is secret
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {}

pub(super) async fn run(Arguments {}: Arguments, api: ApiClient) -> Result<(), Failure> {
    let nothing = serde_json::Map::new();
    let made: JoinToken = api.change(Method::POST, "/v1/join-tokens", &nothing).await?;
    print(&made.token)
}
