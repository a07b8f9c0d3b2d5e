//! What Berth holds, as its API tells it.

use serde::de::DeserializeOwned;

use super::findings::OfHosts;
use super::observation::Observation;
use crate::api::types::{Address, HostClaims, Listing, Pool, Space, Status};
use crate::peers::{OfHost, all_told};

/// Why nothing is known of hosts where no manager of a Swarm is asked.
const NO_MANAGER: &str = "this engine is no manager of a Swarm";

/// Tells what is at a path of an API.
pub trait Ask {
    /// Why it did not.
    type Error: From<TooMany>;

    /// What is there.
    fn get<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> impl Future<Output = Result<T, Self::Error>> + Send;
}

/// More is held than one answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more pools or addresses than can be compared at once")]
pub struct TooMany;

/// What Berth holds, as one host has it.
#[derive(Debug, Clone)]
pub struct Books {
    /// The host that asks.
    pub host: String,
    /// The space of its own networks.
    pub local_space: String,
    /// The space of its Swarm.
    pub global_space: String,
    /// Commands that the cluster, and this host's ledger, had executed at least.
    pub revisions: (u64, u64),
    /// All spaces.
    pub spaces: Vec<Space>,
    /// All pools.
    pub pools: Vec<Pool>,
    /// All addresses that are claimed or cooling.
    pub addresses: Vec<Address>,
}

impl Books {
    /// Asks for them.
    pub async fn take<A: Ask>(api: &A) -> Result<Self, A::Error> {
        let status: Status = api.get("/v1/status").await?;
        let pools: Listing<Pool> = api.get("/v1/pools").await?;
        let addresses: Listing<Address> = api.get("/v1/addresses").await?;
        if pools.truncated || addresses.truncated {
            return Err(TooMany.into());
        }
        Ok(Self {
            host: status.node,
            local_space: status.local_space,
            global_space: status.global_space,
            revisions: (status.log.revision, status.ledger.revision),
            spaces: status.spaces,
            pools: pools.items,
            addresses: addresses.items,
        })
    }
}

/// What the hosts hold of the Swarm that the engine shows, if it manages one.
pub async fn of_hosts<A: Ask>(
    api: &A,
    books: &Books,
    seen: &Observation,
) -> Result<OfHosts, A::Error> {
    let Some(swarm) = &seen.swarm else { return Ok(Err(NO_MANAGER.to_owned())) };
    let hosts: Vec<HostClaims> =
        api.get(&format!("/v1/hosts?space={}", books.global_space)).await?;
    let told = hosts.into_iter().map(|HostClaims { host, host_name, addresses, silent }| {
        let held = silent.map_or(Ok(addresses.into_iter().collect()), Err);
        OfHost { name: host, host_name, held }
    });
    Ok(all_told(told.collect(), &swarm.hosts))
}
