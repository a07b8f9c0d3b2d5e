//! A file of events that outlives this process, though not this boot of the host: it is written, and
//! not synced.
//!
//! ```text
//! | length: u32 | record: the boot | length: u32 | record: an event | …
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use berth_codec::{Kind, Record};
use berth_replication::failpoint::strike;
use serde::{Deserialize, Serialize};

use super::engine::boot;
use crate::file::{self, FileError};

/// Bytes above which the file is written anew, unless what counts takes half of that.
const LENGTH_MAX: u64 = 1 << 20;
/// Bytes of a record's length.
const HEADER: usize = size_of::<u32>();

/// The kernel's name for the boot in which a journal was written.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Boot(pub(super) Option<String>);

impl Record for Boot {
    const KIND: Kind = Kind::FrontEnd;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// A file of events, open for more.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// The length after which it is long.
    long: u64,
}

impl Journal {
    /// A journal at `path` of these events, in place of what was there.
    pub(super) fn create<E: Record>(
        path: PathBuf,
        events: impl Iterator<Item = E>,
    ) -> Result<Self, FileError> {
        let mut bytes = framed(&path, &Boot(boot()))?;
        for event in events {
            bytes.extend(framed(&path, &event)?);
        }
        let failed = |source| FileError::Write { path: path.clone(), source };
        file::replace(&path, &bytes).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        let length = bytes.len() as u64;
        Ok(Self { path, file, length, long: LENGTH_MAX.max(2 * length) })
    }

    /// Adds an event, as a whole or not at all.
    pub(super) fn append<E: Record>(&mut self, event: &E) -> Result<(), FileError> {
        let bytes = framed(&self.path, event)?;
        let written = strike("journal.before").and_then(|()| self.file.write_all(&bytes));
        let written = written.and_then(|()| strike("journal.after")).or_else(|error| {
            // What was begun must not stand before what comes next.
            self.file.set_len(self.length).and(Err(error))
        });
        written.map_err(|source| FileError::Write { path: self.path.clone(), source })?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Whether it should be replaced by the events that still count.
    pub(super) fn is_long(&self) -> bool {
        self.length > self.long
    }

    /// Replaces the file by these events.
    pub(super) fn replace<E: Record>(
        &mut self,
        events: impl Iterator<Item = E>,
    ) -> Result<(), FileError> {
        *self = Self::create(self.path.clone(), events)?;
        Ok(())
    }
}

/// Replays the events of the journal at `path`, if there is one and it is of this boot.
pub(super) fn replay<E: Record>(path: &Path, mut replay: impl FnMut(E)) -> Result<(), FileError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|source| FileError::Read { path: path.to_owned(), source })?,
    };
    let mut records = Records(&bytes);
    let this = Boot(boot());
    let written = records.next().map(berth_codec::decode::<Boot>);
    if this.0.is_some() && matches!(written, Some(Ok(boot)) if boot == this) {
        for record in records {
            let event = berth_codec::decode(record);
            replay(event.map_err(|source| FileError::Decode { path: path.to_owned(), source })?);
        }
    }
    Ok(())
}

fn framed<R: Record>(path: &Path, record: &R) -> Result<Vec<u8>, FileError> {
    let record = berth_codec::encode(record)
        .map_err(|source| FileError::Encode { path: path.to_owned(), source })?;
    let too_long =
        |_| FileError::Write { path: path.to_owned(), source: io::ErrorKind::FileTooLarge.into() };
    let mut bytes = u32::try_from(record.len()).map_err(too_long)?.to_le_bytes().to_vec();
    bytes.extend(record);
    Ok(bytes)
}

/// The whole records of a journal. A last one that was cut is none.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<HEADER>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (record, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Word(String);

    impl Record for Word {
        const KIND: Kind = Kind::FrontEnd;
        const VERSION: u8 = 1;
        const LIMIT: usize = 64;
    }

    fn words(path: &Path) -> Result<Vec<String>, FileError> {
        let mut words = Vec::new();
        replay(path, |Word(word)| words.push(word))?;
        Ok(words)
    }

    fn write(path: &Path) {
        let one = [Word("one".into())].into_iter();
        let mut journal = Journal::create(path.to_owned(), one).unwrap();
        journal.append(&Word("two".into())).unwrap();
    }

    #[test]
    fn a_cut_end_is_left_out_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert!(words(&path).unwrap().is_empty());
        write(&path);
        assert_eq!(words(&path).unwrap(), ["one", "two"]);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(words(&path).unwrap(), ["one"]);
        let mut damaged = bytes;
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert!(matches!(words(&path), Err(FileError::Decode { .. })));
    }

    #[test]
    fn another_boots_events_are_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        write(&path);
        let mut bytes = fs::read(&path).unwrap();
        let other = berth_codec::encode(&Boot(Some("another".into()))).unwrap();
        let first =
            HEADER + usize::try_from(u32::from_le_bytes(bytes[..4].try_into().unwrap())).unwrap();
        let mut anew = u32::try_from(other.len()).unwrap().to_le_bytes().to_vec();
        anew.extend(other);
        bytes.splice(..first, anew);
        fs::write(&path, bytes).unwrap();
        assert!(words(&path).unwrap().is_empty());
    }
}
