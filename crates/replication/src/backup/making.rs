//! Making a backup of a node that serves.

use std::io::{self, Write};

use berth_allocator::{State, Timestamp};

use super::header::Header;
use super::{BackupError, BackupInfo, MAGIC};
use crate::raft::{LogPosition, MembershipRecord};
use crate::{ClusterId, NodeName};

/// The state as of one log entry. It shares its bulk with the state that goes on, so that holding it
/// takes memory only for what changes meanwhile.
#[derive(Debug)]
pub struct Backup {
    header: Header,
    state: State,
}

impl Backup {
    pub(crate) fn new(
        maker: (ClusterId, &NodeName),
        taken: Timestamp,
        (state, last, membership): (State, Option<LogPosition>, MembershipRecord),
    ) -> Self {
        Self { header: Header::new(maker, taken, (last, &membership), &state), state }
    }

    /// Writes it, a piece at a time. Blocks, for as long as hashing and encoding the state take.
    pub fn write(self, to: &mut impl Write) -> Result<BackupInfo, BackupError> {
        let Self { mut header, state } = self;
        let snapshot = state.snapshot();
        drop(state);
        let measured = berth_codec::measure(&snapshot).map_err(BackupError::Encode)?;
        (header.fingerprint, header.state_bytes) = (measured.fingerprint, measured.length as u64);
        let head = berth_codec::encode(&header).map_err(BackupError::Encode)?;
        let length = u32::try_from(head.len()).expect("the header's limit is below 4 GiB");
        let written: io::Result<()> = to
            .write_all(MAGIC)
            .and_then(|()| to.write_all(&length.to_le_bytes()))
            .and_then(|()| to.write_all(&head));
        written.map_err(BackupError::Write)?;
        berth_codec::write(&snapshot, to).map_err(BackupError::Encode)?;
        to.flush().map_err(BackupError::Write)?;
        Ok(header.info())
    }
}
