//! What tests and fuzz targets ask of records.

use crate::record::CHECKSUM;
use crate::{DecodeError, Record, decode, decode_body, encode};

/// Decodes the body of a record, as if its checksum were right. What it gives must come back from its
/// own encoding.
pub fn comes_back<R: Record + PartialEq + core::fmt::Debug>(body: &[u8]) -> Option<R> {
    let value: R = decode_body(R::KIND, body).ok()?;
    if let Ok(bytes) = encode(&value) {
        let again: R = decode(&bytes).expect("what was encoded can be decoded");
        assert_eq!(again, value);
    }
    Some(value)
}

/// The record with this body, right in all that is checked before the body is.
pub fn record<R: Record>(body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![R::KIND as u8, R::VERSION];
    bytes.extend_from_slice(body);
    sealed(bytes)
}

/// The same record as if it were of another version, with the checksum that belongs to that.
pub fn of_version(record: &[u8], version: u8) -> Vec<u8> {
    let mut bytes = record[..record.len() - CHECKSUM].to_vec();
    bytes[1] = version;
    sealed(bytes)
}

/// A value's record in hexadecimal, for tests that hold it fixed. A version further, whatever that is
/// of, it is refused, and not guessed.
pub fn golden<R: Record>(value: &R) -> String {
    let bytes = encode(value).expect("an example can be encoded");
    let refused = decode::<R>(&of_version(&bytes, R::VERSION + 1)).err();
    assert!(matches!(refused, Some(DecodeError::Newer { .. })), "{refused:?}");
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}
