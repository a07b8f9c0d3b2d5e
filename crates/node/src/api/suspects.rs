//! `/v1/suspects`

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::{ClaimId, Command, Evidence, FreeSuspect, Text};

use super::pools::pool_id;
use super::query::{Body, NoParameters, Parameters};
use super::types::{Freed, Suspect};
use super::{Api, Problem};
use crate::code::Code;

/// Ends a claim that is stale or in doubt, on an operator's word.
pub(super) async fn free(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(suspect): Body<Suspect>,
) -> Result<Json<Freed>, Problem> {
    let pool = pool_id(&suspect.pool)?;
    let note = suspect.note.map(Text::new).transpose();
    let note = note.map_err(|error| Problem::new(Code::BadRequest, error.to_string()))?;
    let scope = api.scope_of(&pool.space);
    let command = FreeSuspect {
        pool,
        address: suspect.address,
        claim: ClaimId::new(suspect.claim),
        evidence: Evidence::Operator { force: suspect.force, note },
    };
    api.submit(scope, Command::FreeSuspect(command)).await?;
    Ok(Json(Freed { claim: suspect.claim }))
}
