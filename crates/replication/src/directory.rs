//! The guard of a data directory: it belongs to one node, of one cluster, and to one process.
//!
//! The directory has an instance, drawn at random when it is made. Peers note each other's, so a
//! node whose data was lost or replaced by a copy from elsewhere, and which would have forgotten
//! its votes, is refused when it comes back under its old number.

mod error;
mod owner;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{FlockOperation, flock};

pub use self::error::DirectoryError;
use self::error::io_error;
pub(crate) use self::owner::Owner;
#[cfg(test)]
pub(crate) use self::owner::golden;
use self::owner::{Admitted, RECORD_FILE, temporary_name};
use crate::membership::{Grant, is_first};
use crate::raft::{PeerNode, PeerRecord};
use crate::rocks::{WITNESS_FILE, Witness};
use crate::{ClusterId, NodeId, NodeName, Secret};

const LOCK_FILE: &str = "berth.lock";
/// What a node that was admitted with a token knows of the cluster's secret.
const SECRET_FILE: &str = "secret";
/// Peers noted. Beyond it the one that was admitted first is noted anew when it is met again.
const PEERS_MAX: usize = 1_024;

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

/// Whose an unused directory becomes.
pub(crate) struct NewOwner<'a> {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// The node's number.
    pub(crate) node: NodeId,
    /// The node's name.
    pub(crate) name: &'a NodeName,
    /// The cluster's secret, where the node is not given it at each start.
    pub(crate) secret: Option<&'a Secret>,
    /// How the node became a member, if it is no first one.
    pub(crate) grant: Option<Grant>,
}

impl<'a> NewOwner<'a> {
    /// A first member.
    pub(crate) fn first(cluster: ClusterId, node: NodeId, name: &'a NodeName) -> Self {
        Self { cluster, node, name, secret: None, grant: None }
    }
}

impl DataDirectory {
    /// Locks the directory of this node, making it if it does not exist, for the `first` member that the
    /// node is by its list. A member that was admitted takes no notice of a list. A directory that is made
    /// keeps the secret, if there is one to `keep`.
    pub(crate) fn open(
        path: &Path,
        name: &NodeName,
        first: Option<(ClusterId, NodeId)>,
        keep: Option<&Secret>,
    ) -> Result<Self, DirectoryError> {
        if first.is_none() && !path.join(RECORD_FILE).exists() {
            return Err(DirectoryError::Empty { path: path.to_owned() });
        }
        fs::create_dir_all(path).map_err(|source| io_error("create", path, source))?;
        let lock = lock(path)?;
        let (owner, found) = match (Owner::read(path)?, first) {
            (Some(owner), _) => (owner, true),
            (None, None) => return Err(DirectoryError::Empty { path: path.to_owned() }),
            (None, Some((cluster, node))) => {
                ensure_empty(path)?;
                let owner = NewOwner { secret: keep, ..NewOwner::first(cluster, node, name) };
                (own(path, owner)?, false)
            }
        };
        let directory = Self { path: path.to_owned(), owner: Mutex::new(owner), _lock: lock };
        if found {
            directory.check(name, first)?;
        }
        Ok(directory)
    }

    /// Whether a directory is a node's, whichever.
    pub(crate) fn is_whose(path: &Path) -> bool {
        path.join(RECORD_FILE).exists()
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
        owner: NewOwner<'_>,
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
        let owner = own(path, owner)?;
        Ok(Self { path: path.to_owned(), owner: Mutex::new(owner), _lock: lock })
    }

    /// Opens a directory as whoever's it is.
    pub(crate) fn open_found(path: &Path) -> Result<Self, DirectoryError> {
        if !path.join(RECORD_FILE).exists() {
            return Err(DirectoryError::Empty { path: path.to_owned() });
        }
        let lock = lock(path)?;
        let owner =
            Owner::read(path)?.ok_or_else(|| DirectoryError::Empty { path: path.to_owned() })?;
        Ok(Self { path: path.to_owned(), owner: Mutex::new(owner), _lock: lock })
    }

    fn check(
        &self,
        name: &NodeName,
        first: Option<(ClusterId, NodeId)>,
    ) -> Result<(), DirectoryError> {
        let owner = self.owner();
        let first = first.filter(|_| owner.admitted.is_none());
        let same = first
            .is_none_or(|(cluster, node)| (cluster, node.get()) == (owner.cluster, owner.node));
        if same && owner.name == name.as_str() {
            return Ok(());
        }
        let (cluster, node) = first.unwrap_or((owner.cluster, NodeId::new(owner.node)));
        let describe = |(cluster, node, name): (ClusterId, u64, &str)| {
            format!("{name:?} (number {node}) of cluster {cluster}")
        };
        Err(DirectoryError::Foreign {
            path: self.path.clone(),
            found: describe((owner.cluster, owner.node, &owner.name)),
            expected: describe((cluster, node.get(), name.as_str())),
        })
    }

    /// The cluster that it belongs to.
    pub(crate) fn cluster(&self) -> ClusterId {
        self.owner().cluster
    }

    /// The node's number.
    pub(crate) fn node(&self) -> NodeId {
        NodeId::new(self.owner().node)
    }

    /// The node's name.
    pub(crate) fn name(&self) -> String {
        self.owner().name.clone()
    }

    /// The log entry that made the node a member, if it is no first one.
    pub(crate) fn since(&self) -> Option<u64> {
        self.owner().admitted.as_ref().map(|admitted| admitted.since)
    }

    /// The members by then.
    pub(crate) fn contacts(&self) -> BTreeMap<u64, PeerNode> {
        let members = self.owner().admitted.clone().map(|admitted| admitted.members);
        let node = |it: PeerRecord| PeerNode { name: it.name, address: it.address };
        members.unwrap_or_default().into_iter().map(|(id, it)| (id, node(it))).collect()
    }

    /// The cluster's secret, where a token told it.
    pub(crate) fn secret(&self) -> Result<Option<Secret>, DirectoryError> {
        Self::told_secret(&self.path)
    }

    /// The same, of a directory that may be in use.
    pub(crate) fn told_secret(path: &Path) -> Result<Option<Secret>, DirectoryError> {
        let path = path.join(SECRET_FILE);
        match fs::read(&path) {
            Ok(bytes) => Secret::new(&bytes)
                .map(Some)
                .map_err(|error| io_error("use", &path, io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path, source)),
        }
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
                if changed.peers.len() > PEERS_MAX {
                    let admitted = |id: &&u64| !is_first(NodeId::new(**id)) && **id != node.get();
                    let oldest = changed.peers.keys().find(admitted).copied();
                    oldest.map(|oldest| changed.peers.remove(&oldest));
                }
                changed.write(&self.path)?;
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
fn own(path: &Path, new: NewOwner<'_>) -> Result<Owner, DirectoryError> {
    let NewOwner { cluster, node, name, secret, grant } = new;
    if let Some(secret) = secret {
        keep_secret(path, secret)
            .map_err(|source| io_error("write", &path.join(SECRET_FILE), source))?;
    }
    Witness::make(path).map_err(|source| io_error("write", &path.join(WITNESS_FILE), source))?;
    let instance = u128::from_le_bytes(crate::random()?);
    let (node, name) = (node.get(), name.as_str().to_owned());
    let admitted = grant.map(|Grant { since, members, .. }| Admitted { since, members });
    let owner = Owner { cluster, node, name, instance, peers: BTreeMap::new(), admitted };
    owner.write(path)?;
    Ok(owner)
}

/// Writes the secret, durably but for its name: that comes with the record's, which is later.
fn keep_secret(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path.join(SECRET_FILE))?;
    file.write_all(secret.bytes())?;
    file.sync_all()
}

fn ensure_empty(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| io_error("list", path, source);
    let ours = [LOCK_FILE, WITNESS_FILE, SECRET_FILE]
        .map(str::to_owned)
        .into_iter()
        .chain([temporary_name()]);
    let ours: Vec<String> = ours.collect();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !ours.iter().any(|our| name == our.as_str()) {
            return Err(DirectoryError::NotBerths { path: path.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
