//! Who is not let in.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use berth_replication::{
    Config, ConfigError, Deadline, DirectoryError, NotExecuted, ProposeError, Secret, StartError,
};

use crate::world::{Client, Node, World, done, member, soon, tuning};

/// Starts a node in place of a killed one, with other files and another configuration.
fn impostor(world: &World, dir: &tempfile::TempDir, change: impl Fn(&mut Config)) -> Node {
    let mut config = world.configs[2].clone();
    config.data_dir = dir.path().join("raft");
    change(&mut config);
    Node::start(config).unwrap()
}

#[test]
fn nodes_of_another_cluster_or_without_the_secret_are_turned_away() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    world.kill(2);
    let changes: [fn(&mut Config); 2] = [
        |config| config.cluster = "other".to_owned(),
        |config| config.secret = Some(Secret::new(b"another secret entirely").unwrap()),
    ];
    for change in changes {
        let dir = tempfile::tempdir().unwrap();
        let stranger = impostor(&world, &dir, change);
        let patience = Deadline::after(Duration::from_secs(2));
        let refused = stranger.propose(client.create("stolen"), patience).unwrap_err();
        let expected = ProposeError::NotExecuted(NotExecuted::NoLeader);
        assert_eq!(refused, expected);
        assert!(stranger.replica.fatal().error().is_none());
        stranger.kill();
    }
    assert!(done(&world.any().propose(client.create("mine"), soon()).unwrap().answer));
}

#[test]
fn a_node_that_lost_its_data_may_not_come_back_under_its_name() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    world.agree();
    world.kill(2);
    let dir = tempfile::tempdir().unwrap();
    let forgetful = impostor(&world, &dir, |_| {});
    let fatal = forgetful.replica.fatal();
    let error = forgetful
        .runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), fatal.wait()).await })
        .expect("it is told to stop");
    assert!(error.to_string().contains("as a new member"), "{error}");
    forgetful.kill();
    assert!(done(&world.any().propose(client.create("mine"), soon()).unwrap().answer));
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let mut world = World::new(&tuning());
    let mut config = world.configs[0].clone();
    let in_use = Node::start(config.clone()).err().unwrap();
    assert!(matches!(in_use, StartError::Directory(DirectoryError::InUse { .. })), "{in_use}");
    world.kill(1);
    config.data_dir = world.configs[1].data_dir.clone();
    let foreign = loop {
        match Node::start(config.clone()).err().unwrap() {
            StartError::Directory(DirectoryError::InUse { .. }) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => break other,
        }
    };
    assert!(matches!(foreign, StartError::Directory(DirectoryError::Foreign { .. })), "{foreign}");
}

#[test]
fn plaintext_beyond_loopback_must_be_asked_for() {
    let world = World::new(&tuning());
    let dir = tempfile::tempdir().unwrap();
    let mut config = world.configs[0].clone();
    config.data_dir = dir.path().join("raft");
    config.listen = "0.0.0.0:0".to_owned();
    config.secret = None;
    let error = Node::start(config.clone()).err().unwrap();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    config.members.push(member("ada", "127.0.0.1:1"));
    let error = Node::start(config).err().unwrap();
    assert!(matches!(error, StartError::Config(ConfigError::Members(_))), "{error}");
}

#[test]
fn garbage_on_the_peers_port_hurts_nobody() {
    let world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let http = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    for garbage in [http, vec![0; 1_000], vec![255; 100_000], vec![1]] {
        let mut stream = TcpStream::connect(&world.configs[0].listen).unwrap();
        // The node may have hung up already.
        let _ = stream.write_all(&garbage);
    }
    assert!(done(&world.nodes[&0].propose(client.create("fine"), soon()).unwrap().answer));
}

#[test]
fn a_damaged_snapshot_is_named() {
    let mut tuning = tuning();
    (tuning.snapshot_after, tuning.log_keep) = (10, 0);
    let mut world = World::new(&tuning);
    let client = Client::register("c", world.any());
    for number in 0..40 {
        world.any().propose(client.create(&format!("s{number}")), soon()).unwrap();
    }
    world.nodes[&1].wait(|status| status.purged.is_some_and(|index| index.get() > 10));
    world.agree();
    world.kill(1);
    std::thread::sleep(Duration::from_millis(500));
    let snapshots = world.configs[1].data_dir.join("snapshots");
    let files = fs::read_dir(&snapshots).unwrap().map(|file| file.unwrap().path());
    // One that was being written when the node was killed is swept away at its start.
    let whole =
        files.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("tmp"));
    let newest = whole.max().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let error = Node::start(world.configs[1].clone()).err().unwrap();
    assert!(matches!(error, StartError::Snapshot(_)), "{error:?}");
    let named = std::error::Error::source(&error).unwrap().to_string();
    assert!(named.contains(newest.to_str().unwrap()), "{named}");
}
