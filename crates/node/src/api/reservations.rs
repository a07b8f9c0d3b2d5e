//! `/v1/spaces/NAME/reservations`

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use berth_allocator::{Command, Reserve, Text};

use super::query::{Body, NoParameters, Parameters, Segment};
use super::states::space_name;
use super::types::{NewReservation, Reservation};
use super::{Api, Problem};
use crate::code::Code;

pub(super) async fn add(
    Of(api): Of<Api>,
    Segment(space): Segment,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(NewReservation { first, last, note, common }): Body<NewReservation>,
) -> Result<(StatusCode, Json<Reservation>), Problem> {
    let space = space_name(&space)?;
    let text = Text::new(&*note);
    let text = text.map_err(|error| Problem::new(Code::BadRequest, error.to_string()))?;
    let scope = api.scope_of(&space);
    let command = Command::Reserve(Reserve { space, first, last, note: text, common });
    api.submit(scope, command).await?;
    Ok((StatusCode::CREATED, Json(Reservation { first, last, note, common })))
}

pub(super) async fn remove(
    Of(api): Of<Api>,
    Path((space, first)): Path<(String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<StatusCode, Problem> {
    let space = space_name(&space)?;
    let bad = |_| {
        let detail = format!("{first:?} is not an address, such as 10.0.0.7");
        Problem::new(Code::BadRequest, detail)
    };
    let first: IpAddr = first.parse().map_err(bad)?;
    let scope = api.scope_of(&space);
    api.submit(scope, Command::Unreserve { space, first }).await?;
    Ok(StatusCode::NO_CONTENT)
}
