//! `/v1/suspects`

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::{ClaimId, Command, Evidence, FreeSuspect};

use super::pools::pool_id;
use super::query::{Body, NoParameters, Parameters, note};
use super::types::{Freed, Suspect};
use super::{Api, Problem};

/// Ends a claim that is stale or in doubt, on an operator's word.
pub(super) async fn free(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(suspect): Body<Suspect>,
) -> Result<Json<Freed>, Problem> {
    let pool = pool_id(&suspect.pool)?;
    let note = suspect.note.map(note).transpose()?;
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
