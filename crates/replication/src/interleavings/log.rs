//! The log, written and read at once: a reader finds no hole, misses nothing that was appended before it
//! began, and sees nothing that was deleted by then. After a failed write nothing succeeds.

use std::ops::Range;
use std::sync::Arc;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, RaftLogReader};
use shuttle::future::block_on;
use shuttle::sync::Mutex;
use tokio::task::JoinHandle;

use super::choose;
use crate::Fatal;
use crate::raft::{Entry, LogId, LogPosition, TypeConfig};
use crate::rocks::{RaftLog, Witness};
use crate::sim::bench::Bench;
use crate::sim::{Disk, Machine, WriteFault, on};

fn id(term: u64, index: u64) -> LogId {
    LogId::from(LogPosition { term, leader: 1, index })
}

fn entries(term: u64, indices: Range<u64>) -> Vec<Entry> {
    let entry = |index| Entry { log_id: id(term, index), payload: EntryPayload::Blank };
    indices.map(entry).collect()
}

/// Hands entries over; what comes tells whether they are durable.
async fn append(
    log: &mut RaftLog,
    term: u64,
    indices: Range<u64>,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    let (done, synced) = TypeConfig::oneshot();
    log.append(entries(term, indices), IOFlushed::signal(done)).await?;
    Ok(tokio::spawn(async move { synced.await.expect("each write is told of") }))
}

/// On a machine of its own, with an empty log.
fn with_log<F: Future<Output = ()>>(explore: impl FnOnce(RaftLog, Fatal, Disk) -> F) {
    let dir = tempfile::tempdir().expect("there is room");
    Witness::make(dir.path()).expect("there is room");
    let bench = Bench::default();
    let disk = bench.disk().clone();
    let machine: Arc<dyn Machine> = Arc::new(bench);
    on(&machine, || {
        let fatal = Fatal::new();
        let log = RaftLog::open(dir.path(), &fatal).expect("it is new");
        block_on(explore(log, fatal, disk));
    });
}

/// What a reader may rely on when it begins.
#[derive(Clone, Copy)]
struct Known {
    /// Entries below are there, or are purged.
    end: u64,
    /// Entries from here on are of the second term.
    second_from: u64,
}

pub(super) fn explore() {
    with_log(|mut log, _, _| async move {
        append(&mut log, 1, 0..3).await.expect("the disk works");
        let durable = append(&mut log, 1, 3..5).await.expect("the disk works");
        durable.await.expect("it ended").expect("the disk works");
        // What will be cut cannot be relied on.
        let known = Arc::new(Mutex::new(Known { end: 3, second_from: u64::MAX }));
        let mut readers = Vec::new();
        for _ in 0..2 {
            let (mut reader, known) = (log.get_log_reader().await, Arc::clone(&known));
            readers.push(tokio::spawn(async move {
                for _ in 0..3 {
                    let before = *known.lock().expect("nobody panics with it");
                    let read = reader.try_get_log_entries(..).await.expect("the disk works");
                    look(&read, before);
                }
            }));
        }
        let say = |end, second_from| {
            *known.lock().expect("nobody panics with it") = Known { end, second_from };
        };
        append(&mut log, 1, 5..7).await.expect("the disk works");
        log.truncate_after(Some(id(1, 2))).await.expect("the disk works");
        say(3, 3);
        append(&mut log, 2, 3..7).await.expect("the disk works");
        say(7, 3);
        log.purge(id(1, 0)).await.expect("the disk works");
        append(&mut log, 2, 7..9).await.expect("the disk works");
        say(9, 3);
        for reader in readers {
            reader.await.expect("it ended");
        }
    });
}

/// One read of entries that are partly in memory, while their end is cut off and written anew.
pub(super) fn explore_cut() {
    with_log(|mut log, _, _| async move {
        let durable = append(&mut log, 1, 0..3).await.expect("the disk works");
        durable.await.expect("it ended").expect("the disk works");
        append(&mut log, 1, 3..5).await.expect("the disk works");
        let mut reader = log.get_log_reader().await;
        let reader = tokio::spawn(async move {
            let read = reader.try_get_log_entries(..).await.expect("the disk works");
            look(&read, Known { end: 1, second_from: u64::MAX });
        });
        log.truncate_after(Some(id(1, 0))).await.expect("the disk works");
        append(&mut log, 2, 1..5).await.expect("the disk works");
        reader.await.expect("it ended");
    });
}

fn look(read: &[Entry], known: Known) {
    let indices: Vec<u64> = read.iter().map(|entry| entry.log_id.index()).collect();
    let first = indices.first().copied().unwrap_or(0);
    assert!(first <= 1, "{indices:?} begins after what was purged");
    assert!(indices.iter().copied().eq(first..first + indices.len() as u64), "a hole: {indices:?}");
    let end = indices.last().map_or(0, |last| last + 1);
    assert!(end >= known.end, "{indices:?} ends before {}", known.end);
    let terms: Vec<u64> =
        read.iter().map(|entry| entry.log_id.committed_leader_id().term).collect();
    assert!(terms.is_sorted(), "terms go back: {terms:?}");
    for (index, term) in indices.iter().zip(&terms) {
        assert!(*index < known.second_from || *term == 2, "entry {index} was deleted");
    }
}

pub(super) fn explore_failure() {
    with_log(|mut log, fatal, disk| async move {
        let after = u64::from(choose());
        disk.fail(Some(WriteFault { after, error: std::io::ErrorKind::StorageFull }));
        let waits = {
            let fatal = fatal.clone();
            tokio::spawn(async move { fatal.wait().await })
        };
        let mut told = Vec::new();
        for index in 0..4 {
            match append(&mut log, 1, index..index + 1).await {
                Ok(callback) => told.push(callback),
                Err(_) => break,
            }
            if index == 2 {
                // There is room again.
                disk.fail(None);
            }
        }
        let mut failed = false;
        for callback in told {
            let result = callback.await.expect("it ended");
            assert!(!(failed && result.is_ok()), "a write succeeded after one that failed");
            failed |= result.is_err();
        }
        if failed {
            assert_eq!(waits.await.ok(), fatal.error(), "one error stands");
        } else {
            waits.abort();
        }
    });
}
