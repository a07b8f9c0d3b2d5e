//! What fuzz targets reach of this crate: what peers send, and what is read from disk.

use std::fs;

use berth_allocator::{Snapshot as StateRecord, State};
use berth_codec::encode;
use berth_codec::testing::{comes_back, record};

use crate::directory::Owner;
use crate::raft::{Entry, EntryRecord, LogPosition, Vote, VoteRecord};
use crate::rocks::Round;
use crate::servers::Met;
use crate::snapshot::{Header, SnapshotStore};
use crate::transport::fuzzing::{self as transport, Stream};
use crate::{ClusterId, ledger, machine};

/// The cluster of the snapshots that are read.
const CLUSTER: ClusterId = ClusterId::new([1; 16]);

/// Reads the bytes as a peer's connection; behind an odd first byte, as the body of one message.
pub fn frames(bytes: &[u8]) {
    match bytes.split_first() {
        Some((which, body)) if which % 2 == 1 => transport::body(which / 2, body),
        Some((_, stream)) => transport::read(&mut Stream::new(stream)),
        None => {}
    }
}

/// Reads the bytes behind the first one as the body of a record on disk.
pub fn records(bytes: &[u8]) {
    let Some((which, body)) = bytes.split_first() else { return };
    match which % 7 {
        0 => entry(body),
        1 => {
            if let Some(vote) = comes_back::<VoteRecord>(body) {
                assert_eq!(VoteRecord::from(&Vote::from(vote)), vote);
            }
        }
        2 => drop(comes_back::<LogPosition>(body)),
        3 => drop(comes_back::<Round>(body)),
        4 => drop(comes_back::<ledger::Entry>(body)),
        5 => drop(comes_back::<Owner>(body)),
        _ => drop(comes_back::<Met>(body)),
    }
}

fn entry(body: &[u8]) {
    let Some(Ok(entry)) = comes_back::<EntryRecord>(body).map(Entry::try_from) else { return };
    // A membership's position is its entry's, whatever the record says.
    let again = Entry::try_from(EntryRecord::from(&entry)).expect("an entry's record is one");
    assert_eq!(again, entry);
}

/// Reads a snapshot file of two records: a header's body behind its length in two bytes, and a
/// state's body. Whatever else is in them, lengths and checksums are right, the fingerprint as well.
pub fn snapshots(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (header, state) = rest.split_at(length);
    let Some(mut header) = comes_back::<Header>(header) else { return };
    let _ = machine::meta(header.clone());
    let sound = comes_back::<StateRecord>(state).and_then(|state| State::restore(state).ok());
    if let Some(state) = &sound {
        assert_eq!(state.check(), Ok(()), "a restored state is sound");
        header.fingerprint = state.fingerprint();
    }
    let state = record::<StateRecord>(state);
    (header.cluster, header.state_bytes) = (CLUSTER, state.len() as u64);
    let Ok(header) = encode(&header) else { return };
    let length = u32::try_from(header.len()).expect("a header's limit is below 4 GiB");

    let dir = tempfile::tempdir().expect("the system gives a directory");
    let file = [&length.to_le_bytes()[..], &header, &state].concat();
    fs::write(dir.path().join("snapshot-1"), file).expect("the directory takes a file");
    let loaded = SnapshotStore::open(dir.path(), CLUSTER, None);
    let loaded = loaded.ok().and_then(|(_, loaded)| loaded).map(|loaded| loaded.state);
    assert_eq!(loaded, sound, "a snapshot is loaded if its state is one");
}
