//! The database: its two column families, its options, and how it is read.

use std::path::{Path, PathBuf};

#[cfg(feature = "canary")]
use berth_allocator::canary;
use berth_codec::Record;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::StoreError;
use crate::failpoint::strike;

/// Bytes of entries in memory before they move to a table file: most are purged before.
const LOG_MEMTABLE_BYTES: usize = 64 << 20;
const META_MEMTABLE_BYTES: usize = 4 << 20;
/// Bytes of write-ahead log before memory is written out.
const WAL_BYTES_MAX: u64 = 256 << 20;
/// RocksDB's own diary.
const DIARY_BYTES_MAX: usize = 4 << 20;
const DIARIES_MAX: usize = 2;

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Entries by big-endian index.
    Log,
    /// Single values by name.
    Meta,
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::Log => "raft_log",
            Self::Meta => "raft_meta",
        }
    }
}

/// The key of an entry: big-endian, so that keys sort as indices do.
pub(crate) const fn index_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// The index that a key stands for.
pub(crate) fn key_index(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// A change of the database.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Puts a value.
    Put { family: Family, key: Vec<u8>, value: Vec<u8> },
    /// Deletes entries from index `from` up to, and without, `to`.
    DeleteRange { from: u64, to: u64 },
}

/// An open database. Writing goes through [`super::Commits`] alone.
pub(crate) struct Store {
    engine: Engine,
    path: PathBuf,
}

/// What holds the data.
enum Engine {
    Rocks(DB),
    /// Its twin on a simulated machine.
    #[cfg(feature = "sim")]
    Twin(crate::sim::Database),
}

/// A key and its value.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);

impl Store {
    /// Opens the database in `path`, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        #[cfg(feature = "sim")]
        if let Some(machine) = crate::sim::current() {
            return Ok(Self { engine: Engine::Twin(machine.disk().open(&path)), path });
        }
        let opened = DB::open_cf_descriptors(&options(), &path, families());
        Self::opened(path, opened)
    }

    /// Opens the database as it is now, beside whoever writes to it.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let opened = DB::open_cf_descriptors_read_only(&options(), path, families(), false);
        Self::opened(path.to_owned(), opened)
    }

    fn opened(path: PathBuf, db: Result<DB, rocksdb::Error>) -> Result<Self, StoreError> {
        match db {
            Ok(db) => Ok(Self { engine: Engine::Rocks(db), path }),
            Err(source) => Err(StoreError::Open { path, source }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a single value.
    pub(crate) fn value<R: Record>(&self, name: &'static str) -> Result<Option<R>, StoreError> {
        let found = match &self.engine {
            Engine::Rocks(db) => db
                .get_cf(family(db, Family::Meta), name)
                .map_err(|source| self.read_error(source))?,
            #[cfg(feature = "sim")]
            Engine::Twin(twin) => twin.value(name),
        };
        found
            .map(|bytes| berth_codec::decode(&bytes))
            .transpose()
            .map_err(|source| StoreError::Value { path: self.path.clone(), name, source })
    }

    /// Entries from index `from` on, in order, with their keys' indices.
    pub(crate) fn entries(
        &self,
        from: u64,
    ) -> impl Iterator<Item = Result<(u64, Box<[u8]>), StoreError>> + '_ {
        let start = index_key(from);
        let pairs: Box<dyn Iterator<Item = Result<Pair, rocksdb::Error>> + '_> = match &self.engine
        {
            Engine::Rocks(db) => {
                let mut how = ReadOptions::default();
                how.set_verify_checksums(true);
                let mode = IteratorMode::From(&start, Direction::Forward);
                Box::new(db.iterator_cf_opt(family(db, Family::Log), how, mode))
            }
            #[cfg(feature = "sim")]
            Engine::Twin(twin) => Box::new(twin.entries(&start).into_iter().map(Ok)),
        };
        pairs.map(|item| {
            let (key, value) = item.map_err(|source| self.read_error(source))?;
            Ok((key_index(&key).unwrap_or(u64::MAX), value))
        })
    }

    /// Makes changes, all or none; with a sync, they are durable then. The error is for people.
    pub(super) fn write<'a>(
        &self,
        changes: impl Iterator<Item = &'a Change>,
        synced: bool,
    ) -> Result<(), String> {
        let refused = |error: std::io::Error| error.to_string();
        strike("round.before").map_err(refused)?;
        #[cfg(feature = "canary")]
        let synced = synced && !canary::sins(canary::Canary::SkipSync);
        match &self.engine {
            Engine::Rocks(db) => {
                let mut how = WriteOptions::default();
                how.set_sync(synced);
                db.write_opt(batch(db, changes), &how).map_err(|error| error.to_string())
            }
            #[cfg(feature = "sim")]
            Engine::Twin(twin) => {
                let changes = changes.cloned().collect();
                twin.write(changes, synced).map_err(|error| error.to_string())
            }
        }?;
        strike("round.after").map_err(refused)
    }

    fn read_error(&self, source: rocksdb::Error) -> StoreError {
        StoreError::Read { path: self.path.clone(), source }
    }
}

fn batch<'a>(db: &DB, changes: impl Iterator<Item = &'a Change>) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for change in changes {
        match change {
            Change::Put { family: to, key, value } => batch.put_cf(family(db, *to), key, value),
            Change::DeleteRange { from, to } => {
                let (from, to) = (index_key(*from), index_key(*to));
                batch.delete_range_cf(family(db, Family::Log), from, to);
            }
        }
    }
    batch
}

fn family(db: &DB, family: Family) -> &ColumnFamily {
    db.cf_handle(family.name()).expect("opened with all families")
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // A torn tail is what a crash leaves of writes that were never acknowledged; the witness tells
    // whether more than that is missing. Damage elsewhere in the write-ahead log is refused.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(DIARIES_MAX);
    options.set_max_log_file_size(DIARY_BYTES_MAX);
    options.set_log_level(LogLevel::Warn);
    options
}

fn families() -> [ColumnFamilyDescriptor; 3] {
    [
        ColumnFamilyDescriptor::new("default", Options::default()),
        ColumnFamilyDescriptor::new(Family::Log.name(), family_options(LOG_MEMTABLE_BYTES)),
        ColumnFamilyDescriptor::new(Family::Meta.name(), family_options(META_MEMTABLE_BYTES)),
    ]
}

fn family_options(memtable_bytes: usize) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(memtable_bytes);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}
