//! `/v1/hosts`

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::Prefix;

use super::query::{NoParameters, Parameters};
use super::types::{Consistency, HostClaims};
use super::{Api, Problem};
use crate::peers;

/// What each host holds, in its own space, of the Swarm's pools.
pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Json<Vec<HostClaims>>, Problem> {
    let space = api.0.global_space.clone();
    let states = api.states_of(&space, Consistency::Linearizable).await?;
    let look = states.look(move |states| {
        let (_, state) = states.first().expect("one state holds the space");
        Ok(state.pools(&space)?.into_iter().map(|pool| pool.id.prefix).collect::<Vec<Prefix>>())
    });
    let (prefixes, _) = look.await?;
    let (replica, ledger) = (&api.0.replica, &api.0.ledger);
    let hosts = peers::held_by_hosts(replica, ledger, &api.0.local_space, prefixes).await;
    let told = hosts.into_iter().map(|(host, held)| {
        let (addresses, silent) = match held {
            Ok(addresses) => (addresses.into_iter().collect(), None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        HostClaims { host, addresses, silent }
    });
    Ok(Json(told.collect()))
}
