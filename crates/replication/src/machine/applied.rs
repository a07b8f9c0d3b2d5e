//! The state as of the last applied entry, shared by the state machine and its readers.

use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{Batch, State};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Deadline;
use crate::LogIndex;
use crate::raft::{Answers, LogId, LogPosition, MembershipRecord, StoredMembership};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long the state as of a mark is kept for those who come to hash it. While it is, what changes
/// takes memory twice.
const MARK_KEPT: Duration = Duration::from_mins(1);

/// What applying the log has led to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Point {
    pub(crate) state: State,
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
    /// The state as of the latest mark: an entry without commands, which changes nothing but the time.
    mark: Option<Mark>,
}

#[derive(Debug, Clone)]
struct Mark {
    index: u64,
    state: State,
    since: Instant,
}

impl Point {
    pub(crate) fn new(state: State, last: Option<LogId>, membership: StoredMembership) -> Self {
        Self { state, last, membership, mark: None }
    }

    /// Keeps the state where a batch says so, and lets go of one that nobody came for.
    fn keep_marked(&mut self, index: u64, batch: Option<&Batch>) {
        if batch.is_some_and(|batch| batch.commands.is_empty()) {
            self.mark = Some(Mark { index, state: self.state.clone(), since: Instant::now() });
        } else if self.mark.as_ref().is_some_and(|mark| mark.since.elapsed() > MARK_KEPT) {
            self.mark = None;
        }
    }
}

/// Shares one [`Point`]. Clones share the same one.
#[derive(Clone)]
pub(crate) struct Applied {
    point: Arc<RwLock<Point>>,
    /// How many entries were applied: the index after the last.
    progress: Arc<watch::Sender<u64>>,
}

impl Applied {
    pub(crate) fn new(point: Point) -> Self {
        #[cfg(feature = "sim")]
        crate::sim::observe(|| crate::sim::Event::installed(point.last.as_ref(), &point.state));
        let progress = Arc::new(watch::channel(end(&point)).0);
        Self { point: Arc::new(RwLock::new(point)), progress }
    }

    /// Looks at the state, and at the index of the last applied entry. Applying waits meanwhile.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> (T, LogIndex) {
        let point = self.point();
        let index = point.last.as_ref().map_or(0, LogId::index);
        (look(&point.state), LogIndex::new(index))
    }

    /// The state, the last entry that it includes, and the membership as of that.
    pub(crate) fn copy(&self) -> (State, Option<LogPosition>, MembershipRecord) {
        let point = self.point();
        let last = point.last.as_ref().map(LogPosition::from);
        (point.state.clone(), last, MembershipRecord::from(&point.membership))
    }

    /// The state as of a mark, unless another one came since, or too much time has passed.
    pub(crate) fn marked(&self, index: u64) -> Option<State> {
        let point = self.point();
        point.mark.as_ref().filter(|mark| mark.index == index).map(|mark| mark.state.clone())
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
    pub(crate) fn apply(
        &self,
        id: LogId,
        batch: Option<&Batch>,
        membership: Option<StoredMembership>,
    ) -> Answers {
        #[cfg(shuttle)]
        if crate::interleavings::sins(crate::interleavings::Sin::AnnounceFirst) {
            self.progress.send_replace(id.index() + 1);
        }
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
            point.keep_marked(id.index(), batch);
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

    pub(crate) fn replace(&self, point: Point) {
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
