//! `berth cluster resume`

use berth_allocator::{PoolId, SpaceName};
use hyper::Method;

use super::super::Failure;
use super::super::client::ApiClient;
use super::super::output::print;
use crate::api::types::Resume;

const EXAMPLES: &str = "\
Examples:
  berth cluster resume
  berth cluster resume --space lab
  berth cluster resume --pool lab/10.64.0.0/24

A restored cluster does not know what was given after the backup. Until it is told otherwise, it
gives no automatic pools, and no addresses from pools that are new since or were not claimed again
(in a shared space: from any). Say this when every Docker engine has begun anew since the restore,
and every Swarm has a new leading manager: they claim again all that they hold. What an engine did
not claim by then can be given to another.";

/// Let a restored cluster give new pools and addresses again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in super::super) struct Arguments {
    /// Only in this space
    #[arg(long, value_name = "NAME", conflicts_with = "pool")]
    space: Option<SpaceName>,

    /// Only from this pool
    #[arg(long, value_name = "ID")]
    pool: Option<PoolId>,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let space = arguments.space.map(|name| name.to_string());
    let pool = arguments.pool.map(|id| id.to_string());
    let what = Resume { space, pool };
    let resumed: Resume = api.change(Method::POST, "/v1/resume", &what).await?;
    print(&match resumed.space.or(resumed.pool) {
        Some(what) => format!("{what} gives new ones again"),
        None => "all spaces give new pools and addresses again".to_owned(),
    })
}
