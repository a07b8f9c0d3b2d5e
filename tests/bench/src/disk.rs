//! The disk itself: what one sync takes, beside the runs.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use anyhow::{Result, ensure};
use berth_node::bench::Latencies;
use rustix::fs::fstatfs;
use tempfile::TempDir;

use crate::figures::Syncs;

/// Syncs of a probe, and the bytes that each appends.
const SYNCS: usize = 100;
const SYNC_BYTES: usize = 4_096;
/// Of a file system in memory.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// A file on the disk on which all keep their data.
pub(crate) struct Disk {
    file: File,
    _dir: TempDir,
}

impl Disk {
    /// Where temporary files are (`TMPDIR`), which must be a disk.
    pub(crate) fn open() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = File::create(dir.path().join("probe"))?;
        let kind = fstatfs(&file)?.f_type;
        ensure!(
            kind != TMPFS_MAGIC,
            "{} is in memory, where nothing is durable: set TMPDIR to a directory on a disk",
            dir.path().display()
        );
        Ok(Self { file, _dir: dir })
    }

    /// What a sync takes now.
    pub(crate) fn probe(&mut self) -> Result<Syncs> {
        let mut times = Latencies::default();
        let began = Instant::now();
        for _ in 0..SYNCS {
            let began = Instant::now();
            self.file.write_all(&[7; SYNC_BYTES])?;
            self.file.sync_data()?;
            times.record(began.elapsed());
        }
        let summary = times.summary(began.elapsed());
        Ok(Syncs { p50_us: summary.p50_us, p99_us: summary.p99_us })
    }
}
