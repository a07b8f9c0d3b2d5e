//! `/v1/spaces`

use axum::Json;
use axum::extract::State as Of;
use axum::http::StatusCode;
use berth_allocator::{Command, Millis, PoolRange, Sharing, SpaceName, SpaceSettings};

use super::query::{Body, ListParameters, NoParameters, Parameters, ReadParameters, Segment};
use super::states::space_name;
use super::types::{Consistency, Listing, NewSpace, Range, Scope, Space, SpaceChange};
use super::{Api, Problem, views};
use crate::code::Code;
use crate::spaces::unique_local;

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
    Ok(Json(api.space(space_name(&name)?, wanted.consistency).await?))
}

impl Api {
    async fn space(&self, name: SpaceName, consistency: Consistency) -> Result<Space, Problem> {
        let states = self.states_of(&name, consistency).await?;
        let look = states.look(move |states| {
            let (scope, state) = states.first().expect("one state holds the space");
            Ok(views::space(*scope, state.space(&name)?))
        });
        Ok(look.await?.0)
    }
}

pub(super) async fn create(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(new): Body<NewSpace>,
) -> Result<(StatusCode, Json<Space>), Problem> {
    let name = space_name(&new.name)?;
    let usual = SpaceSettings::exclusive(Some(unique_local(api.member()?.0.cluster(), None)));
    let sharing = if new.shared { Sharing::Shared } else { Sharing::Exclusive };
    let settings = changed(SpaceSettings { sharing, ..usual }, new.settings)?;
    let command = Command::CreateSpace { name: name.clone(), settings };
    api.submit(Scope::Global, command).await?;
    Ok((StatusCode::CREATED, Json(api.space(name, Consistency::Linearizable).await?)))
}

pub(super) async fn change(
    Of(api): Of<Api>,
    Segment(name): Segment,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(change): Body<SpaceChange>,
) -> Result<Json<Space>, Problem> {
    let name = space_name(&name)?;
    let wanted = name.clone();
    let states = api.states_of(&name, Consistency::Linearizable).await?;
    let look = states.look(move |states| {
        let (_, state) = states.first().expect("one state holds the space");
        Ok(state.space(&wanted)?.settings)
    });
    let settings = changed(look.await?.0, change)?;
    let command = Command::UpdateSpace { name: name.clone(), settings };
    api.submit(api.scope_of(&name), command).await?;
    Ok(Json(api.space(name, Consistency::Linearizable).await?))
}

pub(super) async fn remove(
    Of(api): Of<Api>,
    Segment(name): Segment,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<StatusCode, Problem> {
    let name = space_name(&name)?;
    if api.scope_of(&name) == Scope::Local || name == api.0.global_space {
        let detail = format!("address space {name} stays: this host's engine needs it");
        return Err(Problem::new(Code::BadRequest, detail));
    }
    api.submit(Scope::Global, Command::DeleteSpace { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn changed(settings: SpaceSettings, change: SpaceChange) -> Result<SpaceSettings, Problem> {
    let range = |range: Range| -> Result<PoolRange, Problem> {
        let base = range.base.parse().map_err(|_| {
            let detail = format!("{:?} is not a range, such as 10.0.0.0/8", range.base);
            Problem::new(Code::BadRequest, detail)
        })?;
        Ok(PoolRange { base, length: range.length })
    };
    let ranges: Option<Result<Vec<_>, _>> =
        change.ranges.map(|ranges| ranges.into_iter().map(range).collect());
    Ok(SpaceSettings {
        ranges: ranges.transpose()?.unwrap_or(settings.ranges),
        reuse_delay: change.reuse_delay_ms.map_or(settings.reuse_delay, Millis::new),
        apart: change.apart.unwrap_or(settings.apart),
        sharing: settings.sharing,
    })
}
