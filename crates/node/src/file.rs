//! A small file that is replaced as a whole: written aside, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use berth_codec::{DecodeError, EncodeError, Record};
use berth_replication::failpoint::strike;
use berth_replication::sync_directory_of;

/// A file could not be read or replaced. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading it.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Replacing it.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its content is not what it should be.
    #[error("{} is damaged; remove it if the engine of this host is restarted as well", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// What it should hold cannot be written.
    #[error("cannot encode {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: EncodeError,
    },
}

/// What the file holds; `None` if there is none.
pub(crate) fn read<R: Record>(path: &Path) -> Result<Option<R>, FileError> {
    match fs::read(path) {
        Ok(bytes) => berth_codec::decode(&bytes)
            .map(Some)
            .map_err(|source| FileError::Decode { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}

/// Replaces what the file holds, durably.
pub(crate) fn write<R: Record>(path: &Path, value: &R) -> Result<(), FileError> {
    let bytes = berth_codec::encode(value)
        .map_err(|source| FileError::Encode { path: path.to_owned(), source })?;
    replace(path, &bytes).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Replaces what the file holds, durably, by these bytes.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    strike("file-write.before")?;
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    strike("file-write.after")?;
    strike("file-rename.before")?;
    fs::rename(&aside, path)?;
    sync_directory_of(path)?;
    strike("file-rename.after")
}
