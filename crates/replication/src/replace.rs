//! Directories that take the place of others, and names that last.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Puts a data directory in the place of another one, durably. Gives where the old one is kept.
pub fn take_place(made: &Path, data_dir: &Path) -> io::Result<PathBuf> {
    let kept = unused(data_dir)?;
    fs::rename(data_dir, &kept)?;
    fs::rename(made, data_dir)?;
    sync_directory_of(data_dir)?;
    Ok(kept)
}

/// Makes durable that a file or a directory has its name.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// A name beside a directory's.
pub(crate) fn beside(dir: &Path, what: &str) -> PathBuf {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    dir.with_file_name(format!("{name}.{what}"))
}

/// The first name beside a directory that nothing has.
fn unused(dir: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let kept = beside(dir, &format!("old-{number}"));
        if !kept.try_exists()? {
            return Ok(kept);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
