//! `berth pool`

use std::net::IpAddr;

use berth_allocator::{PoolId, SpaceName};
use comfy_table::Cell;

use super::client::ApiClient;
use super::free::{self, Word};
use super::output::{show, show_all};
use super::reserve::{self, Range};
use super::table::{cell, facts, table};
use super::{Failure, Reading, time};
use crate::api::types::{Listing, Pool, Usage};
use crate::doctor::Ask;

const LIST_EXAMPLES: &str = "\
Examples:
  berth pool ls
  berth pool ls --space GlobalDefault --output json";
const SHOW_EXAMPLES: &str = "\
Examples:
  berth pool show LocalDefault/172.17.0.0/16
  berth pool show GlobalDefault/10.0.0.0/24     as it is now, whatever its epoch";

/// Look at pools, remove what is left of them, reserve addresses
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List all pools
    #[command(after_help = LIST_EXAMPLES)]
    Ls {
        /// Of this space only
        #[arg(long, value_name = "NAME")]
        space: Option<SpaceName>,
        #[command(flatten)]
        reading: Reading,
    },
    /// Show one: its holders, and how its addresses are used
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The pool's id: SPACE/PREFIX[/SUBPOOL]
        #[arg(value_name = "POOL")]
        id: PoolId,
        #[command(flatten)]
        reading: Reading,
    },
    /// Remove a pool whose network is gone, with the addresses in it
    #[command(after_help = free::POOL_EXAMPLES)]
    Rm {
        /// The pool's id: SPACE/PREFIX[/SUBPOOL]
        #[arg(value_name = "POOL")]
        id: PoolId,
        #[command(flatten)]
        word: Word,
    },
    /// Take addresses out of use: for routers, DHCP servers, virtual machines
    #[command(after_help = reserve::RESERVE_EXAMPLES)]
    Reserve {
        /// The space, whatever pools it has now or later
        space: SpaceName,
        /// Which: an address, FIRST-LAST, or a prefix
        #[arg(value_name = "ADDRESSES")]
        range: Range,
        /// What for
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// In a shared space, let every host have them that names them explicitly
        #[arg(long)]
        common: bool,
    },
    /// Give reserved addresses back
    #[command(after_help = reserve::UNRESERVE_EXAMPLES)]
    Unreserve {
        /// The space
        space: SpaceName,
        /// The first address, as it was reserved
        first: IpAddr,
    },
}

pub(super) async fn run(command: Command, api: ApiClient) -> Result<(), Failure> {
    match command {
        Command::Ls { space, reading } => {
            let filter = ("space", space.map(|name| name.to_string()));
            let listing: Listing<Pool> = api.get(&reading.query("/v1/pools", &[filter])).await?;
            show_all(reading.output, &listing, summary)
        }
        Command::Show { id, reading } => {
            let pool: Pool = get(&api, &id, reading).await?;
            show(reading.output, &pool, details)
        }
        Command::Rm { id, word } => free::remove_pool(&api, &id, word).await,
        Command::Reserve { space, range, note, common } => {
            reserve::reserve(&api, &space, range, note, common).await
        }
        Command::Unreserve { space, first } => reserve::unreserve(&api, &space, first).await,
    }
}

fn summary(pools: &[Pool]) -> String {
    let rows = pools.iter().map(|pool| {
        let holder = pool.holders.first().map(|holder| holder.host.as_str());
        let hosts = match pool.holders.len() {
            0 | 1 => cell(holder),
            many => Cell::new(format!("{many} hosts")),
        };
        let usage = &pool.usage;
        vec![
            Cell::new(&pool.id),
            Cell::new(usage.size.0),
            Cell::new(usage.held.0),
            Cell::new(usage.free.0),
            Cell::new(in_doubt(usage)),
            cell(pool.gateway.map(|gateway| gateway.to_string()).as_deref()),
            hosts,
            Cell::new(time::age(&pool.since)),
        ]
    });
    let header = ["POOL", "#SIZE", "#HELD", "#FREE", "#IN DOUBT", "GATEWAY", "HOST", "SINCE"];
    table(&header, rows)
}

/// Addresses that are claimed, but perhaps by nobody any more.
fn in_doubt(usage: &Usage) -> u128 {
    usage.stale.0 + usage.suspect.0
}

/// One pool.
pub(super) async fn get(api: &ApiClient, id: &PoolId, reading: Reading) -> Result<Pool, Failure> {
    reading.tell_staleness(api).await;
    api.get(&reading.query(&format!("/v1/pools/{id}"), &[])).await
}

/// All that is known of a pool.
pub(super) fn details(pool: &Pool) -> String {
    let Usage { size, free, held, stale, suspect, cooling, reserved } = &pool.usage;
    let usage = format!(
        "{} in all: {} held, {} free, {} cooling, {} reserved, {} stale, {} suspect",
        size.0, held.0, free.0, cooling.0, reserved.0, stale.0, suspect.0
    );
    let mut known = vec![("pool", pool.id.clone())];
    known.extend(pool.name.clone().map(|name| ("name", name)));
    known.extend(pool.gateway.map(|gateway| ("gateway", gateway.to_string())));
    known.push(("since", time::with_age(&pool.since)));
    known.extend(pool.labels.iter().map(|(key, value)| ("label", format!("{key}={value}"))));
    if pool.behind {
        known.push(("restored", "it gives nothing new until it is claimed again".to_owned()));
    }
    known.push(("addresses", usage));
    let rows = pool.holders.iter().map(|holder| {
        vec![
            Cell::new(&holder.host),
            Cell::new(holder.session),
            Cell::new(holder.claim),
            Cell::new(if holder.suspect { "suspect" } else { "held" }),
            Cell::new(time::with_age(&holder.since)),
        ]
    });
    let holders = table(&["HOST", "#SESSION", "#CLAIM", "STATE", "SINCE"], rows);
    format!("{}\n\n{holders}", facts(known))
}
