//! `/v1/resume`: an operator says that what was restored is all that there is.

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::{Command, SpaceName};

use super::pools::pool_id;
use super::query::{Body, NoParameters, Parameters};
use super::types::{Resume, Scope};
use super::{Api, Problem};
use crate::code::Code;

/// Ends that a space, a pool, or all of the cluster's give nothing new.
pub(super) async fn resume(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(what): Body<Resume>,
) -> Result<Json<Resume>, Problem> {
    let bad = |detail: String| Problem::new(Code::BadRequest, detail);
    let (scope, command) = match (&what.space, &what.pool) {
        (Some(_), Some(_)) => return Err(bad("name a space or a pool, not both".to_owned())),
        (_, Some(pool)) => {
            let pool = pool_id(pool)?;
            (api.scope_of(&pool.space), Command::ClearBehind { pool })
        }
        (Some(space), None) => {
            let space = SpaceName::new(space.as_str()).map_err(|error| bad(error.to_string()))?;
            (api.scope_of(&space), Command::Resume { space: Some(space) })
        }
        (None, None) => (Scope::Global, Command::Resume { space: None }),
    };
    api.submit(scope, command).await?;
    Ok(Json(what))
}
