//! What holds when nodes die.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use berth_replication::{Consistency, Deadline, ProposeError, ReadError, Tuning};

use crate::world::{Client, World, done, soon, tuning};

fn small_log() -> Tuning {
    Tuning { snapshot_after: 20, log_keep: 5, ..tuning() }
}

#[test]
fn the_cluster_outlives_its_leader() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    for round in 0..3 {
        let envelope = client.create(&format!("before{round}"));
        assert!(done(&world.any().propose(envelope, soon()).unwrap().answer));
        let leader = world.leader();
        world.kill(leader);
        let since = Instant::now();
        let envelope = client.create(&format!("without{round}"));
        assert!(done(&world.any().propose(envelope, soon()).unwrap().answer));
        assert!(since.elapsed() < Duration::from_secs(5), "it took {:?}", since.elapsed());
        world.start(leader);
    }
    let spaces = world.any().spaces(Consistency::Linearizable, soon()).unwrap();
    assert_eq!(spaces.len(), 6);
    world.agree();
}

#[test]
fn a_node_that_missed_much_gets_a_snapshot() {
    let mut world = World::new(&small_log());
    let client = Client::register("c", world.any());
    let away = world.follower();
    world.kill(away);
    for number in 0..100 {
        let envelope = client.create(&format!("s{number}"));
        assert!(done(&world.any().propose(envelope, soon()).unwrap().answer));
    }
    let purged = world.any().wait(|status| status.purged.is_some_and(|index| index.get() > 50));
    world.start(away);
    world.agree();
    let caught_up = world.nodes[&away].replica.status();
    assert!(caught_up.snapshot >= purged.purged, "{caught_up:?}");
    // What was installed is durable.
    world.kill(away);
    world.start(away);
    world.agree();
}

#[test]
fn what_was_answered_survives_the_death_of_all_nodes() {
    let mut world = World::new(&small_log());
    let client = Client::register("c", world.any());
    for round in 0..3 {
        for number in 0..15 {
            let envelope = client.create(&format!("s{round}-{number}"));
            assert!(done(&world.any().propose(envelope, soon()).unwrap().answer));
        }
        (0..3).for_each(|node| world.kill(node));
        (0..3).for_each(|node| world.start(node));
        let spaces = world.any().spaces(Consistency::Linearizable, soon()).unwrap();
        assert_eq!(spaces.len(), (round + 1) * 15);
        world.agree();
    }
}

#[test]
fn without_a_quorum_nothing_is_executed_and_stale_reads_work() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    assert!(done(&world.any().propose(client.create("kept"), soon()).unwrap().answer));
    world.agree();
    world.kill(world.follower());
    world.kill(world.follower());
    let alone = world.any();
    let patience = Duration::from_secs(3);
    // The first may be in the log of a leader that has not noticed yet: that is unknown. Once it
    // has noticed, it is not.
    let first = alone.propose(client.create("doubtful"), Deadline::after(patience));
    assert!(first.is_err(), "{first:?}");
    // Whose deadline passes in the midst of an attempt is not told either: another one is, soon.
    let refused = (1..=10).map(|number| format!("refused-{number}")).find(|name| {
        let outcome = alone.propose(client.create(name), Deadline::after(patience));
        match outcome.expect_err("there is no quorum") {
            ProposeError::NotExecuted(_) => true,
            ProposeError::Unknown { .. } => false,
        }
    });
    let refused = refused.expect("without a quorum a command is refused");
    let read = alone.spaces(Consistency::Linearizable, Deadline::after(patience));
    let expected = [ReadError::NoQuorum, ReadError::NoLeader];
    assert!(read.as_ref().is_err_and(|error| expected.contains(error)), "{read:?}");
    assert_eq!(alone.spaces(Consistency::Stale, soon()).unwrap(), ["kept"]);

    let missing: Vec<usize> = (0..3).filter(|node| !world.nodes.contains_key(node)).collect();
    for node in missing {
        world.start(node);
    }
    assert!(done(&world.any().propose(client.create("again"), soon()).unwrap().answer));
    let spaces = world.any().spaces(Consistency::Linearizable, soon()).unwrap();
    assert!(!spaces.contains(&refused), "{spaces:?}");
    world.agree();
}

/// Clients on all nodes, while leaders are killed and started again: what was acknowledged is
/// there, what was called not executed is not.
#[test]
fn nothing_acknowledged_is_lost_while_leaders_die() {
    let mut world = World::new(&small_log());
    let clients: Vec<_> =
        (0..4).map(|number| Client::register(&format!("c{number}"), world.any())).collect();
    let (mut acknowledged, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..3 {
        let victim = world.leader();
        let dead = AtomicBool::new(false);
        let killed = world.nodes.remove(&victim).unwrap();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = clients
                .iter()
                .enumerate()
                .map(|(number, client)| {
                    let node = world.nodes.values().nth(number % 2).unwrap();
                    let dead = &dead;
                    scope.spawn(move || {
                        let mut outcomes = Vec::new();
                        let mut after = 0;
                        for step in 0.. {
                            let space = format!("s{round}-{number}-{step}");
                            let outcome = node.propose(client.create(&space), soon());
                            outcomes.push((space, outcome));
                            after += usize::from(dead.load(Ordering::Relaxed));
                            if after == 10 {
                                break;
                            }
                        }
                        outcomes
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(150));
            killed.kill();
            dead.store(true, Ordering::Relaxed);
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        for (space, outcome) in outcomes {
            match outcome {
                Ok(proposed) => {
                    assert!(done(&proposed.answer), "{space}: {proposed:?}");
                    acknowledged.insert(space);
                }
                Err(ProposeError::NotExecuted(_)) => {
                    refused.insert(space);
                }
                Err(ProposeError::Unknown { .. }) => {}
            }
        }
        world.start(victim);
    }
    let spaces = world.any().spaces(Consistency::Linearizable, soon()).unwrap();
    let spaces: BTreeSet<String> = spaces.into_iter().collect();
    assert!(acknowledged.is_subset(&spaces), "{:?}", acknowledged.difference(&spaces));
    assert!(refused.is_disjoint(&spaces), "{:?}", refused.intersection(&spaces));
    assert!(acknowledged.len() > 100, "only {} were acknowledged", acknowledged.len());
    world.agree();
}
