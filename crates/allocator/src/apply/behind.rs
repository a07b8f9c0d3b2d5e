//! A restored state knows that it is behind (rule 12).

use super::Outcome;
use crate::space::Space;
use crate::token::Tokens;
use crate::{PoolId, Response, Revision, SpaceName, State};

impl State {
    /// The state of a new cluster that begins with this one, from which the old one has gone on: it is
    /// behind, has no tokens, and numbers what comes from `revision` on.
    ///
    /// # Panics
    /// If the revision is not later than the state's, or beyond [`Self::REVISION_MAX`].
    #[must_use]
    pub fn restored(mut self, revision: Revision) -> Self {
        assert!(self.revision < revision && revision.get() <= Self::REVISION_MAX, "{revision}");
        self.revision = revision;
        self.declare_behind();
        // One that was revoked after the backup must not come back.
        self.tokens = Tokens::default();
        self
    }

    pub(super) fn declare_behind(&mut self) {
        let since = Some(self.revision);
        self.behind = since;
        for space in self.spaces.values_mut() {
            space.behind = since;
            for set in space.sets.values_mut() {
                set.pools.values_mut().for_each(|pool| pool.behind = true);
            }
        }
    }

    pub(super) fn clear_behind(&mut self, pool: &PoolId) -> Outcome {
        self.find_pool(pool)?;
        let mut space = self.found_space(&pool.space);
        let set = space.sets.get_mut(&pool.prefix);
        set.and_then(|set| set.pools.get_mut(&pool.sub_pool)).expect("it was found").behind = false;
        Ok(Response::Done)
    }

    /// An operator's word that a space, or all of them, hold all that they should.
    pub(super) fn resume(&mut self, space: Option<&SpaceName>) -> Outcome {
        if let Some(name) = space {
            self.space_mut(name)?.resume();
        } else {
            self.behind = None;
            self.spaces.values_mut().for_each(Space::resume);
        }
        Ok(Response::Done)
    }
}
