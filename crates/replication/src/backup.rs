//! Backups: the state as of one log entry in a file of its own, made while the cluster serves, and
//! what a new cluster can be begun with.
//!
//! ```text
//! | "berth-backup\n" | length of the header: u32, little endian | header record | state record |
//! ```
//!
//! Each record carries a checksum, and the header the length and the fingerprint of the state: a file
//! that was cut, has grown, or has a bit flipped is no backup. A newer format is refused.

mod check;
mod error;
mod file;
mod header;
mod making;
mod origin;
mod restore;
#[cfg(test)]
mod tests;

pub use check::BackupCheck;
pub use error::{BackupError, RestoreError};
pub use file::BackupFile;
pub use header::BackupInfo;
pub use making::Backup;
pub(crate) use origin::Origin;
pub use restore::{RestorationId, Restore, Restored, restore};

/// How the file begins.
const MAGIC: &[u8; 13] = b"berth-backup\n";

/// An example of each encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    [header::golden(), origin::golden()].concat()
}
