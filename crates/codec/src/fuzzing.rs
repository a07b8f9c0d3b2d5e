//! What fuzz targets ask of records.

use crate::{Record, decode, decode_body, encode};

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
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}
