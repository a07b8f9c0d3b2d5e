//! Beginning a new cluster with a backup.
//!
//! All that is made follows from the backup, the list of members, and which restoration it is: so each
//! first member of the new cluster is restored by itself, with the same three, and all begin as if
//! they had applied the same log. One that began otherwise, or with nothing, is of another cluster.

use core::fmt;
use core::str::FromStr;
use std::fs;
use std::path::{Path, PathBuf};

use berth_allocator::{Revision, State, Timestamp};

use super::{BackupFile, BackupInfo, Origin, RestoreError};
use crate::behind::goes_on_at;
use crate::cluster::Cluster;
use crate::directory::{DataDirectory, DirectoryError, NewOwner};
use crate::raft::{LogPosition, MembershipRecord, PeerRecord};
use crate::snapshot::SnapshotStore;
use crate::{ClusterId, Member, NodeName};

/// Which of the restorations of a backup: when it began, and a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestorationId(u128);

impl RestorationId {
    const TIME_SHIFT: u32 = 80;

    /// One that begins now.
    pub fn new(now: Timestamp) -> Result<Self, DirectoryError> {
        let random = u128::from_le_bytes(crate::random()?) & ((1 << Self::TIME_SHIFT) - 1);
        // 48 bits of milliseconds are 8,900 years.
        Ok(Self((u128::from(now.get()) << Self::TIME_SHIFT) | random))
    }

    /// When it began.
    fn began(self) -> Timestamp {
        Timestamp::new(u64::try_from(self.0 >> Self::TIME_SHIFT).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for RestorationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for RestorationId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number
            .map(Self)
            .ok_or("a restoration is 32 hexadecimal digits, as the first member was told")
    }
}

/// What is to be restored.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The backup.
    pub file: PathBuf,
    /// The cluster's name, as in [`crate::Config`].
    pub cluster: String,
    /// The member that is restored here.
    pub name: NodeName,
    /// All first members of the new cluster.
    pub members: Vec<Member>,
    /// Where the member's replica will keep its data; nothing may be there.
    pub data_dir: PathBuf,
    /// Which restoration, if another member was restored before.
    pub restoration: Option<RestorationId>,
    /// This machine's time.
    pub now: Timestamp,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What the backup says about itself.
    pub backup: BackupInfo,
    /// The new cluster.
    pub cluster: ClusterId,
    /// With this, the other first members are restored.
    pub restoration: RestorationId,
    /// Where revisions go on.
    pub revision: Revision,
}

/// Makes the data directory of a member of a new cluster. The backup is read and checked before
/// anything is made; what was made is read again. Blocks.
pub fn restore(wanted: &Restore) -> Result<Restored, RestoreError> {
    let cluster = |origin| Cluster::begun(&wanted.cluster, &wanted.members, origin);
    let node = cluster(None).and_then(|cluster| cluster.member(&wanted.name));
    let node = node.map_err(RestoreError::Members)?;
    let dir = &wanted.data_dir;
    if !DataDirectory::is_unused(dir).map_err(RestoreError::Directory)? {
        return Err(RestoreError::Occupied { path: dir.clone() });
    }
    let BackupFile { header, state } =
        BackupFile::open(&wanted.file).map_err(RestoreError::Backup)?;
    let restoration = which(wanted, header.taken)?;
    let passed = restoration.began().get().saturating_sub(header.taken.get());
    let revision = goes_on_at(header.revision, passed)
        .ok_or(RestoreError::Revision { revision: header.revision })?;
    let state = state.restored(revision);
    let index = header.last.map_or(0, |last| last.index) + 1;
    let origin = Origin {
        cluster: header.cluster,
        backup: header.digest(),
        restoration: restoration.0,
        index,
    };
    let cluster = cluster(Some(&origin)).map_err(RestoreError::Members)?;
    make(dir, &cluster, (node, &wanted.name), &origin, &state)?;
    Ok(Restored { backup: header.info(), cluster: cluster.id, restoration, revision })
}

fn which(wanted: &Restore, taken: Timestamp) -> Result<RestorationId, RestoreError> {
    match wanted.restoration {
        Some(id) if id.began() < taken => Err(RestoreError::Restoration { id: id.to_string() }),
        Some(id) => Ok(id),
        None if wanted.now < taken => {
            Err(RestoreError::Clock { by_ms: taken.get() - wanted.now.get() })
        }
        None => RestorationId::new(wanted.now).map_err(RestoreError::Directory),
    }
}

/// Makes the directory. What tells whose it is comes last: until then it is refused at a start.
fn make(
    dir: &Path,
    cluster: &Cluster,
    (node, name): (crate::NodeId, &NodeName),
    origin: &Origin,
    state: &State,
) -> Result<(), RestoreError> {
    let snapshots = dir.join("snapshots");
    // Before all leaders' terms, as a new cluster's first entry is.
    let last = LogPosition { term: 0, leader: 0, index: origin.index };
    let fill = || {
        let (store, _) =
            SnapshotStore::open(&snapshots, cluster.id, None).map_err(RestoreError::Snapshot)?;
        let written = store.write(Some(last), membership(cluster, last), state);
        written.map_err(RestoreError::Snapshot)?;
        origin.write(dir).map_err(RestoreError::Directory)
    };
    let owner = NewOwner::first(cluster.id, node, name);
    let directory = DataDirectory::make(dir, owner, || {
        fill().inspect_err(|_| {
            // What stays all the same is refused, at a start and at another attempt.
            let _ = fs::remove_dir_all(&snapshots);
            let _ = fs::remove_file(dir.join(Origin::FILE));
        })
    })?;
    drop(directory);
    let needed = Some(origin.index);
    SnapshotStore::open(&snapshots, cluster.id, needed).map_err(RestoreError::Snapshot)?;
    Ok(())
}

/// All members, who have no addresses here, as in a new cluster's first entry.
fn membership(cluster: &Cluster, position: LogPosition) -> MembershipRecord {
    let nodes = cluster.first_membership();
    let record =
        |node: crate::raft::PeerNode| PeerRecord { name: node.name, address: node.address };
    MembershipRecord {
        position: Some(position),
        voters: vec![nodes.keys().copied().collect()],
        nodes: nodes.into_iter().map(|(id, node)| (id, record(node))).collect(),
    }
}

impl From<DirectoryError> for RestoreError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}
