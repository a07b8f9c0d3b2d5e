//! `/v1/spaces/NAME/reservations`

use axum::Json;
use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use berth_allocator::{Command, Reserve};

use super::query::{Body, NoParameters, Parameters, Segment, address, note};
use super::states::space_name;
use super::types::{NewReservation, Reservation};
use super::{Api, Problem};

pub(super) async fn add(
    Of(api): Of<Api>,
    Segment(space): Segment,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(new): Body<NewReservation>,
) -> Result<(StatusCode, Json<Reservation>), Problem> {
    let space = space_name(&space)?;
    let NewReservation { first, last, common, .. } = new;
    let note = note(new.note)?;
    let made = Reservation { first, last, note: note.to_string(), common };
    let scope = api.scope_of(&space);
    api.submit(scope, Command::Reserve(Reserve { space, first, last, note, common })).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn remove(
    Of(api): Of<Api>,
    Path((space, first)): Path<(String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<StatusCode, Problem> {
    let space = space_name(&space)?;
    let first = address(&first)?;
    let scope = api.scope_of(&space);
    api.submit(scope, Command::Unreserve { space, first }).await?;
    Ok(StatusCode::NO_CONTENT)
}
