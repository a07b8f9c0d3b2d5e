//! The twin of the log's database: in memory, and it knows what a crash would leave.
//!
//! A round is one atomic write. A synced one makes all before it durable, as `RocksDB`'s write-ahead
//! log does; a crash keeps those, and of the others as many of the first as chance will have it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::rocks::{Change, Family, Pair};

/// What happens to writes from some point on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteFault {
    /// Writes that still succeed.
    pub after: u64,
    /// What the next one fails with.
    pub error: io::ErrorKind,
}

/// All databases of one machine. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    databases: BTreeMap<PathBuf, Arc<Mutex<Tables>>>,
    fault: Option<WriteFault>,
    delay: Duration,
    writes: u64,
}

/// An open database.
pub(crate) struct Database {
    disk: Disk,
    tables: Arc<Mutex<Tables>>,
}

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
struct Tables {
    now: Families,
    /// What a crash leaves for certain.
    durable: Families,
    /// Rounds since then.
    unsynced: VecDeque<Vec<Change>>,
}

#[derive(Default, Clone)]
struct Families {
    log: Table,
    meta: Table,
}

impl Disk {
    /// What happens without power: of each database's unsynced rounds the first ones stay, as many as
    /// `keep` says of so many.
    pub fn crash(&self, mut keep: impl FnMut(usize) -> usize) {
        for tables in self.inner().databases.values() {
            lock(tables).crash(&mut keep);
        }
    }

    /// Rounds that a crash could lose.
    pub fn unsynced(&self) -> usize {
        self.inner().databases.values().map(|tables| lock(tables).unsynced.len()).sum()
    }

    /// Lets writes fail, or ends that.
    pub fn fail(&self, fault: Option<WriteFault>) {
        self.inner().fault = fault;
    }

    /// All databases below a path are gone.
    pub fn wipe(&self, path: &Path) {
        self.inner().databases.retain(|database, _| !database.starts_with(path));
    }

    /// How long each round takes from now on.
    pub fn slow(&self, delay: Duration) {
        self.inner().delay = delay;
    }

    /// Rounds written so far.
    pub fn writes(&self) -> u64 {
        self.inner().writes
    }

    pub(crate) fn delay(&self) -> Duration {
        self.inner().delay
    }

    /// Opens the database at a path, or makes it.
    pub(crate) fn open(&self, path: &Path) -> Database {
        let mut inner = self.inner();
        let tables = inner.databases.entry(path.to_owned()).or_default();
        Database { disk: self.clone(), tables: Arc::clone(tables) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    fn admit(&self) -> io::Result<()> {
        let mut inner = self.inner();
        match &mut inner.fault {
            Some(WriteFault { after: 0, error }) => return Err((*error).into()),
            Some(fault) => fault.after -= 1,
            None => {}
        }
        inner.writes += 1;
        Ok(())
    }
}

impl Database {
    pub(crate) fn value(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.tables).now.meta.get(name.as_bytes()).cloned()
    }

    /// Pairs of the log whose key is `from` or after it.
    pub(crate) fn entries(&self, from: &[u8]) -> Vec<Pair> {
        let tables = lock(&self.tables);
        let entries = tables.now.log.range(from.to_vec()..);
        entries.map(|(key, value)| (key.as_slice().into(), value.as_slice().into())).collect()
    }

    /// Makes changes, all or none.
    pub(crate) fn write(&self, changes: Vec<Change>, synced: bool) -> io::Result<()> {
        self.disk.admit()?;
        let mut tables = lock(&self.tables);
        for change in &changes {
            tables.now.make(change);
        }
        tables.unsynced.push_back(changes);
        if synced {
            tables.sync();
        }
        Ok(())
    }
}

impl Tables {
    fn sync(&mut self) {
        for change in self.unsynced.drain(..).flatten() {
            self.durable.make(&change);
        }
    }

    fn crash(&mut self, keep: &mut impl FnMut(usize) -> usize) {
        let kept = keep(self.unsynced.len());
        self.unsynced.truncate(kept);
        self.sync();
        self.now = self.durable.clone();
    }
}

impl Families {
    fn make(&mut self, change: &Change) {
        match change {
            Change::Put { family, key, value } => {
                let table = match family {
                    Family::Log => &mut self.log,
                    Family::Meta => &mut self.meta,
                };
                table.insert(key.clone(), value.clone());
            }
            Change::DeleteRange { from, to } => {
                let range = crate::rocks::index_key(*from)..crate::rocks::index_key(*to);
                let gone = self.log.range(range.start.to_vec()..range.end.to_vec());
                let gone: Vec<Vec<u8>> = gone.map(|(key, _)| key.clone()).collect();
                for key in gone {
                    self.log.remove(&key);
                }
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u64, value: &str) -> Vec<Change> {
        let key = crate::rocks::index_key(key).to_vec();
        vec![Change::Put { family: Family::Log, key, value: value.into() }]
    }

    fn values(database: &Database) -> Vec<String> {
        let entries = database.entries(&crate::rocks::index_key(0));
        entries.into_iter().map(|(_, value)| String::from_utf8(value.into()).unwrap()).collect()
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        let disk = Disk::default();
        let database = disk.open(Path::new("log"));
        database.write(put(1, "a"), false).unwrap();
        database.write(put(2, "b"), true).unwrap();
        for (key, value) in [(3, "c"), (4, "d"), (5, "e")] {
            database.write(put(key, value), false).unwrap();
        }
        assert_eq!((values(&database).concat(), disk.unsynced()), ("abcde".to_owned(), 3));
        disk.crash(|unsynced| unsynced - 1);
        let database = disk.open(Path::new("log"));
        assert_eq!(values(&database).concat(), "abcd");
        database.write(vec![Change::DeleteRange { from: 1, to: 3 }], false).unwrap();
        assert_eq!(values(&database).concat(), "cd");
        disk.crash(|_| 0);
        assert_eq!(values(&database).concat(), "abcd");
    }

    #[test]
    fn a_full_disk_takes_nothing() {
        let disk = Disk::default();
        let database = disk.open(Path::new("log"));
        disk.fail(Some(WriteFault { after: 1, error: io::ErrorKind::StorageFull }));
        database.write(put(1, "a"), true).unwrap();
        let full = database.write(put(2, "b"), true).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(values(&database).concat(), "a");
    }
}
