//! Opening a ledger: the newest snapshot, then the log behind it.

use std::sync::Arc;

use berth_allocator::{Batch, State};

use super::entry::Entry;
use super::{LedgerConfig, LedgerStartError};
use crate::directory::DataDirectory;
use crate::raft::LogPosition;
use crate::rocks::{Commits, EntryError, Store, StoreError};
use crate::snapshot::SnapshotStore;
use crate::{ClusterId, Fatal, NodeId};

/// What stands for a cluster in a ledger's files.
const LEDGER: ClusterId = ClusterId::new(*b"berth's ledger\0\0");
/// The last entry cut off the front of the log.
pub(super) const TRIMMED: &str = "trimmed position";

/// A ledger, ready to go on.
pub(super) struct Recovered {
    pub(super) directory: DataDirectory,
    pub(super) commits: Commits,
    pub(super) snapshots: SnapshotStore,
    pub(super) state: State,
    pub(super) last: u64,
    pub(super) snapshot: u64,
    pub(super) trimmed: u64,
}

/// Reads all that the directory holds. Blocks.
pub(super) fn recover(config: &LedgerConfig, fatal: &Fatal) -> Result<Recovered, LedgerStartError> {
    let own = Some((LEDGER, NodeId::new(1)));
    let directory = DataDirectory::open(&config.dir, &config.name, own, None)
        .map_err(LedgerStartError::Directory)?;
    let opened = || {
        let store = Arc::new(Store::open(&config.dir.join("log"))?);
        let commits = Commits::start(Arc::clone(&store), &config.dir, fatal)?;
        let trimmed = store.value::<LogPosition>(TRIMMED)?.map(|trimmed| trimmed.index);
        Ok((store, commits, trimmed))
    };
    let (store, commits, trimmed) = opened().map_err(LedgerStartError::Store)?;
    let (snapshots, loaded) = SnapshotStore::open(&config.dir.join("snapshots"), LEDGER, trimmed)
        .map_err(LedgerStartError::Snapshot)?;
    let (mut state, snapshot) = match loaded {
        Some(loaded) => (loaded.state, loaded.header.index().unwrap_or(0)),
        None => (State::new(), 0),
    };
    let trimmed = trimmed.unwrap_or(0);
    let last = replay(&store, trimmed, snapshot, &mut state).map_err(LedgerStartError::Store)?;
    Ok(Recovered { directory, commits, snapshots, state, last, snapshot, trimmed })
}

/// Applies entries behind the snapshot; gives the index of the last.
fn replay(
    store: &Store,
    trimmed: u64,
    snapshot: u64,
    state: &mut State,
) -> Result<u64, StoreError> {
    let mut last = trimmed;
    for item in store.entries(0) {
        let (index, value) = item?;
        if index != last + 1 {
            let (path, expected) = (store.path().to_owned(), last + 1);
            return Err(StoreError::Hole { path, expected, found: index });
        }
        let batch = decode(store, index, &value)?;
        if index > snapshot {
            state.apply(&batch);
        }
        last = index;
    }
    Ok(last.max(snapshot))
}

fn decode(store: &Store, index: u64, value: &[u8]) -> Result<Batch, StoreError> {
    let failed = |source| StoreError::Entry {
        path: store.path().to_owned(),
        index,
        source: EntryError::from(source),
    };
    let entry: Entry = berth_codec::decode(value).map_err(failed)?;
    if entry.index != index {
        let (path, found) = (store.path().to_owned(), entry.index);
        return Err(StoreError::Hole { path, expected: index, found });
    }
    berth_codec::decode(&entry.batch).map_err(failed)
}
