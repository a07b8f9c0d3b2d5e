//! One command on its way.

use std::sync::Arc;

use berth_allocator::Envelope;
use tokio::sync::oneshot;

use super::{NotExecuted, ProposeError, Proposed};
use crate::Deadline;
use crate::replica::Hindrance;
use crate::sync::{Mutex, MutexGuard};

/// A command that waits for its answer.
pub(super) struct Item {
    pub(super) envelope: Envelope,
    pub(super) bytes: usize,
    pub(super) deadline: Deadline,
    pub(super) progress: Arc<Progress>,
    pub(super) reply: oneshot::Sender<Result<Proposed, ProposeError>>,
}

impl Item {
    /// Tells the caller, who may have gone.
    pub(super) fn answer(self, result: Result<Proposed, ProposeError>) {
        let _ = self.reply.send(result);
    }
}

/// How far a command has come, agreed on between its caller and those who carry it.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    stage: Stage,
    /// An earlier attempt may have executed it.
    doubtful: bool,
    /// What stood in the way of the last attempt.
    hindrance: Option<Hindrance>,
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    /// Nobody has sent it.
    #[default]
    Waiting,
    /// An attempt to execute it is under way.
    Sent,
    /// The caller has gone, and was told that it is not executed.
    Abandoned,
}

impl Progress {
    /// Begins an attempt; false if the caller has gone.
    pub(super) fn send(&self) -> bool {
        let mut state = self.state();
        let wanted = state.stage != Stage::Abandoned;
        if wanted {
            state.stage = Stage::Sent;
        }
        wanted
    }

    /// Ends an attempt that brought no answer.
    pub(super) fn fail(&self, hindrance: &Hindrance) {
        let mut state = self.state();
        if matches!(hindrance, Hindrance::Unknown { .. }) {
            state.doubtful = true;
        }
        state.hindrance = Some(hindrance.clone());
        if state.stage == Stage::Sent && !state.doubtful {
            state.stage = Stage::Waiting;
        }
    }

    /// The caller goes. What it may believe; `otherwise` if nothing stood in the way.
    pub(super) fn abandon(&self, otherwise: NotExecuted) -> ProposeError {
        let mut state = self.state();
        #[cfg(shuttle)]
        if crate::interleavings::sins(crate::interleavings::Sin::DenyWhatWasSent) {
            return ProposeError::NotExecuted(otherwise);
        }
        if state.stage == Stage::Sent {
            let reason = match state.hindrance.take() {
                Some(Hindrance::Unknown { reason }) => reason,
                _ => "no answer came before the deadline".to_owned(),
            };
            return ProposeError::Unknown { reason };
        }
        state.stage = Stage::Abandoned;
        match state.hindrance.take() {
            Some(Hindrance::Unknown { .. }) | None => ProposeError::NotExecuted(otherwise),
            Some(hindrance) => hindrance.into(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds a command's progress")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown() -> Hindrance {
        Hindrance::Unknown { reason: "lost".into() }
    }

    #[test]
    fn what_was_never_sent_was_not_executed_and_is_not_sent_later() {
        let progress = Progress::default();
        let busy = ProposeError::NotExecuted(NotExecuted::Busy);
        assert_eq!(progress.abandon(NotExecuted::Busy), busy);
        assert!(!progress.send());
    }

    #[test]
    fn what_is_under_way_is_unknown() {
        let progress = Progress::default();
        assert!(progress.send());
        assert!(matches!(progress.abandon(NotExecuted::Busy), ProposeError::Unknown { .. }));
    }

    #[test]
    fn a_doubt_stays_whatever_follows() {
        let progress = Progress::default();
        assert!(progress.send());
        progress.fail(&Hindrance::NoQuorum);
        assert!(progress.send());
        progress.fail(&unknown());
        assert!(progress.send());
        progress.fail(&Hindrance::NoLeader);
        assert!(matches!(progress.abandon(NotExecuted::Busy), ProposeError::Unknown { .. }));
    }

    #[test]
    fn the_last_hindrance_is_told() {
        let progress = Progress::default();
        assert!(progress.send());
        progress.fail(&Hindrance::NoLeader);
        assert!(progress.send());
        progress.fail(&Hindrance::NoQuorum);
        let expected = ProposeError::NotExecuted(NotExecuted::NoQuorum);
        assert_eq!(progress.abandon(NotExecuted::Busy), expected);
    }
}
