//! `/livez` and `/readyz`

use axum::extract::State as Of;

use super::{Api, Problem};
use crate::code::Code;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The node can serve the cluster's spaces.
pub(super) async fn ready(Of(api): Of<Api>) -> Result<&'static str, Problem> {
    let problems = api.problems().await;
    if problems.is_empty() {
        return Ok("ok\n");
    }
    let only_disk = api.0.room.seen().refuses.is_some_and(|text| problems == [text]);
    let code = if only_disk { Code::NoRoom } else { Code::Unavailable };
    Err(Problem::new(code, problems.join("; ")))
}
