//! Linearizable reads: whoever reads after a command was answered sees it, however many reads share a
//! confirmation.

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

use crate::Deadline;
use crate::reads::{Confirm, ReadIndexes};
use crate::replica::Hindrance;

/// A leader that always has a quorum.
struct Leader {
    committed: Arc<AtomicU64>,
}

impl Confirm for Leader {
    async fn read_index(&self, _: Deadline) -> Result<u64, Hindrance> {
        let index = self.committed.load(Ordering::SeqCst);
        // The quorum answers.
        shuttle::future::yield_now().await;
        Ok(index)
    }
}

pub(super) fn explore() {
    block_on(async {
        let committed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let leader = Leader { committed: Arc::clone(&committed) };
        let reads = Arc::new(ReadIndexes::start(leader, &mut tasks));
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let (reads, committed) = (Arc::clone(&reads), Arc::clone(&committed));
                tokio::spawn(async move {
                    let answered = committed.fetch_add(1, Ordering::SeqCst) + 1;
                    let index = reads.get(Deadline::after(Duration::from_hours(1))).await;
                    let index = index.expect("the leader has a quorum");
                    assert!(index >= answered, "read at {index}, {answered} was answered before");
                })
            })
            .collect();
        drop(reads);
        for client in clients {
            client.await.expect("it ended");
        }
        while tasks.join_next().await.is_some() {}
    });
}
