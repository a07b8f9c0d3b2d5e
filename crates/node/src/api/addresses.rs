//! `/v1/addresses`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::{AddressView, PoolId, Prefix, SpaceName, State};

use super::pools::pool_id;
use super::query::{ListParameters, Parameters, address};
use super::states::space_name;
use super::types::{Address, Listing};
use super::{Api, Problem, views};

/// Addresses in one answer.
const ADDRESSES_MAX: usize = 100_000;

/// Which addresses are asked for.
struct Wanted {
    space: Option<SpaceName>,
    pool: Option<PoolId>,
    address: Option<IpAddr>,
}

impl Wanted {
    fn new(parameters: &ListParameters) -> Result<Self, Problem> {
        let pool = parameters.pool.as_deref().map(pool_id).transpose()?;
        let space = parameters.space.as_deref().map(space_name).transpose()?;
        let space = space.or_else(|| Some(pool.as_ref()?.space.clone()));
        let address = parameters.address.as_deref().map(address).transpose()?;
        Ok(Self { space, pool, address })
    }

    fn find(&self, state: &State) -> Result<Vec<AddressView>, Problem> {
        let mut found = match (self.address, &self.pool) {
            (Some(address), _) => state.find(address),
            (None, Some(pool)) => state.addresses(pool)?,
            (None, None) => self.all(state)?,
        };
        if let Some(space) = &self.space {
            found.retain(|view| view.pool.space == *space);
        }
        if let Some(pool) = &self.pool {
            let own = |id: &PoolId| (id.prefix, id.sub_pool) == (pool.prefix, pool.sub_pool);
            found.retain(|view| own(&view.pool));
        }
        Ok(found)
    }

    /// All that are claimed or cooling. Pools over one prefix share their addresses.
    fn all(&self, state: &State) -> Result<Vec<AddressView>, Problem> {
        let mut found = Vec::new();
        let spaces = match &self.space {
            Some(space) => vec![space.clone()],
            None => state.spaces().map(|space| space.name).collect(),
        };
        for space in spaces {
            state.space(&space)?;
            let mut ids = pool_ids(state, &space);
            ids.dedup_by_key(|id| id.prefix);
            for id in ids {
                found.extend(state.addresses(&id)?);
                if found.len() > ADDRESSES_MAX {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

/// All pools of a space, in order of their prefixes.
fn pool_ids(state: &State, space: &SpaceName) -> Vec<PoolId> {
    let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        .map(|address| Prefix::of(address, 0).expect("every family has a prefix of no bits"));
    all.into_iter().flat_map(|prefix| state.overlapping(space, prefix)).collect()
}

pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Listing<Address>>, Problem> {
    let wanted = Wanted::new(&parameters)?;
    let states = match &wanted.space {
        Some(space) => api.states_of(space, parameters.consistency).await?,
        None => api.states(parameters.scope, parameters.consistency).await?,
    };
    let look = states.look(move |states| {
        let mut addresses = Vec::new();
        for (scope, state) in states {
            let found = wanted.find(state)?.into_iter();
            addresses.extend(found.map(|view| views::address(*scope, view)));
        }
        Ok(addresses)
    });
    let (mut items, read): (Vec<Address>, _) = look.await?;
    let truncated = items.len() > ADDRESSES_MAX;
    items.truncate(ADDRESSES_MAX);
    Ok(Json(Listing { items, truncated, read }))
}
