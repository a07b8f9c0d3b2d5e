//! What a log entry carries, and what applying it gives.

use std::sync::Arc;

use berth_allocator::{Answer, Batch};
use berth_codec::{DecodeError, EncodeError};
use bytes::Bytes;

/// A batch of commands with its encoding: encoded once where it is proposed, decoded once where it
/// arrives, and shared by log, cache and every message. A clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    batch: Arc<Batch>,
    bytes: Bytes,
}

impl Proposal {
    /// Encodes the batch.
    pub(crate) fn new(batch: Batch) -> Result<Self, EncodeError> {
        let bytes = berth_codec::encode(&batch)?.into();
        Ok(Self { batch: Arc::new(batch), bytes })
    }

    /// Decodes a batch.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let batch = Arc::new(berth_codec::decode(&bytes)?);
        Ok(Self { batch, bytes })
    }

    /// The commands.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Their encoding.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::fmt::Display for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} commands, {} bytes", self.batch.commands.len(), self.bytes.len())
    }
}

/// One answer for each command of a batch, in order; none for an entry of Raft's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answers(pub(crate) Vec<Answer>);
