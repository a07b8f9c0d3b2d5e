//! A restored state knows that it is behind (rule 12).

use super::Outcome;
use crate::{PoolId, Response, Revision, State};

impl State {
    /// The last revision from which a state may go on.
    pub const REVISION_MAX: u64 = u64::MAX >> 1;

    /// The state of a new cluster that begins with this one, from which the old one has gone on: it is
    /// behind, and numbers what comes from `revision` on.
    ///
    /// # Panics
    /// If the revision is not later than the state's, or beyond [`Self::REVISION_MAX`].
    #[must_use]
    pub fn restored(mut self, revision: Revision) -> Self {
        assert!(self.revision < revision && revision.get() <= Self::REVISION_MAX, "{revision}");
        self.revision = revision;
        self.declare_behind();
        self
    }

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
