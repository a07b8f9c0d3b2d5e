//! The guard of a data directory: it belongs to one node, of one cluster, and to one process.
//!
//! The directory has an instance, drawn at random when it is made. Peers note each other's, so a
//! node whose data was lost or replaced by a copy from elsewhere, and which would have forgotten
//! its votes, is refused when it comes back under its old name.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use berth_codec::{DecodeError, Kind, Record};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::failpoint::strike;
use crate::rocks::{LOST, WITNESS_FILE, Witness};
use crate::{ClusterId, NodeId, NodeName};

const RECORD_FILE: &str = "berth.directory";
const LOCK_FILE: &str = "berth.lock";
/// A record has at most some hundred peers, at most 27 bytes each.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// Whom a data directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    cluster: ClusterId,
    node: u64,
    name: String,
    instance: u128,
    /// Other nodes' directories, as first met.
    peers: BTreeMap<u64, u128>,
}

impl Record for Owner {
    const KIND: Kind = Kind::DataDirectory;
    /// The format of the whole directory.
    const VERSION: u8 = 1;
    const LIMIT: usize = RECORD_BYTES_MAX;
}

/// A data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("{} is in use by another process: stop it, or use another data directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The record cannot be read: damaged, or of a newer Berth.
    #[error("cannot tell whom {} belongs to. If it is damaged: {}", path.display(), LOST)]
    Unreadable {
        /// The record's file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: DecodeError,
    },
    /// It belongs to another node or cluster.
    #[error(
        "{} belongs to node {found}, this is {expected}: use that name and cluster, or another \
         data directory", path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whom it belongs to.
        found: String,
        /// Who wants it.
        expected: String,
    },
    /// It holds something else.
    #[error("{} is not empty and not a data directory of Berth: use another one", path.display())]
    NotBerths {
        /// The directory.
        path: PathBuf,
    },
    /// No randomness to be had.
    #[error("the system gives no random numbers: {reason}")]
    Random {
        /// The reason.
        reason: String,
    },
}

/// A peer's data is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherInstance;

/// A locked data directory.
pub(crate) struct DataDirectory {
    path: PathBuf,
    owner: Mutex<Owner>,
    /// Holds the lock while it is open.
    _lock: File,
}

impl DataDirectory {
    /// Locks the directory for this node of this cluster, making it if it does not exist.
    pub(crate) fn open(
        path: &Path,
        cluster: ClusterId,
        node: NodeId,
        name: &NodeName,
    ) -> Result<Self, DirectoryError> {
        fs::create_dir_all(path).map_err(|source| io_error("create", path, source))?;
        let lock = lock(path)?;
        let record = path.join(RECORD_FILE);
        let owner = match fs::read(&record) {
            Ok(bytes) => berth_codec::decode::<Owner>(&bytes)
                .map_err(|source| DirectoryError::Unreadable { path: record, source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                ensure_empty(path)?;
                own(path, cluster, node, name)?
            }
            Err(source) => return Err(io_error("read", &record, source)),
        };
        let wanted = (cluster, node.get(), name.as_str());
        if (owner.cluster, owner.node, owner.name.as_str()) != wanted {
            let describe = |(cluster, node, name): (ClusterId, u64, &str)| {
                format!("{name:?} (number {node}) of cluster {cluster}")
            };
            return Err(DirectoryError::Foreign {
                path: path.to_owned(),
                found: describe((owner.cluster, owner.node, &owner.name)),
                expected: describe(wanted),
            });
        }
        Ok(Self { path: path.to_owned(), owner: Mutex::new(owner), _lock: lock })
    }

    /// Whether nothing is in a directory, or it does not exist.
    pub(crate) fn is_unused(path: &Path) -> Result<bool, DirectoryError> {
        match ensure_empty(path) {
            Ok(()) => Ok(!path.join(RECORD_FILE).exists()),
            Err(DirectoryError::NotBerths { .. }) => Ok(false),
            Err(DirectoryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes an unused directory a node's, with what `fill` puts there first: as long as that is not
    /// done, the directory is nobody's, and refused.
    pub(crate) fn make<E: From<DirectoryError>>(
        path: &Path,
        cluster: ClusterId,
        node: NodeId,
        name: &NodeName,
        fill: impl FnOnce() -> Result<(), E>,
    ) -> Result<Self, E> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| io_error("create", path, source))?;
        let lock = lock(path)?;
        ensure_empty(path)?;
        fill()?;
        let owner = own(path, cluster, node, name)?;
        Ok(Self { path: path.to_owned(), owner: Mutex::new(owner), _lock: lock })
    }

    /// Which making of this directory it is.
    pub(crate) fn instance(&self) -> u128 {
        self.owner().instance
    }

    /// Notes a peer's instance when it is first met, durably; then it must stay the same. Blocks.
    pub(crate) fn meet(
        &self,
        node: NodeId,
        instance: u128,
    ) -> Result<Result<(), OtherInstance>, DirectoryError> {
        let mut owner = self.owner();
        match owner.peers.get(&node.get()) {
            Some(known) if *known == instance => Ok(Ok(())),
            Some(_) => Ok(Err(OtherInstance)),
            None => {
                let mut changed = owner.clone();
                changed.peers.insert(node.get(), instance);
                write(&self.path, &changed)?;
                *owner = changed;
                Ok(Ok(()))
            }
        }
    }

    /// The peers that were met.
    #[cfg(all(test, feature = "failpoints"))]
    pub(crate) fn peers(&self) -> Vec<u64> {
        self.owner().peers.keys().copied().collect()
    }

    fn owner(&self) -> std::sync::MutexGuard<'_, Owner> {
        self.owner.lock().expect("nothing panics while it holds the record")
    }
}

fn lock(path: &Path) -> Result<File, DirectoryError> {
    let lock = path.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock)
        .map_err(|source| io_error("open", &lock, source))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DirectoryError::InUse { path: path.to_owned() }),
        Err(error) => Err(io_error("lock", &lock, error.into())),
    }
}

/// Makes a directory a node's, which it has not been.
fn own(
    path: &Path,
    cluster: ClusterId,
    node: NodeId,
    name: &NodeName,
) -> Result<Owner, DirectoryError> {
    Witness::make(path).map_err(|source| io_error("write", &path.join(WITNESS_FILE), source))?;
    let (node, name, instance) = (node.get(), name.as_str().to_owned(), random()?);
    let owner = Owner { cluster, node, name, instance, peers: BTreeMap::new() };
    write(path, &owner)?;
    Ok(owner)
}

fn ensure_empty(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| io_error("list", path, source);
    let ours = [LOCK_FILE.to_owned(), WITNESS_FILE.to_owned(), temporary_name()];
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !ours.iter().any(|our| name == our.as_str()) {
            return Err(DirectoryError::NotBerths { path: path.to_owned() });
        }
    }
    Ok(())
}

fn temporary_name() -> String {
    format!("{RECORD_FILE}.tmp")
}

/// Replaces the record: a crash leaves the old one or the new one.
fn write(path: &Path, owner: &Owner) -> Result<(), DirectoryError> {
    let (temporary, record) = (path.join(temporary_name()), path.join(RECORD_FILE));
    let bytes = berth_codec::encode(owner).map_err(io::Error::other);
    let written = bytes.and_then(|bytes| {
        strike("directory-write.before")?;
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        strike("directory-write.after")?;
        strike("directory-rename.before")?;
        fs::rename(&temporary, &record)?;
        File::open(path)?.sync_all()?;
        strike("directory-rename.after")
    });
    written.map_err(|source| io_error("write", &record, source))
}

fn random() -> Result<u128, DirectoryError> {
    let mut bytes = [0; 16];
    crate::fill_random(&mut bytes)
        .map_err(|error| DirectoryError::Random { reason: error.to_string() })?;
    Ok(u128::from_le_bytes(bytes))
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io { operation, path: path.to_owned(), source }
}

/// An example of each encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    let owner = Owner {
        cluster: ClusterId::new([7; 16]),
        node: 2,
        name: "b".into(),
        instance: 5,
        peers: BTreeMap::from([(1, 6)]),
    };
    crate::golden::line("data-directory", &owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId::new([7; 16]);

    fn open(path: &Path, node: u64, name: &str) -> Result<DataDirectory, DirectoryError> {
        DataDirectory::open(path, CLUSTER, NodeId::new(node), &NodeName::new(name).unwrap())
    }

    #[test]
    fn a_directory_has_one_owner_and_one_user() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), 1, "a").unwrap();
        assert!(matches!(open(dir.path(), 1, "a"), Err(DirectoryError::InUse { .. })));
        let instance = first.instance();
        drop(first);
        assert_eq!(open(dir.path(), 1, "a").unwrap().instance(), instance);
        assert!(matches!(open(dir.path(), 2, "b"), Err(DirectoryError::Foreign { .. })));
    }

    #[test]
    fn a_newer_format_and_foreign_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), 1, "a").unwrap());
        let record = dir.path().join(RECORD_FILE);
        let mut bytes = fs::read(&record).unwrap();
        bytes[1] += 1;
        let body = bytes.len() - 4;
        let checksum = crc32c::crc32c(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&record, &bytes).unwrap();
        let error = open(dir.path(), 1, "a").err().unwrap();
        let newer = DecodeError::Newer { kind: Kind::DataDirectory, found: 2, known: 1 };
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), newer.to_string());

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("diary.txt"), "dear diary").unwrap();
        assert!(matches!(open(other.path(), 1, "a"), Err(DirectoryError::NotBerths { .. })));
    }

    #[test]
    fn a_peer_with_other_data_is_noticed_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let peer = NodeId::new(2);
        let directory = open(dir.path(), 1, "a").unwrap();
        assert_eq!(directory.meet(peer, 5).unwrap(), Ok(()));
        drop(directory);
        let directory = open(dir.path(), 1, "a").unwrap();
        assert_eq!(directory.meet(peer, 5).unwrap(), Ok(()));
        assert_eq!(directory.meet(peer, 6).unwrap(), Err(OtherInstance));
    }
}
