//! The database: its two column families, its options, and how it is read.

use std::path::{Path, PathBuf};

use berth_codec::Record;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions,
};

use super::StoreError;

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

/// An open database. Writing goes through [`super::Commits`] alone.
pub(crate) struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens the database in `path`, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let families = [
            ColumnFamilyDescriptor::new("default", Options::default()),
            ColumnFamilyDescriptor::new(Family::Log.name(), family_options(LOG_MEMTABLE_BYTES)),
            ColumnFamilyDescriptor::new(Family::Meta.name(), family_options(META_MEMTABLE_BYTES)),
        ];
        let db = DB::open_cf_descriptors(&options(), path, families)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        Ok(Self { db, path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn db(&self) -> &DB {
        &self.db
    }

    pub(super) fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("opened with all families")
    }

    /// Reads a single value.
    pub(crate) fn value<R: Record>(&self, name: &'static str) -> Result<Option<R>, StoreError> {
        let found = self
            .db
            .get_pinned_cf(self.family(Family::Meta), name)
            .map_err(|source| self.read_error(source))?;
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
        let mut how = ReadOptions::default();
        how.set_verify_checksums(true);
        let start = index_key(from);
        let mode = IteratorMode::From(&start, Direction::Forward);
        self.db.iterator_cf_opt(self.family(Family::Log), how, mode).map(|item| {
            let (key, value) = item.map_err(|source| self.read_error(source))?;
            Ok((key_index(&key).unwrap_or(u64::MAX), value))
        })
    }

    fn read_error(&self, source: rocksdb::Error) -> StoreError {
        StoreError::Read { path: self.path.clone(), source }
    }
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

fn family_options(memtable_bytes: usize) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(memtable_bytes);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}
