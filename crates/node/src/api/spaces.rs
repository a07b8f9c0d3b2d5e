//! `/v1/spaces`

use axum::Json;
use axum::extract::State as Of;

use super::query::{ListParameters, Parameters, ReadParameters, Segment};
use super::states::space_name;
use super::types::{Listing, Space};
use super::{Api, Problem, views};

pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(wanted): Parameters<ListParameters>,
) -> Result<Json<Listing<Space>>, Problem> {
    let states = api.states(wanted.scope, wanted.consistency).await?;
    let look = states.look(|states| {
        let all = states.iter().flat_map(|(scope, state)| {
            state.spaces().map(|space| views::space(*scope, space)).collect::<Vec<_>>()
        });
        Ok(all.collect())
    });
    let (items, read) = look.await?;
    Ok(Json(Listing { items, truncated: false, read }))
}

pub(super) async fn show(
    Of(api): Of<Api>,
    Segment(name): Segment,
    Parameters(wanted): Parameters<ReadParameters>,
) -> Result<Json<Space>, Problem> {
    let name = space_name(&name)?;
    let states = api.states_of(&name, wanted.consistency).await?;
    let look = states.look(move |states| {
        let (scope, state) = states.first().expect("one state holds the space");
        Ok(views::space(*scope, state.space(&name)?))
    });
    Ok(Json(look.await?.0))
}
