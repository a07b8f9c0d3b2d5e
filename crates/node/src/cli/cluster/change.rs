//! `berth cluster promote`, `remove` and `transfer-leader`

use hyper::Method;

use crate::api::types::Leader;
use crate::cli::Failure;
use crate::cli::client::ApiClient;
use crate::cli::output::print;
use crate::code::Code;

const PROMOTE_EXAMPLES: &str = "\
Examples:
  berth cluster promote n4

A server that joined asks for its vote by itself, unless it runs with --learner.";
const REMOVE_EXAMPLES: &str = "\
Examples:
  berth cluster remove n3
  berth cluster remove 3            by its number, as `berth cluster members` shows it

Its process ends once it is told. What its engine holds stays held. It can join again, as a new member.";
const TRANSFER_EXAMPLES: &str = "\
Examples:
  berth cluster transfer-leader n2
  berth cluster transfer-leader     to the member that is furthest";

/// Give a learner a vote
#[derive(Debug, clap::Args)]
#[command(after_help = PROMOTE_EXAMPLES)]
pub(in crate::cli) struct Promote {
    /// Its name or number
    member: String,
}

/// Remove a member, for good
#[derive(Debug, clap::Args)]
#[command(after_help = REMOVE_EXAMPLES)]
pub(in crate::cli) struct Remove {
    /// Its name or number
    member: String,

    /// Even if too few of the others seem to be there: the cluster may then stand still until they are back
    #[arg(long)]
    force: bool,
}

/// Have another member lead
#[derive(Debug, clap::Args)]
#[command(after_help = TRANSFER_EXAMPLES)]
pub(in crate::cli) struct TransferLeader {
    /// Its name or number [default: the one that is furthest]
    member: Option<String>,
}

pub(super) async fn promote(Promote { member }: Promote, api: ApiClient) -> Result<(), Failure> {
    let path = format!("/v1/members/{}/promote", plain(&member)?);
    let nothing = serde_json::Map::new();
    let () = api.change(Method::POST, &path, &nothing).await?;
    print(&format!("{member} votes"))
}

pub(super) async fn remove(
    Remove { member, force }: Remove,
    api: ApiClient,
) -> Result<(), Failure> {
    let force = if force { "?force=true" } else { "" };
    api.remove(&format!("/v1/members/{}{force}", plain(&member)?)).await?;
    print(&format!("{member} is a member no more"))
}

pub(super) async fn transfer(
    TransferLeader { member }: TransferLeader,
    api: ApiClient,
) -> Result<(), Failure> {
    let leads: Leader = api.change(Method::PUT, "/v1/leader", &Leader { member }).await?;
    print(&format!("{} leads", leads.member.as_deref().unwrap_or("another member")))
}

/// A name or number, of which a path can be made.
fn plain(member: &str) -> Result<&str, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !member.is_empty() && member.bytes().all(plain) {
        return Ok(member);
    }
    let text =
        format!("{member:?} is no member's name or number: `berth cluster members` lists them");
    Err(Failure::new(Code::BadRequest, text))
}
