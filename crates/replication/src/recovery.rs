//! Going on without a quorum: a cluster of one, made out of a survivor's data.
//!
//! Whoever had a majority may have acknowledged what this survivor never saw, so this loses data, and is
//! for when the others are gone for good. The new cluster has an id of its own: members and agents of
//! the old one find it foreign, and its state knows that it is behind (claim rule 12).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_allocator::{Revision, State, Timestamp};
use openraft::storage::RaftLogStorage;
use openraft::{EntryPayload, RaftLogReader};

use crate::behind::goes_on_at;
use crate::directory::{DataDirectory, DirectoryError, NewOwner};
use crate::membership::Grant;
use crate::raft::{LogPosition, MembershipRecord, PeerRecord, StoredMembership};
use crate::replace::{beside, take_place};
use crate::rocks::{LOST, RaftLog, StoreError};
use crate::snapshot::{Loaded, SnapshotError, SnapshotStore};
use crate::{ClusterId, Fatal, LogIndex, NodeId, NodeName, Term, blocking, machine};

/// Entries read at a time.
const READ_ENTRIES: u64 = 1_000;

/// A member whose cluster is lost, as its data tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its number.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it has, and what it cannot have.
    pub loss: Loss,
    /// The members by its last entry: number, name, and whether it voted.
    pub members: Vec<(NodeId, String, bool)>,
}

/// How far a survivor's data goes. What came later is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The last entry in its log; some behind the committed ones may never have been acknowledged.
    pub last: LogIndex,
    /// The last entry that it knows to be committed.
    pub committed: Option<LogIndex>,
    /// The term of the last entry.
    pub term: Term,
    /// Commands executed up to there.
    pub revision: Revision,
    /// When the newest of them was proposed.
    pub newest: Timestamp,
}

/// A survivor's data cannot be used. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The log.
    #[error(transparent)]
    Store(StoreError),
    /// The snapshots.
    #[error("the snapshots cannot be used. If they are damaged: {}", LOST)]
    Snapshot(#[from] SnapshotError),
    /// What was kept does not fit together.
    #[error("cannot go on from what is in {}: {reason}", path.display())]
    Unusable {
        /// The data directory.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It has nothing.
    #[error("{} holds no log entry yet: nothing can be recovered from it", path.display())]
    Nothing {
        /// The data directory.
        path: PathBuf,
    },
    /// The new directory cannot be put in the old one's place.
    #[error("cannot put the new data in the place of {}", path.display())]
    Replace {
        /// The data directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What the data of a stopped member says.
pub async fn survivor(data_dir: &Path) -> Result<Survivor, RecoveryError> {
    read(data_dir).await.map(|(_directory, survivor, _)| survivor)
}

/// Makes the data of a stopped member that of a new cluster, of which it is the only one. Gives the new
/// cluster's id, and where the old data is kept.
pub async fn recover(data_dir: &Path) -> Result<(ClusterId, PathBuf), RecoveryError> {
    let (directory, survivor, state) = read(data_dir).await?;
    let secret = directory.secret().map_err(RecoveryError::Directory)?;
    let unusable = |reason: String| RecoveryError::Unusable { path: data_dir.to_owned(), reason };
    let cluster = ClusterId::new(crate::random().map_err(DirectoryError::from)?);
    let name = NodeName::new(survivor.name.as_str());
    let name = name.ok_or_else(|| unusable("the node's name is none".to_owned()))?;
    let revision = goes_on_at(survivor.loss.revision.get(), 0);
    let revision = revision.ok_or_else(|| unusable("there are no revisions left".to_owned()))?;
    let state = state.restored(revision);

    let made = beside(data_dir, "recovered");
    let failed = |source| RecoveryError::Replace { path: data_dir.to_owned(), source };
    match fs::remove_dir_all(&made) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let index = survivor.loss.last.get() + 1;
    // Before all leaders' terms, as a new cluster's first entry is.
    let position = LogPosition { term: 0, leader: 0, index };
    let node = survivor.node;
    let own = PeerRecord { name: survivor.name.clone(), address: String::new() };
    let membership = MembershipRecord {
        position: Some(position),
        voters: vec![[node.get()].into()],
        nodes: [(node.get(), own)].into(),
    };
    let grant = Grant { node, since: index, members: BTreeMap::new(), secret: None };
    let (secret, grant) = (secret.as_ref(), Some(grant));
    let owner = NewOwner { cluster, node, name: &name, secret, grant };
    let begun = DataDirectory::make(&made, owner, || {
        let (snapshots, _) = SnapshotStore::open(&made.join("snapshots"), cluster, None)?;
        snapshots.write(Some(position), membership, &state)?;
        Ok::<_, RecoveryError>(())
    })?;
    drop(begun);

    let kept = take_place(&made, data_dir).map_err(failed)?;
    drop(directory);
    Ok((cluster, kept))
}

type Found = (DataDirectory, Survivor, State);

/// Reads it all: the state by the newest snapshot, and by all entries behind that.
async fn read(data_dir: &Path) -> Result<Found, RecoveryError> {
    let unusable = |reason: String| RecoveryError::Unusable { path: data_dir.to_owned(), reason };
    let fatal = Fatal::new();
    let (path, latch) = (data_dir.to_owned(), fatal.clone());
    let opening = blocking::spawn(move || {
        let directory = DataDirectory::open_found(&path).map_err(RecoveryError::Directory)?;
        let log = RaftLog::open(&path, &latch).map_err(RecoveryError::Store)?;
        let needed = log.purged().map(|purged| purged.index());
        let opened = SnapshotStore::open(&path.join("snapshots"), directory.cluster(), needed);
        let (_, loaded) = opened.map_err(RecoveryError::Snapshot)?;
        Ok::<_, RecoveryError>((directory, log, loaded))
    });
    let (directory, mut log, loaded) =
        opening.await.map_err(|error| unusable(error.to_string()))??;
    let mut at = None;
    let (mut state, mut membership) = (State::default(), StoredMembership::default());
    if let Some(Loaded { header, state: held }) = loaded {
        let meta = machine::meta(header).map_err(|error| unusable(error.to_string()))?;
        (state, membership, at) = (held, meta.last_membership, meta.last_log_id);
    }
    let ends = log.get_log_state().await.map_err(|error| unusable(error.to_string()))?;
    let committed = log.read_committed().await.map_err(|error| unusable(error.to_string()))?;
    let end = ends.last_log_id.map_or(0, |last| last.index() + 1);
    let mut reader = log.get_log_reader().await;
    let mut next = at.map_or(0, |at| at.index() + 1);
    while next < end {
        let until = end.min(next + READ_ENTRIES);
        let entries = reader.try_get_log_entries(next..until).await;
        for entry in entries.map_err(|error| unusable(error.to_string()))? {
            if entry.log_id.index() != next {
                return Err(unusable(format!("entry {next} is missing")));
            }
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(proposal) => drop(state.apply(proposal.batch())),
                EntryPayload::Membership(changed) => {
                    membership = StoredMembership::new(Some(entry.log_id), changed);
                }
            }
            (at, next) = (Some(entry.log_id), next + 1);
        }
    }
    let at = at.ok_or_else(|| RecoveryError::Nothing { path: data_dir.to_owned() })?;
    let at = LogPosition::from(&at);
    let voters: Vec<u64> = membership.membership().voter_ids().collect();
    let members = membership.membership().nodes();
    let survivor = Survivor {
        cluster: directory.cluster(),
        node: directory.node(),
        name: directory.name(),
        loss: Loss {
            last: LogIndex::new(at.index),
            committed: committed.map(|committed| LogIndex::new(committed.index())),
            term: Term::new(at.term),
            revision: state.revision(),
            newest: state.now(),
        },
        members: members
            .map(|(id, node)| (NodeId::new(*id), node.name.clone(), voters.contains(id)))
            .collect(),
    };
    Ok((directory, survivor, state))
}
