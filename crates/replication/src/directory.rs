//! The guard of a data directory: it belongs to one node, of one cluster, and to one process.
//!
//! The directory has an instance, drawn at random when it is made. Peers note each other's, so a
//! node whose data was lost or replaced by a copy from elsewhere, and which would have forgotten
//! its votes, is refused when it comes back under its old number.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use berth_codec::{DecodeError, Kind, Record};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::failpoint::strike;
use crate::membership::{Grant, is_first};
use crate::raft::{PeerNode, PeerRecord};
use crate::rocks::{LOST, WITNESS_FILE, Witness};
use crate::{ClusterId, NodeId, NodeName, Secret};

const RECORD_FILE: &str = "berth.directory";
const LOCK_FILE: &str = "berth.lock";
/// What a node that was admitted with a token knows of the cluster's secret.
const SECRET_FILE: &str = "secret";
/// A record has some hundred peers, at most 27 bytes each, and some members' names and addresses.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// Peers noted. Beyond it the one that was admitted first is noted anew when it is met again.
const PEERS_MAX: usize = 1_024;

/// Whom a data directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    cluster: ClusterId,
    node: u64,
    name: String,
    instance: u128,
    /// Other nodes' directories, as first met.
    peers: BTreeMap<u64, u128>,
    /// How the node became a member, if it is no first one.
    admitted: Option<Admitted>,
}

/// How a node became a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Admitted {
    /// The log entry that made it one.
    since: u64,
    /// The other members by then.
    members: BTreeMap<u64, PeerRecord>,
}

/// As version 1 had it: all nodes were first members.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct First {
    cluster: ClusterId,
    node: u64,
    name: String,
    instance: u128,
    peers: BTreeMap<u64, u128>,
}

impl Record for Owner {
    const KIND: Kind = Kind::DataDirectory;
    /// The format of the whole directory.
    const VERSION: u8 = 2;
    const LIMIT: usize = RECORD_BYTES_MAX;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        if version != 1 {
            return Err(DecodeError::UnknownVersion { kind: Self::KIND, found: version });
        }
        let First { cluster, node, name, instance, peers } =
            berth_codec::decode_body(Self::KIND, body)?;
        Ok(Self { cluster, node, name, instance, peers, admitted: None })
    }
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
         data directory. (A node that knows its cluster needs no --initial-cluster.)", path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whom it belongs to.
        found: String,
        /// Who wants it.
        expected: String,
    },
    /// It holds no cluster, and none was named.
    #[error("{} holds no cluster: form one with --bootstrap, or join one with --join", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
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
        let (owner, found) = match (read(path)?, first) {
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
        let owner = read(path)?.ok_or_else(|| DirectoryError::Empty { path: path.to_owned() })?;
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

/// The record, if there is one.
fn read(path: &Path) -> Result<Option<Owner>, DirectoryError> {
    let record = path.join(RECORD_FILE);
    match fs::read(&record) {
        Ok(bytes) => berth_codec::decode::<Owner>(&bytes)
            .map(Some)
            .map_err(|source| DirectoryError::Unreadable { path: record, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error("read", &record, source)),
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
    write(path, &owner)?;
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

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io { operation, path: path.to_owned(), source }
}

impl From<getrandom::Error> for DirectoryError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random { reason: error.to_string() }
    }
}

impl DirectoryError {
    /// Work on a directory was given up, since the process ends.
    pub(crate) fn interrupted(source: io::Error) -> Self {
        io_error("go on with", Path::new("the data directory"), source)
    }
}

#[cfg(test)]
impl Record for First {
    const KIND: Kind = Kind::DataDirectory;
    const VERSION: u8 = 1;
    const LIMIT: usize = RECORD_BYTES_MAX;
}

/// An example of each encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    let member = PeerRecord { name: "a".into(), address: "h:1".into() };
    let owner = Owner {
        cluster: ClusterId::new([7; 16]),
        node: 20,
        name: "b".into(),
        instance: 5,
        peers: BTreeMap::from([(1, 6)]),
        admitted: Some(Admitted { since: 4, members: BTreeMap::from([(1, member)]) }),
    };
    let (cluster, instance, peers) = (owner.cluster, owner.instance, owner.peers.clone());
    let first = First { cluster, node: 2, name: "b".into(), instance, peers };
    let lines = [
        crate::golden::line("data-directory", &first),
        crate::golden::line("data-directory-2", &owner),
    ];
    lines.concat()
}

#[cfg(test)]
mod tests {
    use berth_codec::testing::of_version;

    use super::*;

    const CLUSTER: ClusterId = ClusterId::new([7; 16]);

    fn open(path: &Path, node: u64, name: &str) -> Result<DataDirectory, DirectoryError> {
        let first = (CLUSTER, NodeId::new(node));
        DataDirectory::open(path, &NodeName::new(name).unwrap(), Some(first), None)
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
    fn a_directory_of_version_1_is_a_first_members() {
        // The line "data-directory" of golden.txt as version 1 wrote it.
        let bytes =
            include_str!("golden.txt").lines().find(|line| line.starts_with("data-directory "));
        let hex = bytes.unwrap().split_once(' ').unwrap().1.as_bytes();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(RECORD_FILE), hex.chunks(2).map(byte).collect::<Vec<_>>())
            .unwrap();
        let directory = open(dir.path(), 2, "b").unwrap();
        assert_eq!((directory.instance(), directory.since()), (5, None));
        assert_eq!(directory.meet(NodeId::new(1), 7).unwrap(), Err(OtherInstance), "it was met");
        assert_eq!(directory.meet(NodeId::new(3), 8).unwrap(), Ok(()));
        drop(directory);
        assert_eq!(open(dir.path(), 2, "b").unwrap().instance(), 5);
    }

    #[test]
    fn an_admitted_members_directory_needs_no_list_and_takes_its_clusters() {
        let dir = tempfile::tempdir().unwrap();
        let (path, name) = (dir.path().join("raft"), NodeName::new("b").unwrap());
        let find = |first| DataDirectory::open(&path, &name, first, None);
        assert!(matches!(find(None), Err(DirectoryError::Empty { .. })));
        assert!(!path.exists(), "nothing was made");
        assert!(DataDirectory::is_unused(&path).unwrap());
        let secret = Secret::new(b"sixteen bytes ok").unwrap();
        let peer = PeerRecord { name: "a".into(), address: "h:1".into() };
        let members = BTreeMap::from([(1, peer)]);
        let grant = Grant { node: NodeId::new(20), since: 9, members, secret: None };
        let make = |secret, grant: Grant| {
            let node = grant.node;
            let owner =
                NewOwner { cluster: CLUSTER, node, name: &name, secret, grant: Some(grant) };
            DataDirectory::make(&path, owner, || Ok::<_, DirectoryError>(()))
        };
        drop(make(Some(&secret), grant).unwrap());
        assert!(!DataDirectory::is_unused(&path).unwrap());
        let found = find(None).unwrap();
        assert_eq!((found.node().get(), found.cluster(), found.since()), (20, CLUSTER, Some(9)));
        assert_eq!(found.contacts()[&1].address, "h:1");
        assert_eq!(found.secret().unwrap().unwrap().bytes(), secret.bytes());
        drop(found);
        assert!(find(Some((CLUSTER, NodeId::new(2)))).is_ok(), "as b was before it was replaced");
        let other = Some((ClusterId::new([8; 16]), NodeId::new(2)));
        assert!(find(other).is_ok(), "the list of a cluster that was restored names another one");
        let grant =
            Grant { node: NodeId::new(30), since: 9, members: BTreeMap::new(), secret: None };
        let again = make(None, grant);
        assert!(matches!(
            again,
            Err(DirectoryError::NotBerths { .. } | DirectoryError::InUse { .. })
        ));
    }

    #[test]
    fn a_newer_format_and_foreign_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), 1, "a").unwrap());
        let record = dir.path().join(RECORD_FILE);
        let written = fs::read(&record).unwrap();
        fs::write(&record, of_version(&written, 3)).unwrap();
        let error = open(dir.path(), 1, "a").err().unwrap();
        let newer = DecodeError::Newer { kind: Kind::DataDirectory, found: 3, known: 2 };
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
