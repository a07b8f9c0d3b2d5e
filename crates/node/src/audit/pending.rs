//! A command under way.

use berth_allocator::{Answer, Command, Rejection, Response};
use berth_replication::LogIndex;

use super::change::Change;
use super::outcome::Outcome;
use super::{Asker, is_kept, requests, write};
use crate::api::Problem;
use crate::sender::SubmitError;

/// A command that gets its line when it ends. One that is dropped has an unknown outcome.
pub(crate) struct Pending {
    asker: Asker,
    /// One, or those of a batch.
    changes: Vec<Change>,
}

impl Pending {
    /// Begins a command.
    pub(crate) fn begin(asker: &Asker, command: &Command) -> Self {
        // That the process registers first is not what was asked for.
        if !matches!(command, Command::Register(_)) {
            requests::has_begun();
        }
        let routine = matches!(command, Command::RequestAddress(_) | Command::ReleaseAddress(_));
        // Nothing is made of what is not kept: it may be thousands a second.
        let kept = is_kept(routine);
        let changes = if kept { Change::all_of(asker, command) } else { Vec::new() };
        Self { asker: asker.clone(), changes }
    }

    /// The same, on behalf of a client.
    pub(crate) fn of_client(mut self, client: &impl ToString) -> Self {
        for change in &mut self.changes {
            change.client.get_or_insert_with(|| client.to_string());
        }
        self
    }

    /// It was decided.
    pub(crate) fn decided(mut self, log_index: Option<LogIndex>, answer: &Answer) {
        let revision = answer.revision;
        let each: &mut dyn Iterator<Item = &Result<Response, Rejection>> = match &answer.outcome {
            Ok(Response::Batch(each)) => &mut each.iter(),
            outcome => &mut std::iter::repeat(outcome),
        };
        for (mut change, outcome) in std::mem::take(&mut self.changes).into_iter().zip(each) {
            if let Ok(response) = outcome {
                change.answered(response);
            }
            write(&self.asker, &change, &Outcome::decided(log_index, revision, outcome));
        }
    }

    /// There is no decision. `again`: that is on record already.
    pub(crate) fn failed(mut self, error: &SubmitError, again: bool) {
        let changes = std::mem::take(&mut self.changes);
        if !again {
            let outcome = Outcome::failed(Problem::from(error.clone()));
            for change in &changes {
                write(&self.asker, change, &outcome);
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for change in &self.changes {
            write(&self.asker, change, &Outcome::unheard());
        }
    }
}
