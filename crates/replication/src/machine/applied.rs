//! The state as of the last applied entry, shared by the state machine and its readers.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use berth_allocator::{Batch, State};
use tokio::sync::watch;

use crate::Deadline;
use crate::LogIndex;
use crate::raft::{Answers, LogId, StoredMembership};

/// What applying the log has led to.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) state: State,
    pub(super) last: Option<LogId>,
    pub(super) membership: StoredMembership,
}

/// Shares one [`Point`]. Clones share the same one.
#[derive(Clone)]
pub(crate) struct Applied {
    point: Arc<RwLock<Point>>,
    /// How many entries were applied: the index after the last.
    progress: Arc<watch::Sender<u64>>,
}

impl Applied {
    pub(super) fn new(point: Point) -> Self {
        #[cfg(feature = "sim")]
        crate::sim::observe(|| crate::sim::Event::installed(point.last.as_ref(), &point.state));
        let progress = Arc::new(watch::Sender::new(end(&point)));
        Self { point: Arc::new(RwLock::new(point)), progress }
    }

    /// Looks at the state, and at the index of the last applied entry. Applying waits meanwhile.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> (T, LogIndex) {
        let point = self.point();
        let index = point.last.as_ref().map_or(0, LogId::index);
        (look(&point.state), LogIndex::new(index))
    }

    /// Waits until the entry at `index` is applied; false if the deadline passes before.
    pub(crate) async fn reaches(&self, index: u64, deadline: Deadline) -> bool {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|end| *end > index);
        tokio::time::timeout_at(deadline.instant(), reached).await.is_ok()
    }

    /// The last applied entry's index, and the membership as of it.
    pub(crate) fn membership(&self) -> (Option<u64>, StoredMembership) {
        let point = self.point();
        (point.last.as_ref().map(LogId::index), point.membership.clone())
    }

    pub(super) fn point(&self) -> RwLockReadGuard<'_, Point> {
        self.point.read().expect("nothing panics while it holds the state")
    }

    /// Applies an entry: a batch, a membership, or nothing.
    pub(super) fn apply(
        &self,
        id: LogId,
        batch: Option<&Batch>,
        membership: Option<StoredMembership>,
    ) -> Answers {
        let answers = {
            let mut point = self.point_mut();
            point.last = Some(id);
            if let Some(membership) = membership {
                point.membership = membership;
            }
            #[cfg(all(feature = "canary", feature = "sim"))]
            let late = batch.and_then(crate::sim::at_the_local_time);
            #[cfg(all(feature = "canary", feature = "sim"))]
            let executed = late.as_ref().or(batch);
            #[cfg(not(all(feature = "canary", feature = "sim")))]
            let executed = batch;
            let answers = executed.map(|batch| point.state.apply(batch)).unwrap_or_default();
            #[cfg(feature = "sim")]
            crate::sim::observe(|| crate::sim::Event::Applied {
                position: (&id).into(),
                batch,
                answers: &answers,
                state: &point.state,
            });
            Answers(answers)
        };
        self.progress.send_replace(id.index() + 1);
        answers
    }

    pub(super) fn replace(&self, point: Point) {
        #[cfg(feature = "sim")]
        crate::sim::observe(|| crate::sim::Event::installed(point.last.as_ref(), &point.state));
        let end = end(&point);
        *self.point_mut() = point;
        self.progress.send_replace(end);
    }

    fn point_mut(&self) -> RwLockWriteGuard<'_, Point> {
        self.point.write().expect("nothing panics while it holds the state")
    }
}

fn end(point: &Point) -> u64 {
    point.last.as_ref().map_or(0, |last| last.index() + 1)
}
