//! The socket file: made with its directory and mode, taken over only from the dead, removed at
//! the end if it is still ours.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why a plugin socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The directory of the socket cannot be made.
    #[error("cannot create the directory of plugin socket {}", path.display())]
    CreateDirectory {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody serves there.
    #[error("plugin socket {} is in use: stop its server, or choose another path", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is something else.
    #[error("{} exists and is no socket: remove it, or choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A dead server's socket could not be examined or removed.
    #[error("cannot replace plugin socket {}", path.display())]
    Replace {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket could not be opened.
    #[error("cannot listen on plugin socket {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A listening socket and its file, which goes with it.
pub struct PluginSocket {
    pub(crate) listener: UnixListener,
    file: SocketFile,
}

impl PluginSocket {
    /// Opens it with a file mode: makes its directory, and replaces a socket that nobody serves any
    /// more.
    pub async fn bind(path: &Path, mode: u32) -> Result<Self, BindError> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)
                .map_err(|source| BindError::CreateDirectory { path: path.to_owned(), source })?;
        }
        remove_if_dead(path).await?;
        listen(path, mode).map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => BindError::InUse { path: path.to_owned() },
            _ => BindError::Listen { path: path.to_owned(), source },
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }
}

fn listen(path: &Path, mode: u32) -> io::Result<PluginSocket> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    let identity = identity(&fs::symlink_metadata(path)?);
    Ok(PluginSocket { listener, file: SocketFile { path: path.to_owned(), identity } })
}

async fn remove_if_dead(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Replace { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(failed(error)),
        Ok(_) | Err(_) => Err(BindError::InUse { path: path.to_owned() }),
    }
}

struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: Metadata| identity(&metadata) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(ours)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(socket = %self.path.display(), %error, "cannot remove plugin socket");
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
