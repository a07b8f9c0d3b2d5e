//! What a node's log says, for whoever checks it: read beside the node, or after it ended.

use std::path::Path;

use berth_allocator::Batch;
use openraft::EntryPayload;

use super::log::COMMITTED;
use super::reader::decode;
use super::{Store, StoreError};
use crate::raft::LogPosition;
use crate::{LogIndex, Term};

/// An entry that a node knows to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedEntry {
    /// Its place.
    pub index: LogIndex,
    /// The leadership that put it there.
    pub term: Term,
    /// Its commands; nothing for an entry of Raft's own.
    pub batch: Option<Batch>,
}

/// Reads the committed entries, from this index on, of the log in a replica's data directory. Those
/// in a snapshot are gone.
///
/// It writes nothing, and needs no lock: a node that runs goes on, and what it wrote before is seen.
/// Files may vanish under it meanwhile; then it fails, and may be tried again.
pub fn committed_entries(dir: &Path, from: LogIndex) -> Result<Vec<CommittedEntry>, StoreError> {
    let store = Store::open_read_only(&dir.join("log"))?;
    let Some(last) = store.value::<LogPosition>(COMMITTED)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for item in store.entries(from.get()) {
        let (index, value) = item?;
        if index > last.index {
            break;
        }
        let entry = decode(&store, index, &value)?;
        let batch = match entry.payload {
            EntryPayload::Normal(proposal) => Some(proposal.batch().clone()),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        };
        let term = Term::new(LogPosition::from(&entry.log_id).term);
        found.push(CommittedEntry { index: LogIndex::new(index), term, batch });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use berth_allocator::Timestamp;
    use openraft::storage::{IOFlushed, RaftLogStorage};
    use openraft::type_config::TypeConfigExt;

    use super::*;
    use crate::Fatal;
    use crate::raft::{Entry, LogId, Proposal, TypeConfig, Vote};
    use crate::rocks::{RaftLog, Witness};

    #[tokio::test]
    async fn what_is_committed_is_read_beside_the_node_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        Witness::make(dir.path()).unwrap();
        let mut log = RaftLog::open(dir.path(), &Fatal::new()).unwrap();
        let batch = Batch { at: Timestamp::new(7), commands: Vec::new() };
        let position = |index| LogPosition { term: 3, leader: 1, index };
        let entry = |index| Entry {
            log_id: LogId::from(position(index)),
            payload: match index {
                0 => EntryPayload::Blank,
                _ => EntryPayload::Normal(Proposal::new(batch.clone()).unwrap()),
            },
        };
        let (done, synced) = TypeConfig::oneshot();
        log.append((0..4).map(entry), IOFlushed::signal(done)).await.unwrap();
        synced.await.unwrap().unwrap();
        let read = |from| committed_entries(dir.path(), LogIndex::new(from)).unwrap();
        assert_eq!(read(0), []);
        log.save_committed(Some(LogId::from(position(2)))).await.unwrap();
        // The position is not waited for; a vote is, and comes after it.
        log.save_vote(&Vote::new(3, 1)).await.unwrap();
        let expected = |index: u64| CommittedEntry {
            index: LogIndex::new(index),
            term: Term::new(3),
            batch: (index > 0).then(|| batch.clone()),
        };
        assert_eq!(read(0), [expected(0), expected(1), expected(2)]);
        assert_eq!(read(2), [expected(2)]);
    }
}
