//! The proposer: callers who wait, go away or run out of time, attempts that fail, a node that stops. Each
//! caller gets one answer, and an honest one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_allocator::{
    Answer, ClientName, Command, Envelope, Incarnation, Response, Revision, Sequence, SpaceName,
};
use shuttle::future::block_on;
use shuttle::rand::RngCore;
use tokio::task::JoinSet;

use super::choose;
use crate::Deadline;
use crate::proposer::{Execute, ProposeError, Proposer};
use crate::replica::{Executed, Hindrance};

const CALLERS: u64 = 3;

/// A leader that does as it likes, and knows what it did.
#[derive(Clone, Default)]
struct Leader(Arc<Mutex<BTreeSet<u64>>>);

impl Leader {
    fn executed(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn do_it(&self, commands: &[Envelope]) -> Executed {
        let sequences = commands.iter().map(|command| command.sequence.get());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(sequences);
        let answer = |command: &Envelope| Answer {
            revision: Revision::new(command.sequence.get()),
            outcome: Ok(Response::Done),
        };
        (1, commands.iter().map(answer).collect())
    }
}

impl Execute for Leader {
    async fn execute(&self, commands: Vec<Envelope>, _: Deadline) -> Result<Executed, Hindrance> {
        shuttle::future::yield_now().await;
        let unknown = Err(Hindrance::Unknown { reason: "the connection broke".to_owned() });
        match shuttle::rand::thread_rng().next_u32() % 6 {
            0 => Err(Hindrance::NoLeader),
            1 => unknown,
            2 => {
                self.do_it(&commands);
                unknown
            }
            _ => {
                let executed = self.do_it(&commands);
                shuttle::future::yield_now().await;
                Ok(executed)
            }
        }
    }
}

fn command(sequence: u64) -> Envelope {
    Envelope {
        client: ClientName::new("n1").expect("it is a name"),
        incarnation: Incarnation::new(1),
        sequence: Sequence::new(sequence),
        heard: Sequence::new(1),
        command: Command::DeleteSpace { name: SpaceName::new("lan").expect("it is a name") },
    }
}

pub(super) fn explore() {
    block_on(async {
        let leader = Leader::default();
        let mut tasks = JoinSet::new();
        let proposer = Arc::new(Proposer::start(leader.clone(), &mut tasks));
        let callers: Vec<_> = (1..=CALLERS)
            .map(|sequence| {
                let proposer = Arc::clone(&proposer);
                tokio::spawn(async move {
                    let deadline = Deadline::after(Duration::from_hours(1));
                    proposer.propose(command(sequence), deadline).await
                })
            })
            .collect();
        drop(proposer);
        if choose() {
            callers[0].abort();
        }
        match (choose(), choose()) {
            // All deadlines pass.
            (true, _) => drop(tokio::spawn(async { tokio::time::trigger_timeouts(|_| true) })),
            (_, true) => tasks.abort_all(),
            _ => {}
        }
        let mut told = Vec::new();
        for (sequence, caller) in (1..).zip(callers) {
            if let Ok(result) = caller.await {
                told.push((sequence, result));
            }
        }
        // Nobody can send any more: what is under way comes to its end.
        while tasks.join_next().await.is_some() {}
        let executed = leader.executed();
        for (sequence, result) in told {
            let done = executed.contains(&sequence);
            match result {
                Ok(answered) => {
                    assert!(done, "{sequence} was answered, and not executed");
                    let revision = answered.answer.revision;
                    assert_eq!(revision.get(), sequence, "{sequence} got another one's answer");
                }
                Err(ProposeError::NotExecuted(why)) => {
                    assert!(!done, "{sequence} was executed, and its caller told that not: {why}");
                }
                Err(ProposeError::Unknown { .. }) => {}
            }
        }
    });
}
