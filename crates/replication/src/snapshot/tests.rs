use std::fs;
use std::path::{Path, PathBuf};

use berth_allocator::{
    Batch, ClientName, Command, Envelope, Incarnation, Millis, Register, Sequence, State, Text,
    Timestamp,
};

use super::{SnapshotError, SnapshotStore};
use crate::raft::{LogPosition, MembershipRecord};
use crate::{ClusterId, Fatal};

fn open(dir: &Path) -> (SnapshotStore, Option<(u64, State)>) {
    let (store, loaded) = SnapshotStore::open(dir, ClusterId::new([1; 16]), None).unwrap();
    let loaded = loaded.map(|loaded| (loaded.header.index().unwrap(), loaded.state));
    (store, loaded)
}

/// A state in which so many clients have registered.
fn state(clients: u64) -> State {
    let mut state = State::new();
    let commands = (0..clients).map(|number| Envelope {
        client: ClientName::new(format!("host-{number}")).unwrap(),
        incarnation: Incarnation::new(0),
        sequence: Sequence::new(1),
        heard: Sequence::new(1),
        command: Command::Register(Register {
            instance: 1,
            address: Text::new("here").unwrap(),
            lease: Millis::new(0),
        }),
    });
    state.apply(&Batch { at: Timestamp::new(1), commands: commands.collect() });
    state
}

fn write(store: &SnapshotStore, index: u64) -> PathBuf {
    let last = Some(LogPosition { term: 1, leader: 1, index });
    store.write(last, MembershipRecord::default(), &state(index)).unwrap().path
}

fn temporaries(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("tmp-")).count()
}

/// What a crash leaves of the snapshot in `whole` when it comes in the middle of writing it.
fn half(whole: &[u8], dir: &Path) {
    fs::write(dir.join("tmp-7"), &whole[..whole.len() / 2]).unwrap();
}

#[test]
fn what_a_crash_left_of_a_snapshot_is_swept_and_the_one_before_it_used() {
    let elsewhere = tempfile::tempdir().unwrap();
    let newer = fs::read(write(&open(elsewhere.path()).0, 9)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).0;
    write(&store, 5);
    half(&newer, dir.path());
    // And one that was under way from another node; a crash runs no destructor.
    let mut incoming = store.receive(newer.len() as u64).unwrap();
    incoming.append(&newer[..newer.len() - 1]).unwrap();
    std::mem::forget(incoming);
    // A whole one that was not named yet was not acknowledged either.
    fs::write(dir.path().join("tmp-8"), &newer).unwrap();
    assert_eq!(temporaries(dir.path()), 3);
    drop(store);

    let (store, loaded) = open(dir.path());
    assert_eq!(loaded, Some((5, state(5))));
    assert_eq!(temporaries(dir.path()), 0);
    // The same snapshot can be made, and received, once more.
    let mut incoming = store.receive(newer.len() as u64).unwrap();
    incoming.append(&newer).unwrap();
    incoming.sync().unwrap();
    assert_eq!(store.install(incoming.open().unwrap()).unwrap(), state(9));
    drop((incoming, store));
    assert_eq!(open(dir.path()).1, Some((9, state(9))));
    assert_eq!(temporaries(dir.path()), 0);
}

#[test]
fn a_crash_before_the_first_snapshot_leaves_none() {
    let elsewhere = tempfile::tempdir().unwrap();
    let whole = fs::read(write(&open(elsewhere.path()).0, 3)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    half(&whole, dir.path());
    assert_eq!(open(dir.path()).1, None);
    assert_eq!(temporaries(dir.path()), 0);
}

#[test]
fn only_a_file_system_that_refuses_leaves_the_disk_in_doubt() {
    let refused = SnapshotError::Io {
        operation: "write the snapshot",
        path: "tmp-0".into(),
        source: std::io::Error::other("no space"),
    };
    let told = refused.raise(&Fatal::new(), "writing a snapshot");
    assert!(told.disk && told.reason.ends_with("no space"), "{told}");
    let missing = SnapshotError::Missing { dir: "snapshots".into(), needed: 3 };
    assert!(!missing.raise(&Fatal::new(), "installing a snapshot").disk);
}
