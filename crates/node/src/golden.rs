//! Encodings, for the tests that hold them fixed.

use berth_codec::{DecodeError, Record};

/// A value's encoding, in hexadecimal.
pub(crate) fn hex<R: Record>(value: &R) -> String {
    let bytes = berth_codec::encode(value).unwrap();
    refused_where_newer::<R>(&bytes);
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// A version further, whatever it is of, it is refused, and not guessed.
fn refused_where_newer<R: Record>(bytes: &[u8]) {
    let mut newer = bytes.to_vec();
    newer[1] = R::VERSION + 1;
    let covered = newer.len() - 4;
    let checksum = crc32c::crc32c(&newer[..covered]);
    newer[covered..].copy_from_slice(&checksum.to_le_bytes());
    let refused = berth_codec::decode::<R>(&newer).err();
    assert!(matches!(refused, Some(DecodeError::Newer { .. })), "{refused:?}");
}
