//! Checking a record as its bytes come, without decoding it.

use core::marker::PhantomData;

use crate::DecodeError;
use crate::record::{CHECKSUM, HEADER, Record, check_head};

/// Checks the head, the length and the checksum of a record that comes piece by piece.
#[derive(Debug)]
pub struct RecordCheck<R> {
    length: u64,
    seen: u64,
    head: Vec<u8>,
    sum: u32,
    tail: Vec<u8>,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> RecordCheck<R> {
    /// Of a record of this length.
    pub fn new(length: u64) -> Result<Self, DecodeError> {
        let (kind, limit) = (R::KIND, R::LIMIT);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > limit {
            return Err(DecodeError::TooLong { kind, length: bytes, limit });
        }
        if bytes < HEADER + CHECKSUM {
            return Err(DecodeError::Truncated { kind, length: bytes });
        }
        let (head, tail) = (Vec::new(), Vec::new());
        Ok(Self { length, seen: 0, head, sum: 0, tail, record: PhantomData })
    }

    /// Bytes that are still to come.
    pub fn missing(&self) -> u64 {
        self.length - self.seen
    }

    /// Takes the next bytes. A newer version, or another kind, is refused as soon as it shows.
    ///
    /// # Panics
    /// If there are more bytes than are missing.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        assert!(bytes.len() as u64 <= self.missing(), "bytes behind the record's end");
        let covered = usize::try_from(self.missing().saturating_sub(CHECKSUM as u64));
        let covered = covered.unwrap_or(usize::MAX).min(bytes.len());
        let (covered, tail) = bytes.split_at(covered);
        self.sum = crc32c::crc32c_append(self.sum, covered);
        self.tail.extend_from_slice(tail);
        self.seen += bytes.len() as u64;
        if self.head.len() < HEADER {
            let wanted = (HEADER - self.head.len()).min(covered.len());
            self.head.extend_from_slice(&covered[..wanted]);
            if let [found, version] = *self.head.as_slice() {
                check_head::<R>(found, version)?;
            }
        }
        Ok(())
    }

    /// The record is whole, and its checksum right.
    pub fn finish(self) -> Result<(), DecodeError> {
        let kind = R::KIND;
        let Ok(expected) = <[u8; CHECKSUM]>::try_from(self.tail) else {
            let length = usize::try_from(self.seen).unwrap_or(usize::MAX);
            return Err(DecodeError::Truncated { kind, length });
        };
        let (expected, found) = (u32::from_le_bytes(expected), self.sum);
        if found == expected {
            Ok(())
        } else {
            Err(DecodeError::Checksum { kind, expected, found })
        }
    }
}
