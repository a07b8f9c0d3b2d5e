//! `berth address`

use std::net::IpAddr;

use berth_allocator::{PoolId, SpaceName};
use comfy_table::Cell;

use super::client::ApiClient;
use super::free::{self, Word};
use super::output::{note, show, show_all, tell_staleness};
use super::table::{cell, state, table};
use super::{Failure, Reading, time};
use crate::api::types::{Address, Claim, Listing};
use crate::code::Code;
use crate::doctor::Ask;

const LIST_EXAMPLES: &str = "\
Examples:
  berth address ls
  berth address ls LocalDefault/172.17.0.0/16
  berth address ls --space GlobalDefault --output json | jq -r '.[].address'";
const SHOW_EXAMPLES: &str = "\
Examples:
  berth address show 10.0.0.7
  berth address show 172.17.0.2 --output json";

/// Look at addresses, and release what is left of them
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the addresses that are held, or were released a moment ago
    #[command(after_help = LIST_EXAMPLES)]
    Ls {
        /// Of this pool only
        pool: Option<PoolId>,
        /// Of this space only
        #[arg(long, value_name = "NAME", conflicts_with = "pool")]
        space: Option<SpaceName>,
        #[command(flatten)]
        reading: Reading,
    },
    /// Show what every space knows about an address, free or not
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The address
        address: IpAddr,
        #[command(flatten)]
        reading: Reading,
    },
    /// End a claim on an address that nobody uses any more
    #[command(after_help = free::ADDRESS_EXAMPLES)]
    Release {
        /// The address
        address: IpAddr,
        /// Its pool, where it is held in several
        #[arg(long, value_name = "POOL")]
        pool: Option<PoolId>,
        #[command(flatten)]
        word: Word,
    },
}

pub(super) async fn run(command: Command, api: ApiClient) -> Result<(), Failure> {
    match command {
        Command::Ls { pool, space, reading } => {
            let pool = pool.map(|id| id.to_string());
            let space = space.map(|name| name.to_string());
            let filters = [("pool", pool), ("space", space)];
            let listing: Listing<Address> =
                api.get(&reading.query("/v1/addresses", &filters)).await?;
            show_all(reading.output, &listing, summary)
        }
        Command::Show { address, reading } => {
            let found = find(&api, address, reading).await?;
            show(reading.output, &found, |found| summary(found))
        }
        Command::Release { address, pool, word } => {
            free::release_address(&api, address, pool, word).await
        }
    }
}

/// What every space knows about an address; a failure if that is nothing.
pub(super) async fn find(
    api: &ApiClient,
    address: IpAddr,
    reading: Reading,
) -> Result<Vec<Address>, Failure> {
    let filter = || ("address", Some(address.to_string()));
    let everywhere = reading.query("/v1/addresses", &[filter()]);
    let here = reading.query("/v1/addresses", &[filter(), ("scope", Some("local".to_owned()))]);
    let listing: Listing<Address> = match api.get(&everywhere).await {
        // What this host holds itself can be told without the cluster.
        Err(failure) if failure.is_unavailable() => {
            let listing: Listing<Address> = api.get(&here).await?;
            if listing.items.is_empty() {
                return Err(failure);
            }
            note(&format!("of this host's own space only: {failure}"));
            listing
        }
        listing => listing?,
    };
    listing.read.iter().for_each(tell_staleness);
    if listing.items.is_empty() {
        let text = format!("{address} is in no pool: `berth pool ls` shows them all");
        return Err(Failure::new(Code::NotInAnyPool, text));
    }
    Ok(listing.items)
}

fn summary(addresses: &[Address]) -> String {
    let rows = addresses.iter().map(|address| {
        let claim = address.claim.as_ref();
        let since = claim.map(|claim| time::age(&claim.since));
        vec![
            Cell::new(address.address),
            state(address.state),
            cell(claim.map(|claim| claim.kind.as_str())),
            cell(claim.and_then(owner)),
            cell(claim.map(|claim| claim.host.as_str())),
            cell(since.as_deref()),
            Cell::new(&address.pool),
        ]
    });
    table(&["ADDRESS", "STATE", "KIND", "FOR", "HOST", "SINCE", "POOL"], rows)
}

fn owner(claim: &Claim) -> Option<&str> {
    claim.owner.as_deref().or(claim.mac.as_deref())
}
