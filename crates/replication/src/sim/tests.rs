//! The log's twin does what the library asks of a log, as the real one does.

use std::io;
use std::sync::Arc;

use berth_allocator::Timestamp;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::{Connecting, Disk, Event, Listen, Machine, on};
use crate::machine::StateMachine;
use crate::raft::TypeConfig;
use crate::rocks::{RaftLog, Witness};
use crate::snapshot::SnapshotStore;
use crate::{ClusterId, Fatal};

/// A machine with nothing but a disk.
#[derive(Default)]
struct Bench(Disk);

impl Machine for Bench {
    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn disk(&self) -> &Disk {
        &self.0
    }

    fn connect(&self, _: &str) -> Connecting {
        Box::pin(async { Err(io::ErrorKind::HostUnreachable.into()) })
    }

    fn listen(&self, _: &str) -> io::Result<Box<dyn Listen>> {
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    fn boot(&self) -> String {
        String::new()
    }

    fn started(&self, _: u32) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        Timestamp::new(0)
    }

    fn observe(&self, _: Event<'_>) {}
}

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
