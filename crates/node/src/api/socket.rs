//! The API's socket file: for root and the group `berth`, taken over only from the dead, removed at
//! the end.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Who may ask, beside the node's own user.
const GROUP: &str = "berth";
const MODE: u32 = 0o660;

/// The API's socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The file system refused.
    #[error("cannot {operation} API socket {}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process serves there.
    #[error("API socket {} is in use by another node: stop it, or set --api-socket", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is something else.
    #[error("{} is no socket: remove it, or set --api-socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}

/// A listening socket. Its file goes with it, unless another process has replaced it.
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

impl Socket {
    /// Opens it: makes its directory, and replaces a socket that nobody serves any more.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed =
            |operation| move |source| SocketError::Io { operation, path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed("make the directory of"))?;
        }
        remove_dead(path).await?;
        let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(failed("protect"))?;
        if let Some(group) = uzers::get_group_by_name(GROUP)
            && let Err(error) = chown(path, None, Some(group.gid()))
        {
            // The node's own user can ask all the same.
            tracing::warn!(%error, group = GROUP, "the API socket is not the group's");
        }
        let inode = inode(path).map_err(failed("examine"))?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|found| found == self.inode)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(socket = %self.path.display(), %error, "cannot remove the API socket");
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Removes a socket that nobody serves any more.
async fn remove_dead(path: &Path) -> Result<(), SocketError> {
    let failed =
        |operation| move |source| SocketError::Io { operation, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("examine")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("replace"))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(failed("replace")(error)),
        _ => Err(SocketError::InUse { path: path.to_owned() }),
    }
}
