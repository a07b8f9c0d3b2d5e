//! The directory of snapshots.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use berth_allocator::State;

use super::file::{self, io_error};
use super::{Header, Incoming, SnapshotError, SnapshotFile};
use crate::ClusterId;
use crate::failpoint::strike;
use crate::raft::{LogPosition, MembershipRecord};

/// Snapshots kept: the newest, and one before it.
const KEPT: usize = 2;
const PREFIX: &str = "snapshot-";
const TEMPORARY: &str = "tmp-";

/// What the newest usable snapshot holds.
pub(crate) struct Loaded {
    pub(crate) header: Header,
    pub(crate) state: State,
}

/// All snapshots of one node.
pub(crate) struct SnapshotStore {
    dir: PathBuf,
    cluster: ClusterId,
    newest: Mutex<Option<SnapshotFile>>,
    temporaries: AtomicU64,
}

impl SnapshotStore {
    /// Opens the directory and loads the newest snapshot. A damaged one is refused, unless the one
    /// before it reaches `needed`: the index up to which the log was purged.
    pub(crate) fn open(
        dir: &Path,
        cluster: ClusterId,
        needed: Option<u64>,
    ) -> Result<(Self, Option<Loaded>), SnapshotError> {
        fs::create_dir_all(dir).map_err(|source| io_error("create", dir, source))?;
        let store = Self {
            dir: dir.to_owned(),
            cluster,
            newest: Mutex::new(None),
            temporaries: AtomicU64::new(0),
        };
        store.sweep().map_err(|source| io_error("sweep", dir, source))?;
        let mut refused = None;
        for path in store.list().map_err(|source| io_error("list", dir, source))? {
            match store.load(&path) {
                Ok((file, state)) if file.header.index() >= needed => {
                    let header = file.header.clone();
                    *store.newest() = Some(file);
                    return Ok((store, Some(Loaded { header, state })));
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "a snapshot cannot be used, trying the one before it");
                    refused.get_or_insert(error);
                }
            }
        }
        match (refused, needed) {
            (Some(error), _) => Err(error),
            (None, Some(needed)) => Err(SnapshotError::Missing { dir: dir.to_owned(), needed }),
            (None, None) => Ok((store, None)),
        }
    }

    /// The newest snapshot.
    pub(crate) fn current(&self) -> Option<SnapshotFile> {
        self.newest().clone()
    }

    /// Writes a snapshot, durably. Blocks.
    pub(crate) fn write(
        &self,
        last: Option<LogPosition>,
        membership: MembershipRecord,
        state: &State,
    ) -> Result<SnapshotFile, SnapshotError> {
        let temporary = self.temporary();
        file::write(&temporary, self.cluster, last, membership, state)?;
        self.publish(SnapshotFile::open(&temporary, self.cluster)?)
    }

    /// Begins to receive a snapshot of `length` bytes.
    pub(crate) fn receive(&self, length: u64) -> Result<Incoming, SnapshotError> {
        Incoming::create(self.temporary(), self.cluster, length)
    }

    /// Makes a snapshot this node's own, durably, and gives its state. Blocks.
    pub(crate) fn install(&self, snapshot: SnapshotFile) -> Result<State, SnapshotError> {
        let state = snapshot.state()?;
        let snapshot = match snapshot.path.parent() {
            Some(dir) if dir == self.dir => snapshot,
            _ => self.copy(&snapshot)?,
        };
        self.publish(snapshot)?;
        Ok(state)
    }

    fn copy(&self, from: &SnapshotFile) -> Result<SnapshotFile, SnapshotError> {
        let temporary = self.temporary();
        fs::copy(&from.path, &temporary)
            .and_then(|_| fs::File::open(&temporary)?.sync_all())
            .map_err(|source| io_error("copy the snapshot to", &temporary, source))?;
        SnapshotFile::open(&temporary, self.cluster)
    }

    /// Gives a synced file its name, and drops older ones.
    fn publish(&self, mut file: SnapshotFile) -> Result<SnapshotFile, SnapshotError> {
        let path = self.dir.join(name(file.header.last));
        let failed = |source| io_error("name the snapshot", &path, source);
        let mut newest = self.newest();
        if file.path != path {
            strike("snapshot-rename.before")
                .and_then(|()| fs::rename(&file.path, &path))
                .and_then(|()| strike("snapshot-rename.after"))
                .and_then(|()| strike("snapshot-sync.before"))
                .and_then(|()| fs::File::open(&self.dir)?.sync_all())
                .and_then(|()| strike("snapshot-sync.after"))
                .map_err(failed)?;
        }
        file.path.clone_from(&path);
        if newest.as_ref().is_none_or(|newest| newest.header.last <= file.header.last) {
            *newest = Some(file.clone());
        }
        for old in self.list().map_err(failed)?.iter().skip(KEPT) {
            strike("snapshot-remove.before")
                .and_then(|()| fs::remove_file(old))
                .and_then(|()| strike("snapshot-remove.after"))
                .map_err(|source| io_error("remove", old, source))?;
        }
        Ok(file)
    }

    fn load(&self, path: &Path) -> Result<(SnapshotFile, State), SnapshotError> {
        let file = SnapshotFile::open(path, self.cluster)?;
        let state = file.state()?;
        Ok((file, state))
    }

    /// Snapshots by name, the newest first.
    fn list(&self) -> io::Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = self.named(PREFIX)?;
        // Names are padded with zeros, so that they sort as their numbers do.
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// Removes what a crash left unfinished.
    fn sweep(&self) -> io::Result<()> {
        self.named(TEMPORARY)?.iter().try_for_each(fs::remove_file)
    }

    fn named(&self, prefix: &str) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn temporary(&self) -> PathBuf {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{TEMPORARY}{number}"))
    }

    fn newest(&self) -> MutexGuard<'_, Option<SnapshotFile>> {
        self.newest.lock().expect("nothing panics while it holds the newest snapshot")
    }
}

fn name(last: Option<LogPosition>) -> String {
    let (index, term) = last.map_or((0, 0), |last| (last.index, last.term));
    format!("{PREFIX}{index:020}-{term:020}")
}
