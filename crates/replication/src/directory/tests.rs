use berth_codec::testing::of_version;
use berth_codec::{DecodeError, Kind};

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
        include_str!("../golden.txt").lines().find(|line| line.starts_with("data-directory "));
    let hex = bytes.unwrap().split_once(' ').unwrap().1.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(RECORD_FILE), hex.chunks(2).map(byte).collect::<Vec<_>>()).unwrap();
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
        let owner = NewOwner { cluster: CLUSTER, node, name: &name, secret, grant: Some(grant) };
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
    let grant = Grant { node: NodeId::new(30), since: 9, members: BTreeMap::new(), secret: None };
    let again = make(None, grant);
    assert!(matches!(again, Err(DirectoryError::NotBerths { .. } | DirectoryError::InUse { .. })));
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
