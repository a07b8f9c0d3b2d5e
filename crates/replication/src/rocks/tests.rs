//! The library's own suite on the real store, and what it does not check.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, RaftLogReader, StorageError};
use tempfile::TempDir;

use super::{RaftLog, StoreError, Witness};
use crate::machine::StateMachine;
use crate::raft::{Entry, LogId, LogPosition, TypeConfig, Vote};
use crate::snapshot::SnapshotStore;
use crate::{ClusterId, Fatal};

struct RealStores;

impl StoreBuilder<TypeConfig, RaftLog, StateMachine, TempDir> for RealStores {
    async fn build(&self) -> Result<(TempDir, RaftLog, StateMachine), StorageError<TypeConfig>> {
        let dir = data_dir();
        let fatal = Fatal::new();
        let log = RaftLog::open(dir.path(), &fatal).unwrap();
        let cluster = ClusterId::new([1; 16]);
        let (snapshots, loaded) =
            SnapshotStore::open(&dir.path().join("snapshots"), cluster, None).unwrap();
        let machine = StateMachine::new(loaded, Arc::new(snapshots), fatal).unwrap();
        Ok((dir, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_librarys_storage_suite_passes() {
    Suite::test_all(RealStores).await.unwrap();
}

/// A new data directory.
fn data_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Witness::make(dir.path()).unwrap();
    dir
}

fn entry(index: u64) -> Entry {
    let position = LogPosition { term: 1, leader: 1, index };
    Entry { log_id: LogId::from(position), payload: EntryPayload::Blank }
}

async fn append(log: &mut RaftLog, indices: std::ops::Range<u64>) {
    let (done, synced) = TypeConfig::oneshot();
    log.append(indices.map(entry), IOFlushed::signal(done)).await.unwrap();
    synced.await.unwrap().unwrap();
}

async fn indices(log: &mut RaftLog) -> Vec<u64> {
    let mut reader = log.get_log_reader().await;
    let entries = reader.try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index()).collect()
}

fn wal(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("log")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "log")).max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_reopening() {
    let dir = data_dir();
    let mut log = RaftLog::open(dir.path(), &Fatal::new()).unwrap();
    let vote = Vote::new(3, 2);
    log.save_vote(&vote).await.unwrap();
    append(&mut log, 0..50).await;
    log.truncate_after(Some(entry(39).log_id)).await.unwrap();
    log.purge(entry(9).log_id).await.unwrap();
    append(&mut log, 40..45).await;
    drop(log);
    let mut log = RaftLog::open(dir.path(), &Fatal::new()).unwrap();
    assert_eq!(indices(&mut log).await, (10..45).collect::<Vec<_>>());
    assert_eq!(log.get_log_reader().await.read_vote().await.unwrap(), Some(vote));
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(entry(9).log_id));
    assert_eq!(state.last_log_id, Some(entry(44).log_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_refused_when_it_is_made() {
    let dir = data_dir();
    let mut log = RaftLog::open(dir.path(), &Fatal::new()).unwrap();
    append(&mut log, 0..3).await;
    assert!(log.append([entry(4)], IOFlushed::noop()).await.is_err());
}

/// The write-ahead log is cut at every length: the log opens only with all that was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_acknowledged_writes_is_refused() {
    let dir = data_dir();
    let mut log = RaftLog::open(dir.path(), &Fatal::new()).unwrap();
    for index in 0..5 {
        append(&mut log, index..index + 1).await;
    }
    drop(log);
    let whole = fs::metadata(wal(dir.path())).unwrap().len();
    let mut refused = 0;
    for length in (0..whole).step_by(17) {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        OpenOptions::new().write(true).open(wal(copy.path())).unwrap().set_len(length).unwrap();
        match RaftLog::open(copy.path(), &Fatal::new()) {
            Err(error @ (StoreError::Shortened { .. } | StoreError::Open { .. })) => {
                let told = error.to_string();
                assert!(told.contains("comes back as a new member only"), "{told}");
                refused += 1;
            }
            Err(other) => panic!("cut to {length} of {whole}: {other}"),
            Ok(_) => panic!("a log cut to {length} of {whole} bytes was opened"),
        }
    }
    assert!(refused > 5, "{refused} cuts were tried");
}

/// One byte of the write-ahead log is damaged, at many places.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_refused() {
    let dir = data_dir();
    let mut log = RaftLog::open(dir.path(), &Fatal::new()).unwrap();
    for index in 0..5 {
        append(&mut log, index..index + 1).await;
    }
    drop(log);
    let whole = fs::metadata(wal(dir.path())).unwrap().len();
    for place in (0..whole).step_by(29) {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let file = OpenOptions::new().read(true).write(true).open(wal(copy.path())).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 0x55], place).unwrap();
        assert!(RaftLog::open(copy.path(), &Fatal::new()).is_err(), "byte {place} of {whole}");
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_dir(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}
