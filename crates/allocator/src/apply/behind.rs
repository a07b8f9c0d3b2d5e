//! A restored state knows that it is behind (rule 12).

use super::Outcome;
use crate::{PoolId, Response, State};

impl State {
    pub(super) fn declare_behind(&mut self) {
        for space in self.spaces.values_mut() {
            for set in space.sets.values_mut() {
                set.pools.values_mut().for_each(|pool| pool.behind = true);
            }
        }
    }

    pub(super) fn clear_behind(&mut self, pool: &PoolId) -> Outcome {
        self.pool_mut(pool)?.behind = false;
        Ok(Response::Done)
    }
}
