//! `/v1/backup`: the cluster's state, to be kept elsewhere.

use std::sync::Arc;

use axum::extract::State as Of;
use axum::response::Response;
use berth_replication::Deadline;
use tokio::sync::OwnedSemaphorePermit;

use super::pieces::streamed;
use super::query::{NoParameters, Parameters};
use super::{Api, DEADLINE, Problem};
use crate::code::Code;

/// Streams a backup.
pub(super) async fn download(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let (replica, _) = api.member()?;
    let place = api.place_for_copy()?;
    let backup = replica.backup(Deadline::after(DEADLINE)).await;
    let backup = backup
        .map_err(|error| Problem::new(Code::Unavailable, format!("no backup was made: {error}")))?;
    Ok(streamed("application/octet-stream", move |to| {
        let _place = place;
        let info = backup.write(to).map_err(|error| error.to_string())?;
        tracing::info!(index = %info.index, addresses = info.addresses, "backed up");
        Ok(())
    }))
}

impl Api {
    /// A place for a request that holds a copy of the state for as long as its answer is sent.
    pub(super) fn place_for_copy(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0.copies).try_acquire_owned();
        let busy = "this node makes another backup or export, or imports one: wait for it, or ask another node";
        place.map_err(|_| Problem::new(Code::Unavailable, busy))
    }
}
