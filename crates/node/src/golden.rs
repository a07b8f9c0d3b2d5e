//! Encodings, for the tests that hold them fixed.

use berth_codec::Record;

/// A value's encoding, in hexadecimal.
pub(crate) fn hex<R: Record>(value: &R) -> String {
    let bytes = berth_codec::encode(value).unwrap();
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
