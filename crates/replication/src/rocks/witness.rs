//! How many rounds of writes were synced, kept outside the database.
//!
//! The number is written after each sync, when those who waited for it were told, and not synced itself: it
//! may lag behind the database (by a round, or a power failure), but never leads it. A database that lags behind the number has lost acknowledged
//! writes. Two slots are written in turn, so that a torn write leaves the other one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::failpoint::strike;

/// Its name in a data directory.
pub(crate) const FILE: &str = "log.witness";
const SLOTS: u64 = 2;
const SLOT_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Round(pub(super) u64);

impl Record for Round {
    const KIND: Kind = Kind::LogPosition;
    const VERSION: u8 = 1;
    /// One byte of a slot says how long the record is.
    const LIMIT: usize = SLOT_BYTES - 1;
}

pub(crate) struct Witness {
    file: File,
}

impl Witness {
    /// Makes the file of a new data directory, durably but for its name in the directory.
    ///
    /// That comes before the record which makes it a data directory: so where this file is missing
    /// later, data was lost.
    pub(crate) fn make(dir: &Path) -> io::Result<()> {
        strike("witness-made.before")?;
        let witness = Self { file: File::create(dir.join(FILE))? };
        witness.write(0)?;
        witness.file.sync_all()?;
        strike("witness-made.after")
    }

    /// Opens the file, and gives the number it holds.
    pub(super) fn open(dir: &Path) -> Result<(Self, u64), StoreError> {
        let path = dir.join(FILE);
        let failed = |source| StoreError::Witness { path: path.clone(), source };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let witness = Self { file };
        let slots = (0..SLOTS).map(|slot| witness.read(slot)).collect::<io::Result<Vec<_>>>();
        let newest = slots.map_err(failed)?.into_iter().flatten().max();
        let newest = newest.ok_or(StoreError::WitnessDamaged { path })?;
        Ok((witness, newest))
    }

    /// Notes that this round was synced.
    pub(super) fn write(&self, round: u64) -> io::Result<()> {
        let record = berth_codec::encode(&Round(round)).map_err(io::Error::other)?;
        let mut slot = [0; SLOT_BYTES];
        slot[0] = u8::try_from(record.len()).expect("the record's limit is below a slot's size");
        slot[1..=record.len()].copy_from_slice(&record);
        strike("witness.before")?;
        self.file.write_all_at(&slot, offset(round % SLOTS))?;
        strike("witness.after")
    }

    /// A slot's number, if it is whole.
    fn read(&self, slot: u64) -> io::Result<Option<u64>> {
        let mut bytes = [0; SLOT_BYTES];
        match self.file.read_exact_at(&mut bytes, offset(slot)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let record = bytes.get(1..=usize::from(bytes[0]));
        Ok(record.and_then(|record| berth_codec::decode::<Round>(record).ok()).map(|round| round.0))
    }
}

const fn offset(slot: u64) -> u64 {
    slot * SLOT_BYTES as u64
}

/// An example of each encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    crate::golden::line("witness", &Round(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Witness::open(dir.path()), Err(StoreError::Witness { .. })));
        Witness::make(dir.path()).unwrap();
        let (witness, found) = Witness::open(dir.path()).unwrap();
        assert_eq!(found, 0);
        witness.write(1).unwrap();
        witness.write(2).unwrap();
        assert_eq!(Witness::open(dir.path()).unwrap().1, 2);
        // A torn write of round 3 leaves round 2.
        witness.file.write_all_at(&[9; 20], offset(1)).unwrap();
        assert_eq!(Witness::open(dir.path()).unwrap().1, 2);
        witness.file.write_all_at(&[9; 20], offset(0)).unwrap();
        assert!(matches!(Witness::open(dir.path()), Err(StoreError::WitnessDamaged { .. })));
    }
}
