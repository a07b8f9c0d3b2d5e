//! The log's twin does what the library asks of a log, as the real one does.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::bench::Bench;
use super::{Machine, on};
use crate::machine::StateMachine;
use crate::raft::TypeConfig;
use crate::rocks::{RaftLog, Witness};
use crate::snapshot::SnapshotStore;
use crate::{ClusterId, Fatal};

struct Twins;

impl StoreBuilder<TypeConfig, RaftLog, StateMachine, TempDir> for Twins {
    async fn build(&self) -> Result<(TempDir, RaftLog, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        Witness::make(dir.path()).unwrap();
        let fatal = Fatal::new();
        let log = RaftLog::open(dir.path(), &fatal).unwrap();
        assert!(!dir.path().join("log").exists(), "it is in memory");
        let cluster = ClusterId::new([1; 16]);
        let (snapshots, loaded) =
            SnapshotStore::open(&dir.path().join("snapshots"), cluster, None).unwrap();
        let machine = StateMachine::new(loaded, Arc::new(snapshots), fatal).unwrap();
        Ok((dir, log, machine))
    }
}

#[test]
fn the_librarys_storage_suite_passes_on_the_twin() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let machine: Arc<dyn Machine> = Arc::new(Bench::default());
    on(&machine, || runtime.block_on(Suite::test_all(Twins))).unwrap();
}
