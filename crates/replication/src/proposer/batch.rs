//! One entry's commands, carried to the leader, and again if that fails.

use std::time::Duration;

use berth_allocator::Envelope;

use super::item::Item;
use super::{Execute, NotExecuted, ProposeError, Proposed};
use crate::LogIndex;
use crate::replica::{Executed, Hindrance};

/// Pause between attempts: an election takes longer, a forgotten connection less.
const PAUSE: Duration = Duration::from_millis(20);

/// Carries the commands until they are answered, or nobody waits any more.
pub(super) async fn run(executor: &impl Execute, mut items: Vec<Item>) {
    loop {
        items.retain(|item| !item.reply.is_closed() && item.progress.send());
        let Some(deadline) = items.iter().map(|item| item.deadline).max() else { return };
        let commands: Vec<Envelope> = items.iter().map(|item| item.envelope.clone()).collect();
        match executor.execute(commands, deadline).await {
            Ok(executed) => return answer(items, executed),
            Err(Hindrance::Refused { reason }) => return refuse(items, &reason),
            Err(hindrance) => {
                tracing::debug!(?hindrance, commands = items.len(), "an attempt failed");
                for item in &items {
                    item.progress.fail(&hindrance);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn answer(items: Vec<Item>, (index, answers): Executed) {
    if answers.len() != items.len() {
        let reason = format!("{} commands got {} answers", items.len(), answers.len());
        for item in items {
            item.answer(Err(ProposeError::Unknown { reason: reason.clone() }));
        }
        return;
    }
    for (item, answer) in items.into_iter().zip(answers) {
        item.answer(Ok(Proposed { log_index: LogIndex::new(index), answer }));
    }
}

fn refuse(items: Vec<Item>, reason: &str) {
    let refused = Hindrance::Refused { reason: reason.to_owned() };
    for item in items {
        item.progress.fail(&refused);
        let error = item.progress.abandon(NotExecuted::Refused { reason: reason.to_owned() });
        item.answer(Err(error));
    }
}
