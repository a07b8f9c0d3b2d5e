use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{
    Batch, ClientName, Command, Envelope, Incarnation, Millis, Register, Response, Sequence,
    SpaceName, SpaceSettings, State, Text, Timestamp,
};
use berth_codec::DecodeError;
use berth_codec::testing::of_version;
use tempfile::TempDir;

use super::*;
use crate::raft::{LogPosition, MembershipRecord};
use crate::snapshot::{Loaded, SnapshotStore};
use crate::{ClusterId, Config, Deadline, Member, NodeName, Replica, SystemClock};

const TAKEN: Timestamp = Timestamp::new(1_700_000_000_000);

/// A state with one space, after four commands.
fn state() -> State {
    let mut state = State::new();
    let (client, address) = (ClientName::new("c").unwrap(), Text::new("here").unwrap());
    let mut send = |incarnation, sequence, command| {
        let (incarnation, client) = (Incarnation::new(incarnation), client.clone());
        let (sequence, heard) = (Sequence::new(sequence), Sequence::new(0));
        let command = Envelope { client, incarnation, sequence, heard, command };
        let answers = state.apply(&Batch { at: TAKEN, commands: vec![command] });
        answers.into_iter().next().unwrap().outcome.unwrap()
    };
    let register = Register { instance: 1, address, lease: Millis::new(0) };
    let Response::Registered(run) = send(0, 0, Command::Register(register)) else { panic!() };
    let name = SpaceName::new("Global").unwrap();
    let settings = SpaceSettings::exclusive(None);
    send(run.get(), 1, Command::CreateSpace { name, settings });
    state
}

fn backup_of(state: State, index: u64) -> Vec<u8> {
    let last = Some(LogPosition { term: 3, leader: 2, index });
    let (cluster, node) = (ClusterId::new([1; 16]), NodeName::new("ada").unwrap());
    let backup = Backup::new((cluster, &node), TAKEN, (state, last, MembershipRecord::default()));
    let mut bytes = Vec::new();
    backup.write(&mut bytes).unwrap();
    bytes
}

fn checked(bytes: &[u8], piece: usize) -> Result<BackupInfo, BackupError> {
    let mut check = BackupCheck::new();
    bytes.chunks(piece).try_for_each(|piece| check.feed(piece))?;
    check.finish()
}

fn opened(bytes: &[u8]) -> Result<BackupFile, BackupError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup");
    fs::write(&path, bytes).unwrap();
    BackupFile::open(&path)
}

#[test]
fn a_backup_comes_back_as_it_was_however_it_comes() {
    let bytes = backup_of(state(), 1_000);
    for piece in [1, 2, 3, 7, 100, bytes.len()] {
        let info = checked(&bytes, piece).unwrap();
        assert_eq!((info.index.get(), info.term.get(), info.node.as_str()), (1_000, 3, "ada"));
        assert_eq!((info.spaces, info.pools, info.addresses), (1, 0, 0));
        assert_eq!(info.fingerprint, state().fingerprint());
    }
    assert_eq!(*opened(&bytes).unwrap().state(), state());
}

#[test]
fn a_backup_that_was_cut_or_has_grown_or_has_a_flipped_bit_is_refused() {
    let bytes = backup_of(state(), 1_000);
    for length in 0..bytes.len() {
        checked(&bytes[..length], 64).unwrap_err();
        opened(&bytes[..length]).unwrap_err();
    }
    let grown = [&bytes[..], b"x"].concat();
    assert!(matches!(checked(&grown, 64), Err(BackupError::TooLong)));
    assert!(matches!(opened(&grown), Err(BackupError::TooLong)));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        checked(&flipped, 64).unwrap_err();
        opened(&flipped).unwrap_err();
    }
}

/// With its checksum right, as a newer Berth would write it.
fn newer(bytes: &[u8], record: usize, end: usize) -> Vec<u8> {
    let newer = of_version(&bytes[record..end], bytes[record + 1] + 1);
    [&bytes[..record], &newer, &bytes[end..]].concat()
}

#[test]
fn a_newer_format_is_refused_as_such() {
    let bytes = backup_of(state(), 1_000);
    let header = MAGIC.len() + 4;
    let length = u32::from_le_bytes(bytes[MAGIC.len()..header].try_into().unwrap());
    let begin = header + usize::try_from(length).unwrap();
    let of_file = newer(&bytes, header, begin);
    for refused in [checked(&of_file, 64).unwrap_err(), opened(&of_file).unwrap_err()] {
        assert!(matches!(refused, BackupError::Header(DecodeError::Newer { .. })), "{refused:?}");
    }
    // Of a cluster of the first level it is written in the version before the newest.
    let of_state = newer(&newer(&bytes, begin, bytes.len()), begin, bytes.len());
    for refused in [checked(&of_state, 64).unwrap_err(), opened(&of_state).unwrap_err()] {
        assert!(matches!(refused, BackupError::State(DecodeError::Newer { .. })), "{refused:?}");
    }
}

/// Where one member after the other is restored.
struct Place {
    dir: TempDir,
    file: PathBuf,
}

impl Place {
    fn new(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup");
        fs::write(&file, bytes).unwrap();
        Self { dir, file }
    }

    fn wanted(&self, name: &str, restoration: Option<RestorationId>) -> Restore {
        let member = |(number, name): (u16, &str)| Member {
            name: NodeName::new(name).unwrap(),
            address: format!("127.0.0.1:{}", 7_000 + number),
        };
        Restore {
            file: self.file.clone(),
            cluster: "test".into(),
            name: NodeName::new(name).unwrap(),
            members: (0..).zip(["ada", "bob"]).map(member).collect(),
            data_dir: self.dir.path().join(name),
            restoration,
            now: Timestamp::new(TAKEN.get() + 5_000),
        }
    }
}

/// All files below a directory, by name.
fn files(dir: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn members_restored_from_one_backup_in_one_restoration_are_one_cluster() {
    let place = Place::new(&backup_of(state(), 1_000));
    let ada = restore(&place.wanted("ada", None)).unwrap();
    let bob = restore(&place.wanted("bob", Some(ada.restoration))).unwrap();
    assert_eq!((ada.cluster, ada.revision), (bob.cluster, bob.revision));
    let snapshot = |name: &str| {
        let all = files(&place.dir.path().join(name).join("snapshots"));
        all.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>()
    };
    assert_eq!(snapshot("ada"), snapshot("bob"));
    // Another time, or another backup, is another cluster, and a later one numbers on further.
    let mut later = place.wanted("ada", None);
    later.data_dir = place.dir.path().join("later");
    later.now = Timestamp::new(later.now.get() + 1);
    let later = restore(&later).unwrap();
    assert_ne!(later.cluster, ada.cluster);
    assert!(later.revision.get() >= ada.revision.get() + 1_024);
    let elsewhere = Place::new(&backup_of(state(), 1_001));
    let other = restore(&elsewhere.wanted("ada", Some(ada.restoration))).unwrap();
    assert_ne!(other.cluster, ada.cluster);
}

#[test]
fn nothing_is_made_of_what_cannot_be_restored() {
    let bytes = backup_of(state(), 1_000);
    let cut = Place::new(&bytes[..bytes.len() - 1]);
    let refused = restore(&cut.wanted("ada", None)).unwrap_err();
    assert!(matches!(refused, RestoreError::Backup(BackupError::Cut { .. })), "{refused:?}");
    let place = Place::new(&bytes);
    let stranger = place.wanted("cyd", None);
    assert!(matches!(restore(&stranger), Err(RestoreError::Members(_))));
    let early = Restore { now: Timestamp::new(TAKEN.get() - 1), ..place.wanted("ada", None) };
    assert!(matches!(restore(&early), Err(RestoreError::Clock { by_ms: 1 })));
    let before = RestorationId::new(early.now).unwrap();
    let foreign = place.wanted("ada", Some(before));
    assert!(matches!(restore(&foreign), Err(RestoreError::Restoration { .. })));
    let dirs = [&cut, &place].map(|place| place.dir.path().join("ada"));
    assert!(dirs.iter().all(|dir| !dir.exists()));
}

#[test]
fn a_directory_with_anything_in_it_is_left_alone() {
    let place = Place::new(&backup_of(state(), 1_000));
    let wanted = place.wanted("ada", None);
    restore(&wanted).unwrap();
    let before = files(&wanted.data_dir);
    let again = restore(&wanted).unwrap_err();
    assert!(matches!(again, RestoreError::Occupied { .. }), "{again:?}");
    assert_eq!(files(&wanted.data_dir), before);
    let diary = Restore { data_dir: place.dir.path().join("diary"), ..wanted };
    fs::create_dir(&diary.data_dir).unwrap();
    fs::write(diary.data_dir.join("diary.txt"), "dear diary").unwrap();
    assert!(matches!(restore(&diary), Err(RestoreError::Occupied { .. })));
    assert_eq!(files(&diary.data_dir).len(), 1);
}

#[test]
fn revisions_go_on_beyond_all_that_may_have_been_given() {
    let place = Place::new(&backup_of(state(), 1_000));
    let restored = restore(&place.wanted("ada", None)).unwrap();
    let left_out = restored.revision.get() - restored.backup.revision.get();
    assert_eq!(left_out, (1 << 40) + 5_000 * 1_024);
    let full = state().restored(berth_allocator::Revision::new(State::REVISION_MAX - 5));
    let place = Place::new(&backup_of(full, 1_000));
    let refused = restore(&place.wanted("ada", None)).unwrap_err();
    assert!(matches!(refused, RestoreError::Revision { .. }), "{refused:?}");
}

/// Replaces the state in a restored directory by one that a defect has left without a space.
fn spoil(dir: &Path, cluster: ClusterId) {
    let (store, loaded) = SnapshotStore::open(&dir.join("snapshots"), cluster, None).unwrap();
    let Loaded { header, state } = loaded.unwrap();
    let revision = state.revision();
    let spoilt = State::new().restored(revision);
    store.write(header.last, header.membership, &spoilt).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_state_is_another_shows_at_a_mark() {
    let soon = || Deadline::after(Duration::from_secs(30));
    let place = Place::new(&backup_of(state(), 1_000));
    let ports: Vec<_> =
        (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let address = |at: usize| ports[at].local_addr().unwrap().to_string();
    let members: Vec<Member> = ["ada", "bob"]
        .into_iter()
        .enumerate()
        .map(|(at, name)| Member { name: NodeName::new(name).unwrap(), address: address(at) })
        .collect();
    drop(ports);
    let mut restoration = None;
    let mut nodes = Vec::new();
    for member in &members {
        let wanted = place.wanted(member.name.as_str(), restoration);
        let restored = restore(&wanted).unwrap();
        restoration = Some(restored.restoration);
        if member.name.as_str() == "bob" {
            spoil(&wanted.data_dir, restored.cluster);
        }
        let config = Config::of_member(member, &wanted.cluster, members.clone(), wanted.data_dir);
        nodes.push(Replica::start(config, Arc::new(SystemClock)).await.unwrap());
    }
    let mark = nodes[0].mark(soon()).await.unwrap();
    let ada = nodes[0].fingerprint_at(mark, soon()).await.unwrap();
    let bob = nodes[1].fingerprint_at(mark, soon()).await.unwrap();
    assert_eq!((ada.applied, ada.revision), (bob.applied, bob.revision));
    assert_ne!(ada.value, bob.value);
    for node in nodes {
        node.shutdown().await;
    }
}
