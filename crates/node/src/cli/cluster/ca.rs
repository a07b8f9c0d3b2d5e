//! `berth cluster ca`

use crate::api::types::Authority;
use crate::cli::Failure;
use crate::cli::client::ApiClient;
use crate::cli::output::print;
use crate::doctor::Ask;

const EXAMPLES: &str = "\
Examples:
  berth cluster ca > ca.pem
  curl --cacert ca.pem -H \"Authorization: Bearer $(cat token)\" https://n1:7100/v1/spaces";

/// Print the certificate by which other programs know the cluster's nodes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {}

pub(super) async fn run(Arguments {}: Arguments, api: ApiClient) -> Result<(), Failure> {
    let authority: Authority = api.get("/v1/authority").await?;
    print(authority.certificate.trim_end())
}
