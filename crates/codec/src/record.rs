//! Records: how a value becomes bytes, and how bytes are refused.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use crate::{DecodeError, EncodeError};

/// No record of any kind is longer: 3 GiB. Decoding counts each integer at its longest.
const LENGTH_MAX: usize = 3 << 30;
const HEADER: usize = 2;
const CHECKSUM: usize = 4;

const FORMAT: Configuration<LittleEndian, Varint, Limit<LENGTH_MAX>> =
    bincode::config::standard().with_limit::<LENGTH_MAX>();

/// Bytes of a short body: 1 MiB.
const SHORT_MAX: usize = 1 << 20;
/// What decoding may count in a short body. One byte counts as 16 at most, where it is an integer of
/// 128 bits; a text whose length says more than this is none.
const SHORT_COUNT_MAX: usize = 16 * SHORT_MAX;

/// As `FORMAT`, so that a short hostile body claims little memory.
const SHORT: Configuration<LittleEndian, Varint, Limit<SHORT_COUNT_MAX>> =
    bincode::config::standard().with_limit::<SHORT_COUNT_MAX>();

/// What a record holds. The numbers are on disk and on the wire: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A batch of allocator commands, as one log entry carries it.
    Batch = 1,
    /// The allocator's whole state.
    State = 2,
    /// A Raft log entry.
    LogEntry = 3,
    /// A Raft vote.
    Vote = 4,
    /// A position in the Raft log.
    LogPosition = 5,
    /// What a snapshot file covers.
    SnapshotMeta = 6,
    /// A message between peers.
    PeerMessage = 7,
    /// Who a data directory belongs to.
    DataDirectory = 8,
    /// An entry of a local ledger.
    LedgerEntry = 9,
    /// What a front-end keeps across its own restarts.
    FrontEnd = 10,
    /// What a newcomer needs to join a cluster.
    JoinToken = 11,
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Batch => "batch",
            Self::State => "state",
            Self::LogEntry => "log entry",
            Self::Vote => "vote",
            Self::LogPosition => "log position",
            Self::SnapshotMeta => "snapshot meta",
            Self::PeerMessage => "peer message",
            Self::DataDirectory => "data directory",
            Self::LedgerEntry => "ledger entry",
            Self::FrontEnd => "front-end",
            Self::JoinToken => "join token",
        })
    }
}

/// A value that is written or sent as a record of its own.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is.
    const KIND: Kind;
    /// The version written. Version 0 is never used.
    const VERSION: u8;
    /// Bytes that the whole record may take.
    const LIMIT: usize;

    /// Reads a body that an older version wrote.
    fn upgrade(version: u8, _body: &[u8]) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownVersion { kind: Self::KIND, found: version })
    }
}

/// Encodes `value` as a record.
pub fn encode<R: Record>(value: &R) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![R::KIND as u8, R::VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, FORMAT)
        .map_err(|source| EncodeError::Format { kind: R::KIND, source })?;
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    if bytes.len() > R::LIMIT {
        let (kind, length, limit) = (R::KIND, bytes.len(), R::LIMIT);
        return Err(EncodeError::TooLong { kind, length, limit });
    }
    Ok(bytes)
}

/// Decodes a record, which must fill `bytes` exactly.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, DecodeError> {
    let (kind, length) = (R::KIND, bytes.len());
    if length > R::LIMIT {
        return Err(DecodeError::TooLong { kind, length, limit: R::LIMIT });
    }
    let Some((covered, checksum)) = bytes.split_last_chunk::<CHECKSUM>() else {
        return Err(DecodeError::Truncated { kind, length });
    };
    let Some((&[found_kind, version], body)) = covered.split_first_chunk::<HEADER>() else {
        return Err(DecodeError::Truncated { kind, length });
    };
    let (expected, found) = (u32::from_le_bytes(*checksum), crc32c::crc32c(covered));
    if found != expected {
        return Err(DecodeError::Checksum { kind, expected, found });
    }
    if found_kind != kind as u8 {
        return Err(DecodeError::WrongKind { kind, found: found_kind });
    }
    match version {
        v if v > R::VERSION => Err(DecodeError::Newer { kind, found: version, known: R::VERSION }),
        v if v < R::VERSION => R::upgrade(version, body),
        _ => decode_body(kind, body),
    }
}

/// Decodes the body of a record: for [`Record::upgrade`], which reads older bodies.
pub fn decode_body<T: DeserializeOwned>(kind: Kind, body: &[u8]) -> Result<T, DecodeError> {
    let decoded = if body.len() <= SHORT_MAX {
        bincode::serde::decode_from_slice(body, SHORT)
    } else {
        bincode::serde::decode_from_slice(body, FORMAT)
    };
    let (value, used) = decoded.map_err(|source| DecodeError::Format { kind, source })?;
    match body.len() - used {
        0 => Ok(value),
        extra => Err(DecodeError::Trailing { kind, extra }),
    }
}

/// A 64-bit hash (XXH3) of the value's encoding: equal values, equal hashes, on every machine.
/// It guards against divergence and damage, not against an attacker.
pub fn fingerprint<R: Record>(value: &R) -> Result<u64, EncodeError> {
    struct Hashing(Xxh3);
    impl Writer for Hashing {
        fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
            self.0.update(bytes);
            Ok(())
        }
    }
    let mut hashing = Hashing(Xxh3::new());
    bincode::serde::encode_into_writer(value, &mut hashing, FORMAT)
        .map_err(|source| EncodeError::Format { kind: R::KIND, source })?;
    Ok(hashing.0.digest())
}
