//! Records: how a value becomes bytes, and how bytes are refused.

use std::io::{self, BufWriter, Write};

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer as Encoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use crate::{DecodeError, EncodeError};

/// No record of any kind is longer: 3 GiB. Decoding counts each integer at its longest.
const LENGTH_MAX: usize = 3 << 30;
pub(crate) const HEADER: usize = 2;
pub(crate) const CHECKSUM: usize = 4;

const FORMAT: Configuration<LittleEndian, Varint, Limit<LENGTH_MAX>> =
    bincode::config::standard().with_limit::<LENGTH_MAX>();

/// Bytes that are written at a time.
const PIECE: usize = 64 << 10;

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
    /// With what a cluster is found and entered.
    AccessToken = 11,
    /// What a backup holds.
    Backup = 14,
    /// From which backup a data directory was made.
    Origin = 15,
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
            Self::AccessToken => "access token",
            Self::Backup => "backup",
            Self::Origin => "origin",
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

    /// The version in which this value is written: an older one, where readers that know no newer one have to
    /// read it.
    fn version(&self) -> u8 {
        Self::VERSION
    }

    /// Reads a body that an older version wrote.
    fn upgrade(version: u8, _body: &[u8]) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownVersion { kind: Self::KIND, found: version })
    }
}

/// Encodes `value` as a record.
pub fn encode<R: Record>(value: &R) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![R::KIND as u8, value.version()];
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

/// What a value takes as a record, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Bytes of the whole record.
    pub length: usize,
    /// As [`fingerprint`] gives it.
    pub fingerprint: u64,
}

/// What [`write()`] would write, without writing it.
pub fn measure<R: Record>(value: &R) -> Result<Measured, EncodeError> {
    let mut hashing = Hashing { hash: Xxh3::new(), bytes: 0 };
    encode_body(value, &mut hashing)?;
    let (kind, length, limit) = (R::KIND, HEADER + hashing.bytes + CHECKSUM, R::LIMIT);
    if length > limit {
        return Err(EncodeError::TooLong { kind, length, limit });
    }
    Ok(Measured { length, fingerprint: hashing.hash.digest() })
}

/// Writes `value` as the record that [`encode`] gives, piece by piece: it is never in memory as a
/// whole. A record that is longer than its limit is noticed at its end: [`measure`] it before.
pub fn write<R: Record>(value: &R, to: &mut impl Write) -> Result<(), EncodeError> {
    let failed = |error: io::Error| {
        let source = bincode::error::EncodeError::Io { inner: error, index: 0 };
        EncodeError::Format { kind: R::KIND, source }
    };
    let mut summing = BufWriter::with_capacity(PIECE, Summing { to, checksum: 0, bytes: 0 });
    summing.write_all(&[R::KIND as u8, value.version()]).map_err(failed)?;
    bincode::serde::encode_into_std_write(value, &mut summing, FORMAT)
        .map_err(|source| EncodeError::Format { kind: R::KIND, source })?;
    let Summing { to, checksum, bytes } =
        summing.into_inner().map_err(|error| failed(error.into_error()))?;
    to.write_all(&checksum.to_le_bytes()).map_err(failed)?;
    let (kind, length, limit) = (R::KIND, bytes + CHECKSUM, R::LIMIT);
    if length > limit { Err(EncodeError::TooLong { kind, length, limit }) } else { Ok(()) }
}

/// Passes on, and sums up what it passed on.
struct Summing<'a, W> {
    to: &'a mut W,
    checksum: u32,
    bytes: usize,
}

impl<W: Write> Write for Summing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write_all(bytes)?;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.bytes += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
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
    check_head::<R>(found_kind, version)?;
    if version < R::VERSION { R::upgrade(version, body) } else { decode_body(kind, body) }
}

/// Refuses another kind, and a newer version.
pub(crate) fn check_head<R: Record>(found: u8, version: u8) -> Result<(), DecodeError> {
    let (kind, known) = (R::KIND, R::VERSION);
    if found != kind as u8 {
        return Err(DecodeError::WrongKind { kind, found });
    }
    if version > known {
        return Err(DecodeError::Newer { kind, found: version, known });
    }
    Ok(())
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
    let mut hashing = Hashing { hash: Xxh3::new(), bytes: 0 };
    encode_body(value, &mut hashing)?;
    Ok(hashing.hash.digest())
}

/// Hashes what is encoded, and counts it.
struct Hashing {
    hash: Xxh3,
    bytes: usize,
}

impl Encoder for Hashing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.hash.update(bytes);
        self.bytes += bytes.len();
        Ok(())
    }
}

fn encode_body<R: Record>(value: &R, to: &mut Hashing) -> Result<(), EncodeError> {
    bincode::serde::encode_into_writer(value, to, FORMAT)
        .map_err(|source| EncodeError::Format { kind: R::KIND, source })?;
    Ok(())
}
