//! Backups of a cluster that serves, and clusters that begin with one.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use berth_allocator::{Command, Envelope, Rejection, State};
use berth_replication::{
    BackupFile, BackupInfo, Clock, Config, Consistency, Deadline, NotExecuted, ProposeError,
    Restore, Restored, StartError, SystemClock, restore,
};

use crate::ports::free_ports;
use crate::world::{Client, Node, World, done, member, soon, tuning};

fn back_up(node: &Node, file: &Path) -> BackupInfo {
    let backup = node.runtime.block_on(node.replica.backup(soon())).unwrap();
    backup.write(&mut fs::File::create(file).unwrap()).unwrap()
}

/// The same members, with other addresses, whose files are in `dir`.
fn anew(configs: &[Config], dir: &Path) -> Vec<Config> {
    let ports = free_ports(configs.len());
    let named = configs.iter().zip(&ports);
    let members: Vec<_> = named
        .map(|(config, port)| member(config.name.as_str(), &format!("127.0.0.1:{port}")))
        .collect();
    let config = |(config, own): (&Config, &berth_replication::Member)| Config {
        members: members.clone(),
        listen: own.address.clone(),
        data_dir: dir.join(config.name.as_str()),
        ..config.clone()
    };
    configs.iter().zip(&members).map(config).collect()
}

fn restore_into(config: &Config, file: &Path, first: Option<&Restored>) -> Restored {
    let wanted = Restore {
        file: file.to_owned(),
        cluster: config.cluster.clone(),
        name: config.name.clone(),
        members: config.members.clone(),
        data_dir: config.data_dir.clone(),
        restoration: first.map(|first| first.restoration),
        now: SystemClock.now(),
    };
    restore(&wanted).unwrap()
}

fn restore_all(configs: &[Config], file: &Path) -> Restored {
    let first = restore_into(&configs[0], file, None);
    for config in &configs[1..] {
        let other = restore_into(config, file, Some(&first));
        assert_eq!(other.cluster, first.cluster);
    }
    first
}

fn behind(node: &Node) -> bool {
    let read = node.replica.read(Consistency::Linearizable, soon(), State::is_behind);
    node.runtime.block_on(read).unwrap().value
}

#[test]
fn a_backup_of_a_cluster_that_serves_begins_another_one() {
    let world = World::new(&tuning());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    let client = Client::register("c", world.any());
    let stop = AtomicBool::new(false);
    let (leader, follower) = (world.leader(), world.follower());
    // Made beside commands, by a node that does not lead: all that was answered before is in it.
    let (info, answered, in_all) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let command = client.create(&format!("s{number}"));
                assert!(done(&world.nodes[&leader].propose(command, soon()).unwrap().answer));
                number += 1;
            }
            number
        });
        let spaces = || {
            let node = &world.nodes[&leader];
            node.spaces(Consistency::Stale, soon()).unwrap().len()
        };
        while spaces() < 20 {
            thread::sleep(Duration::from_millis(1));
        }
        let answered = spaces() - 1;
        let info = back_up(&world.nodes[&follower], &file);
        while spaces() < answered + 20 {
            thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        (info, answered, writer.join().unwrap())
    });
    let kept = BackupFile::open(&file).unwrap();
    assert_eq!(kept.info(), info);
    let spaces = kept.state().spaces().count();
    assert!((answered..in_all).contains(&spaces), "{answered} <= {spaces} < {in_all}");

    let configs = anew(&world.configs, dir.path());
    let restored = restore_all(&configs, &file);
    let nodes: Vec<Node> = configs.iter().map(|c| Node::start(c.clone()).unwrap()).collect();
    for node in &nodes {
        assert_eq!(node.spaces(Consistency::Linearizable, soon()).unwrap().len(), spaces);
        assert!(behind(node));
        assert_eq!(node.replica.cluster(), restored.cluster);
    }
    let taken = client.create("s0");
    let refused = nodes[0].propose(taken, soon()).unwrap().answer;
    assert!(matches!(refused.outcome, Err(Rejection::SpaceExists { .. })), "{refused:?}");
    assert!(refused.revision > restored.revision);
    // What was executed before the backup still is.
    let again = client.create("anew");
    assert!(done(&nodes[1].propose(again, soon()).unwrap().answer));
    let resume = Command::Resume { space: None };
    let resume = Envelope { command: resume, ..client.create("x") };
    assert!(done(&nodes[2].propose(resume, soon()).unwrap().answer));
    assert!(!behind(&nodes[0]));
    for node in nodes {
        node.kill();
    }
}

#[test]
fn nodes_of_the_old_cluster_and_empty_ones_are_no_members_of_the_restored_one() {
    let mut world = World::new(&tuning());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    back_up(world.any(), &file);
    let mut configs = anew(&world.configs, dir.path());
    restore_all(&configs, &file);
    // The third member is started on what it had in the old cluster, and then on nothing.
    let own = configs[2].data_dir.clone();
    world.stop(2);
    let empty = dir.path().join("empty");
    for data_dir in [world.configs[2].data_dir.clone(), empty] {
        let mut nodes: Vec<Node> =
            configs[..2].iter().map(|c| Node::start(c.clone()).unwrap()).collect();
        configs[2].data_dir = data_dir;
        let stranger = Node::start(configs[2].clone()).unwrap();
        let client = Client::register("c", &nodes[0]);
        let patience = Deadline::after(Duration::from_secs(2));
        let refused = stranger.propose(client.create("stolen"), patience).unwrap_err();
        // One that knows a leader of old is turned away there.
        let alone = matches!(
            refused,
            ProposeError::NotExecuted(NotExecuted::NoLeader | NotExecuted::Unreachable { .. })
        );
        assert!(alone, "{refused}");
        stranger.kill();
        nodes.drain(..).for_each(Node::kill);
        thread::sleep(Duration::from_millis(100));
    }
    // On what was restored it is one.
    configs[2].data_dir = own;
    let nodes: Vec<Node> = configs[1..].iter().map(start_again).collect();
    let client = Client::register("d", &nodes[1]);
    assert!(done(&nodes[1].propose(client.create("mine"), soon()).unwrap().answer));
    nodes.into_iter().for_each(Node::kill);
}

/// Starts a node once its files are let go of.
fn start_again(config: &Config) -> Node {
    for _ in 0..500 {
        match Node::start(config.clone()) {
            Ok(node) => return node,
            Err(StartError::Directory(_) | StartError::Store(_) | StartError::Listen { .. }) => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("its files stay open");
}

#[test]
fn a_restored_directory_without_its_snapshot_does_not_begin_with_nothing() {
    let world = World::new(&tuning());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    back_up(world.any(), &file);
    let configs = anew(&world.configs[..1], dir.path());
    restore_into(&configs[0], &file, None);
    fs::remove_dir_all(configs[0].data_dir.join("snapshots")).unwrap();
    let refused = Node::start(configs[0].clone()).err().unwrap();
    assert!(matches!(refused, StartError::Snapshot(_)), "{refused:?}");
    fs::remove_file(configs[0].data_dir.join("berth.origin")).unwrap();
    let refused = Node::start(configs[0].clone()).err().unwrap();
    assert!(matches!(refused, StartError::Directory(_)), "{refused:?}");
}

#[test]
fn all_nodes_have_one_fingerprint_at_a_mark() {
    let world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                world.any().propose(client.create(&format!("s{number}")), soon()).unwrap();
            }
        });
        for marker in world.nodes.values() {
            let mark = marker.runtime.block_on(marker.replica.mark(soon())).unwrap();
            let prints: Vec<_> = world
                .nodes
                .values()
                .map(|node| {
                    let at = node.replica.fingerprint_at(mark, soon());
                    node.runtime.block_on(at).unwrap()
                })
                .collect();
            assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
            assert_eq!(prints[0].applied, mark);
            let earlier = berth_replication::LogIndex::new(mark.get() - 1);
            marker.runtime.block_on(marker.replica.fingerprint_at(earlier, soon())).unwrap_err();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
