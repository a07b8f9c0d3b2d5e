//! `berth cluster members`

use crate::api::types::{Listing, Member};
use crate::cli::client::ApiClient;
use crate::cli::output::show_all;
use crate::cli::{Failure, Reading, status};
use crate::doctor::Ask;

const EXAMPLES: &str = "\
Examples:
  berth cluster members
  berth cluster members --output json | jq -r '.[] | select(.voter) | .name'
  berth cluster members --stale    without a quorum: as this node knows them";

/// List the members, and how far each is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    reading: Reading,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let Arguments { reading } = arguments;
    let members: Listing<Member> = api.get(&reading.query("/v1/members", &[])).await?;
    let leader = members.read.as_ref().and_then(|read| read.leader.clone());
    show_all(reading.output, &members, |items| status::members(items, leader.as_deref()))
}
