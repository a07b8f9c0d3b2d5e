//! `/v1/pools`, `/v1/pools/ID` (an id's slashes are the path's), `/v1/spaces/NAME/pools`

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::{PoolId, SpaceName};

use super::query::{ListParameters, Parameters, ReadParameters, Segment};
use super::states::{States, space_name};
use super::types::{Listing, Pool};
use super::{Api, Problem, views};
use crate::code::Code;

/// Pools in one answer.
const POOLS_MAX: usize = 100_000;

pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(wanted): Parameters<ListParameters>,
) -> Result<Json<Listing<Pool>>, Problem> {
    let space = wanted.space.as_deref().map(space_name).transpose()?;
    let states = match &space {
        Some(space) => api.states_of(space, wanted.consistency).await?,
        None => api.states(wanted.scope, wanted.consistency).await?,
    };
    listing(states, space).await
}

pub(super) async fn list_of_space(
    Of(api): Of<Api>,
    Segment(name): Segment,
    Parameters(wanted): Parameters<ReadParameters>,
) -> Result<Json<Listing<Pool>>, Problem> {
    let space = space_name(&name)?;
    let states = api.states_of(&space, wanted.consistency).await?;
    listing(states, Some(space)).await
}

async fn listing(states: States, space: Option<SpaceName>) -> Result<Json<Listing<Pool>>, Problem> {
    let look = states.look(move |states| {
        let mut pools = Vec::new();
        for (scope, state) in states {
            let spaces = match &space {
                Some(space) => vec![space.clone()],
                None => state.spaces().map(|space| space.name).collect(),
            };
            for space in spaces {
                pools
                    .extend(state.pools(&space)?.into_iter().map(|pool| views::pool(*scope, pool)));
            }
        }
        Ok(pools)
    });
    let (mut items, read): (Vec<Pool>, _) = look.await?;
    let truncated = items.len() > POOLS_MAX;
    items.truncate(POOLS_MAX);
    Ok(Json(Listing { items, truncated, read }))
}

pub(super) async fn show(
    Of(api): Of<Api>,
    Segment(id): Segment,
    Parameters(wanted): Parameters<ReadParameters>,
) -> Result<Json<Pool>, Problem> {
    let id = pool_id(&id)?;
    let states = api.states_of(&id.space, wanted.consistency).await?;
    let look = states.look(move |states| {
        let (scope, state) = states.first().expect("one state holds the space");
        Ok(views::pool(*scope, state.pool(&id)?))
    });
    Ok(Json(look.await?.0))
}

/// A pool's id, from a request.
pub(super) fn pool_id(text: &str) -> Result<PoolId, Problem> {
    text.parse().map_err(|error: berth_allocator::PoolIdError| {
        let detail =
            format!("{error}; `berth pool ls` shows ids, such as LocalDefault/172.17.0.0/16");
        Problem::new(Code::BadRequest, detail)
    })
}
