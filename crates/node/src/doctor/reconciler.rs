//! Frees by itself what the host's engine lost, where it may look at the engine.
//!
//! What is found in two looks, one after the other, is freed as an observation (rule 7): the state
//! machine checks that it was made by the right host, in the right session, and after the claim.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use berth_allocator::{PoolId, Revision, SpaceName};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::books::{Ask, Books, TooMany, of_hosts};
use super::{Fix, compare, observe, released_unused};
use crate::api::{Api, Problem};
use crate::audit::{self, Asker};
use crate::docker::{Driver, Due, Observations};

/// Looks at the engine now and then, and when it is asked to; frees what the engine lost, and what it
/// released and does not use.
pub struct Reconciler {
    /// The engine's API.
    pub docker_socket: PathBuf,
    /// The pause between two looks.
    pub every: Duration,
    /// Who asks for looks.
    pub observations: Observations,
    /// Through which the engine speaks: what it may release, this may.
    pub driver: Arc<Driver>,
    /// What Berth holds.
    pub api: Api,
    /// The space of this host's own networks.
    pub local_space: SpaceName,
}

/// What one look shows, and the revisions that Berth had before it.
struct Look {
    /// Not claimed again, and not used.
    lost: BTreeSet<Fix>,
    /// Released, and not used.
    released: BTreeSet<Fix>,
    local: Revision,
    global: Revision,
}

/// Why a look shows nothing.
pub struct Unseen(String);

impl From<TooMany> for Unseen {
    fn from(error: TooMany) -> Self {
        Self(error.to_string())
    }
}

impl Ask for Api {
    type Error = Unseen;

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Unseen> {
        let answer = self.answer(Asker::Berth, "GET", path, Vec::new()).await.map_err(Unseen)?;
        let strange = |error: serde_json::Error| Unseen(error.to_string());
        if answer.status == StatusCode::OK.as_u16() {
            return serde_json::from_slice(&answer.body).map_err(strange);
        }
        let problem: Problem = serde_json::from_slice(&answer.body).map_err(strange)?;
        Err(Unseen(problem.detail))
    }
}

impl Reconciler {
    /// Goes on until it is dropped.
    pub async fn run(mut self) {
        let (mut before, mut failure) = (BTreeSet::new(), String::new());
        let mut regular = interval_at(Instant::now() + self.every, self.every);
        regular.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Who asked is told when this goes.
            let due = self.observations.due(&mut regular).await;
            match self.look().await {
                Ok(look) => {
                    failure.clear();
                    for fix in &look.released {
                        self.free(fix, &look).await;
                    }
                    if matches!(due, Due::Regular) {
                        for fix in look.lost.intersection(&before) {
                            self.free(fix, &look).await;
                        }
                        before = look.lost;
                    }
                }
                Err(Unseen(reason)) => {
                    before.clear();
                    if reason != failure {
                        tracing::warn!(%reason, "the engine cannot be compared: nothing is freed");
                        failure = reason;
                    }
                }
            }
        }
    }

    /// Looks once: Berth, the engine, Berth.
    async fn look(&self) -> Result<Look, Unseen> {
        let before = Books::take(&self.api).await?;
        let seen = observe(&self.docker_socket, &[]).await;
        let seen = seen.map_err(|error| Unseen(error.to_string()))?;
        let of_hosts = of_hosts(&self.api, &before, &seen).await?;
        let after = Books::take(&self.api).await?;
        let found = compare(&before, &after, &of_hosts, &seen);
        let released = released_unused(&before, &of_hosts, &seen);
        let (global, local) = before.revisions;
        Ok(Look {
            lost: found.into_iter().filter_map(|finding| finding.fix).collect(),
            released,
            local: Revision::new(local),
            global: Revision::new(global),
        })
    }

    async fn free(&self, fix: &Fix, look: &Look) {
        let Fix { pool, address, claim } = fix;
        let Ok(id) = pool.parse::<PoolId>() else { return };
        let began = if id.space == self.local_space { look.local } else { look.global };
        let asker = if look.released.contains(fix) { Asker::Observer } else { Asker::Doctor };
        let freeing = self.driver.free_unused(id, *address, *claim, began);
        match audit::on_behalf_of(asker, freeing).await {
            Ok(()) if look.released.contains(fix) => {
                tracing::debug!(pool, ?address, claim, "what the engine released is not used");
            }
            Ok(()) => tracing::info!(pool, ?address, claim, "freed what the engine lost"),
            // Another host's word counts, or it was claimed again.
            Err(reason) => tracing::debug!(pool, ?address, claim, %reason, "not freed"),
        }
    }
}
