//! What works when nothing is broken.

use std::time::Duration;

use berth_replication::{Consistency, Deadline, Role};

use crate::world::{Client, World, done, soon, tuning};

#[test]
fn every_node_takes_commands_and_reads_what_was_answered() {
    let world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let mut expected = Vec::new();
    for round in 0..5 {
        for (number, node) in &world.nodes {
            let space = format!("s{round}{number}");
            let proposed = node.propose(client.create(&space), soon()).unwrap();
            assert!(done(&proposed.answer), "{proposed:?}");
            expected.push(space);
            // Whichever node is asked, it knows of what was answered before.
            for reader in world.nodes.values() {
                let spaces = reader.spaces(Consistency::Linearizable, soon()).unwrap();
                assert_eq!(spaces, expected);
            }
        }
    }
    world.agree();
}

#[test]
fn a_repeated_command_is_executed_once() {
    let world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let envelope = client.create("once");
    let answers: Vec<_> = world
        .nodes
        .values()
        .map(|node| node.propose(envelope.clone(), soon()).unwrap().answer)
        .collect();
    assert!(done(&answers[0]));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn commands_that_wait_together_share_entries() {
    let world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let leader = &world.nodes[&world.leader()];
    let before = leader.replica.status().last.unwrap().get();
    let envelopes: Vec<_> = (0..500).map(|number| client.create(&format!("s{number}"))).collect();
    let answers = leader.runtime.block_on(async {
        let calls = envelopes.into_iter().map(|envelope| leader.replica.propose(envelope, soon()));
        futures::future::join_all(calls).await
    });
    assert!(answers.iter().all(|answer| done(&answer.as_ref().unwrap().answer)));
    let entries = leader.replica.status().last.unwrap().get() - before;
    assert!(entries < 100, "500 commands took {entries} entries");
    world.agree();
}

#[test]
fn a_leader_that_stops_hands_over_first() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let old = world.leader();
    let node = world.nodes.remove(&old).unwrap();
    let term = node.replica.status().term;
    node.runtime.block_on(node.replica.shutdown());
    assert_eq!(node.replica.status().role, Role::Stopped);
    let id = node.replica.node();
    node.kill();
    let left = world.any();
    let status = left.wait(|status| status.leader.is_some_and(|leader| leader != id));
    assert!(status.term > term);
    // No election timeout had to pass.
    let quick = Deadline::after(Duration::from_secs(5));
    assert!(done(&left.propose(client.create("after"), quick).unwrap().answer));
    world.start(old);
    world.agree();
}

#[test]
fn the_leader_knows_how_far_its_followers_are() {
    let world = World::new(&tuning());
    Client::register("c", world.any());
    world.agree();
    let leader = &world.nodes[&world.leader()];
    let status =
        leader.wait(|status| status.members.iter().all(|member| member.matched == status.last));
    assert_eq!(status.members.len(), 3);
    for (member, config) in status.members.iter().zip(&world.configs) {
        assert_eq!((member.name.as_str(), &member.address), (config.name.as_str(), &config.listen));
        assert!(member.voter);
        let lately = member.heard.is_some_and(|heard| heard < Duration::from_secs(5));
        assert!(lately || member.node == status.node, "{member:?}");
    }
}
