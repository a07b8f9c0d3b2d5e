//! What can go wrong between a value and its bytes.

use crate::Kind;

/// A value could not be turned into bytes.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value holds something that the format cannot express.
    #[error("cannot encode a {kind} record")]
    Format {
        /// What was being encoded.
        kind: Kind,
        /// The format's own reason.
        #[source]
        source: bincode::error::EncodeError,
    },
    /// The encoded value is longer than its kind allows.
    #[error("a {kind} record of {length} bytes exceeds the limit of {limit} bytes")]
    TooLong {
        /// What was being encoded.
        kind: Kind,
        /// Bytes it took.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Bytes are not the record they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Too short to hold even an empty record.
    #[error("{length} bytes are too few for a {kind} record: it was cut off")]
    Truncated {
        /// What was expected.
        kind: Kind,
        /// Bytes found.
        length: usize,
    },
    /// Longer than its kind allows; nothing was decoded.
    #[error("a {kind} record of {length} bytes exceeds the limit of {limit} bytes")]
    TooLong {
        /// What was expected.
        kind: Kind,
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The checksum does not fit: the bytes were damaged.
    #[error("a {kind} record is damaged: checksum {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// What was expected.
        kind: Kind,
        /// The checksum that stands in the record.
        expected: u32,
        /// The checksum of the bytes found.
        found: u32,
    },
    /// A record of another kind.
    #[error("expected a {kind} record, found kind {found}")]
    WrongKind {
        /// What was expected.
        kind: Kind,
        /// The kind byte found.
        found: u8,
    },
    /// Written by a newer Berth.
    #[error(
        "a {kind} record has version {found}, this Berth reads up to version {known}: \
         it was written by a newer Berth, start that one"
    )]
    Newer {
        /// What was expected.
        kind: Kind,
        /// The version found.
        found: u8,
        /// The newest version this build reads.
        known: u8,
    },
    /// A version that this build no longer reads, or that never existed.
    #[error("a {kind} record has version {found}, which this Berth cannot read")]
    UnknownVersion {
        /// What was expected.
        kind: Kind,
        /// The version found.
        found: u8,
    },
    /// The body is not a value of the expected type.
    #[error("cannot decode a {kind} record")]
    Format {
        /// What was expected.
        kind: Kind,
        /// The format's own reason.
        #[source]
        source: bincode::error::DecodeError,
    },
    /// Bytes are left over after the value.
    #[error("a {kind} record has {extra} bytes after its end")]
    Trailing {
        /// What was expected.
        kind: Kind,
        /// Bytes left over.
        extra: usize,
    },
}
