//! The applied state: whoever waited for an entry finds it there, and a position never comes without its
//! state.

use std::time::Duration;

use berth_allocator::{
    Batch, ClientName, Command, Envelope, Incarnation, Sequence, SpaceName, State, Timestamp,
};
use shuttle::future::block_on;

use crate::Deadline;
use crate::machine::{Applied, Point};
use crate::raft::{LogId, LogPosition, StoredMembership};

/// Entries that are applied one by one, then a snapshot up to the second last, then the last.
const ONE_BY_ONE: u64 = 2;
const SNAPSHOT: u64 = 3;
const LAST: u64 = 4;

fn id(index: u64) -> LogId {
    LogId::from(LogPosition { term: 1, leader: 1, index })
}

fn batch() -> Batch {
    let envelope = Envelope {
        client: ClientName::new("n1").expect("it is a name"),
        incarnation: Incarnation::new(1),
        sequence: Sequence::new(1),
        heard: Sequence::new(1),
        command: Command::DeleteSpace { name: SpaceName::new("lan").expect("it is a name") },
    };
    Batch { at: Timestamp::new(1), commands: vec![envelope] }
}

/// The state once the entries up to `index` were applied.
fn state(index: u64) -> State {
    let mut state = State::default();
    for _ in 0..=index {
        state.apply(&batch());
    }
    state
}

pub(super) fn explore() {
    block_on(async {
        let applied = Applied::new(Point::default());
        let writer = {
            let applied = applied.clone();
            tokio::spawn(async move {
                for index in 0..=ONE_BY_ONE {
                    applied.apply(id(index), Some(&batch()), None);
                    shuttle::future::yield_now().await;
                }
                let last = Some(id(SNAPSHOT));
                let membership = StoredMembership::default();
                applied.replace(Point::new(state(SNAPSHOT), last, membership));
                applied.apply(id(LAST), Some(&batch()), None);
            })
        };
        let readers: Vec<_> = [1, LAST]
            .into_iter()
            .map(|index| {
                let applied = applied.clone();
                tokio::spawn(async move {
                    let deadline = Deadline::after(Duration::from_hours(1));
                    assert!(applied.reaches(index, deadline).await);
                    let (revision, at) = applied.read(State::revision);
                    assert!(at.get() >= index, "entry {index} was waited for, {at} is there");
                    let expected = state(at.get()).revision();
                    assert_eq!(revision, expected, "entry {at} without its state");
                })
            })
            .collect();
        for reader in readers {
            reader.await.expect("it ended");
        }
        writer.await.expect("it ended");
    });
}
