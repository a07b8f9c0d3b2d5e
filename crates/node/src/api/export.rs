//! `/v1/export`: spaces, reservations, pools and addresses, a JSON object a line.

use std::io::Write;

use axum::extract::State as Of;
use axum::response::Response;
use berth_allocator::{PoolView, State};
use serde::Deserialize;

use super::pieces::{Pieces, streamed};
use super::query::Parameters;
use super::states::space_name;
use super::types::{Consistency, EXPORT_VERSION, ExportLine, Reservation, Scope};
use super::{Api, Problem, views};

/// What is exported: the cluster's spaces, unless one is named.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    space: Option<String>,
    consistency: Consistency,
}

/// Streams the lines, all of one state.
pub(super) async fn lines(
    Of(api): Of<Api>,
    Parameters(Wanted { space, consistency }): Parameters<Wanted>,
) -> Result<Response, Problem> {
    api.member()?;
    let place = api.place_for_copy()?;
    let space = space.as_deref().map(space_name).transpose()?;
    let states = match &space {
        Some(space) => api.states_of(space, consistency).await?,
        None => api.states(Some(Scope::Global), consistency).await?,
    };
    let (states, read) = (states.states, states.read);
    if let Some(space) = &space {
        states.iter().try_for_each(|(_, state)| state.settings(space).map(|_| ()))?;
    }
    Ok(streamed("application/jsonl", move |to| {
        let _place = place;
        let mut lines = Lines { to, count: 0 };
        lines.put(&ExportLine::Export { version: EXPORT_VERSION, read })?;
        for (scope, state) in &states {
            for view in state.spaces() {
                if space.as_ref().is_none_or(|wanted| *wanted == view.name) {
                    lines.space(*scope, state, view)?;
                }
            }
        }
        let lines_before = lines.count;
        lines.put(&ExportLine::End { lines: lines_before })
    }))
}

struct Lines<'a> {
    to: &'a mut Pieces,
    count: u64,
}

impl Lines<'_> {
    fn put(&mut self, line: &ExportLine) -> Result<(), String> {
        let mut text = serde_json::to_vec(line).map_err(|error| error.to_string())?;
        text.push(b'\n');
        self.count += 1;
        self.to.write_all(&text).map_err(|error| error.to_string())
    }

    fn space(
        &mut self,
        scope: Scope,
        state: &State,
        view: berth_allocator::SpaceView,
    ) -> Result<(), String> {
        let name = view.name.clone();
        let mut space = views::space(scope, view);
        let reservations: Vec<Reservation> = std::mem::take(&mut space.reservations);
        self.put(&ExportLine::Space(Box::new(space)))?;
        for reservation in reservations {
            self.put(&ExportLine::Reservation { space: name.to_string(), reservation })?;
        }
        let pools: Vec<PoolView> = state.pools(&name).map_err(|error| error.to_string())?;
        let mut ids: Vec<_> = pools.iter().map(|pool| pool.id.clone()).collect();
        for pool in pools {
            self.put(&ExportLine::Pool(Box::new(views::pool(scope, pool))))?;
        }
        // Pools over one prefix share their addresses.
        ids.dedup_by_key(|id| id.prefix);
        for id in ids {
            for address in state.addresses(&id).map_err(|error| error.to_string())? {
                self.put(&ExportLine::Address(Box::new(views::address(scope, address))))?;
            }
        }
        Ok(())
    }
}
