//! `/v1/hosts`

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::Prefix;
use serde::Deserialize;

use super::query::Parameters;
use super::states::space_name;
use super::types::{Consistency, HostClaims};
use super::{Api, Problem};
use crate::peers::{self, OfHost};

/// Whose hosts are meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// The space of their Swarm [this host's].
    space: Option<String>,
}

/// What each host holds, in its own space, of the Swarm's pools.
pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(whose): Parameters<Whose>,
) -> Result<Json<Vec<HostClaims>>, Problem> {
    let space = whose.space.as_deref().map(space_name).transpose()?;
    let space = space.unwrap_or_else(|| api.0.global_space.clone());
    let wanted = space.clone();
    let states = api.states_of(&space, Consistency::Linearizable).await?;
    let look = states.look(move |states| {
        let (_, state) = states.first().expect("one state holds the space");
        Ok(state.pools(&wanted)?.into_iter().map(|pool| pool.id.prefix).collect::<Vec<Prefix>>())
    });
    let (prefixes, _) = look.await?;
    let (replica, _) = api.member()?;
    let hosts = peers::held_by_hosts(&api.0.respondent, replica, &space, prefixes).await;
    let told = hosts.into_iter().map(|OfHost { name, host_name, held }| {
        let (addresses, silent) = match held {
            Ok(addresses) => (addresses.into_iter().collect(), None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        HostClaims { host: name, host_name, addresses, silent }
    });
    Ok(Json(told.collect()))
}
