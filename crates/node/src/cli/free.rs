//! What an operator knows to be unused: `berth address release`, `berth pool rm`.

use std::net::IpAddr;

use berth_allocator::PoolId;
use hyper::Method;

use super::client::ApiClient;
use super::output::{Format, print};
use super::{Failure, Reading, address, pool};
use crate::api::types::{Address, AddressState, Freed, Suspect};
use crate::code::Code;

pub(super) const ADDRESS_EXAMPLES: &str = "\
Examples:
  berth address release 10.0.0.7                    stale or in doubt, or cooling
  berth address release 10.0.0.7 --pool lab/10.0.0.0/24 --note 'host h7 is gone'
  berth address release 10.0.0.7 --force            held: look at `berth why 10.0.0.7` first";
pub(super) const POOL_EXAMPLES: &str = "\
Examples:
  berth pool rm GlobalDefault/10.0.0.0/24           of a network that is gone
  berth pool rm LocalDefault/172.17.0.0/16 --force  with all addresses that are held in it";

/// An operator's word.
#[derive(Debug, clap::Args)]
pub(super) struct Word {
    /// End also what is held, and not in doubt: whoever uses it is not told
    #[arg(long)]
    pub(super) force: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
}

/// A look at what is there now.
const NOW: Reading = Reading { output: Format::Table, stale: false };

/// Ends the claim on an address.
pub(super) async fn release_address(
    api: &ApiClient,
    wanted: IpAddr,
    within: Option<PoolId>,
    word: Word,
) -> Result<(), Failure> {
    let found = address::find(api, wanted, NOW).await?;
    let here = |pool: &str| {
        let id: Option<PoolId> = pool.parse().ok();
        within.as_ref().is_none_or(|within| id.is_some_and(|id| same(&id, within)))
    };
    let claimed = |found: &&Address| found.claim.is_some() && here(&found.pool);
    let claimed: Vec<&Address> = found.iter().filter(claimed).collect();
    let [one] = claimed[..] else {
        return Err(not_one(wanted, &claimed));
    };
    let claim = one.claim.as_ref().map(|claim| claim.id).expect("only such are left");
    let cooled = one.state == AddressState::Cooling;
    end(api, &one.pool, Some(wanted), claim, &word).await?;
    let freed = if cooled { "may be given again" } else { "is free" };
    print(&format!("{wanted} of {} {freed}", one.pool))
}

/// The same pool, in whatever epoch.
fn same(one: &PoolId, other: &PoolId) -> bool {
    (&one.space, one.prefix, one.sub_pool) == (&other.space, other.prefix, other.sub_pool)
}

fn not_one(address: IpAddr, claimed: &[&Address]) -> Failure {
    let pools: Vec<&str> = claimed.iter().map(|address| address.pool.as_str()).collect();
    let text = match pools[..] {
        [] => format!("nobody holds {address}: `berth address show {address}` says what it is"),
        _ => format!("{address} is held in {}: name one with --pool", pools.join(" and ")),
    };
    Failure::new(Code::NotHeld, text)
}

/// Ends all claims on a pool, and on the addresses in it.
pub(super) async fn remove_pool(api: &ApiClient, id: &PoolId, word: Word) -> Result<(), Failure> {
    let shown = pool::get(api, id, NOW).await?;
    for holder in &shown.holders {
        end(api, &shown.id, None, holder.claim, &word).await?;
    }
    print(&format!("pool {} removed", shown.id))
}

/// Ends a claim; without an address that on the pool.
pub(super) async fn end(
    api: &ApiClient,
    pool: &str,
    address: Option<IpAddr>,
    claim: u64,
    Word { force, note }: &Word,
) -> Result<(), Failure> {
    let (pool, force, note) = (pool.to_owned(), *force, note.clone());
    let suspect = Suspect { pool, address, claim, force, note };
    let _: Freed = api.change(Method::POST, "/v1/suspects/free", &suspect).await?;
    Ok(())
}
