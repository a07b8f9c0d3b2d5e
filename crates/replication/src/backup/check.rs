//! Checking a backup as its bytes come.

use berth_allocator::Snapshot;
use berth_codec::{Record, RecordCheck};

use super::header::Header;
use super::{BackupError, BackupInfo, MAGIC};

const LENGTH_BYTES: usize = 4;

/// Checks that bytes are a whole backup: form, version, length, checksums. What the state says is
/// looked at when it is restored.
#[derive(Debug, Default)]
pub struct BackupCheck {
    /// What has come of the part before the state.
    head: Vec<u8>,
    state: Option<(Header, RecordCheck<Snapshot>)>,
}

impl BackupCheck {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the backup says about itself, once that has come.
    pub fn info(&self) -> Option<BackupInfo> {
        self.state.as_ref().map(|(header, _)| header.info())
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            if let Some((_, state)) = &mut self.state {
                if bytes.len() as u64 > state.missing() {
                    return Err(BackupError::TooLong);
                }
                return state.feed(bytes).map_err(BackupError::State);
            }
            let wanted = head_bytes(&self.head)?.saturating_sub(self.head.len());
            let (head, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.head.extend_from_slice(head);
            bytes = rest;
            if self.head.len() == head_bytes(&self.head)? {
                let header = header(&self.head)?;
                let state = RecordCheck::new(header.state_bytes).map_err(BackupError::State)?;
                self.state = Some((header, state));
            }
        }
        Ok(())
    }

    /// That was all.
    pub fn finish(self) -> Result<BackupInfo, BackupError> {
        let cut = |found| BackupError::Cut { found };
        let Some((header, state)) = self.state else {
            return Err(cut(self.head.len() as u64));
        };
        if state.missing() > 0 {
            let found = self.head.len() as u64 + header.state_bytes - state.missing();
            return Err(cut(found));
        }
        state.finish().map_err(BackupError::State)?;
        Ok(header.info())
    }
}

/// Bytes before the state, as far as what has come tells.
fn head_bytes(head: &[u8]) -> Result<usize, BackupError> {
    let Some((magic, rest)) = head.split_at_checked(MAGIC.len()) else {
        let begins = MAGIC.starts_with(head);
        return if begins { Ok(MAGIC.len() + LENGTH_BYTES) } else { Err(BackupError::NotABackup) };
    };
    if magic != MAGIC {
        return Err(BackupError::NotABackup);
    }
    let Some(length) = rest.first_chunk::<LENGTH_BYTES>() else {
        return Ok(MAGIC.len() + LENGTH_BYTES);
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > Header::LIMIT {
        return Err(BackupError::NotABackup);
    }
    Ok(MAGIC.len() + LENGTH_BYTES + length)
}

fn header(head: &[u8]) -> Result<Header, BackupError> {
    let record = head.get(MAGIC.len() + LENGTH_BYTES..).unwrap_or_default();
    berth_codec::decode(record).map_err(BackupError::Header)
}

/// The header of a whole backup, and its state's record.
pub(super) fn split(bytes: &[u8]) -> Result<(Header, &[u8]), BackupError> {
    let begin = bytes.get(..MAGIC.len() + LENGTH_BYTES).unwrap_or(bytes);
    let head = head_bytes(begin)?;
    let cut = BackupError::Cut { found: bytes.len() as u64 };
    let (head, state) = bytes.split_at_checked(head).ok_or(cut)?;
    let header = header(head)?;
    match (state.len() as u64).cmp(&header.state_bytes) {
        std::cmp::Ordering::Less => Err(BackupError::Cut { found: bytes.len() as u64 }),
        std::cmp::Ordering::Greater => Err(BackupError::TooLong),
        std::cmp::Ordering::Equal => Ok((header, state)),
    }
}
