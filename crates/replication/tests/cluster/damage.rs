//! Three nodes, each damaged in another place: those that start have all that was acknowledged. A majority
//! is damaged only where a node can do without, so that there is somebody to ask.
//!
//! `BERTH_DAMAGES` says how many times, in tens (`make storage`).
#![allow(clippy::print_stdout, reason = "what was tried belongs to the record")]

#[expect(dead_code, reason = "the sweep over one node counts by kinds, this one does not")]
#[path = "../damage/damage.rs"]
mod kinds;

use std::path::PathBuf;
use std::time::Instant;

use berth_replication::{Consistency, StartError, Tuning};
use kinds::{Damage, Dice, copy, files};

use crate::world::{Client, Node, PATIENCE, World, done, soon, tuning};

/// Files that a node can do without, or has twice.
const SPARE: [&str; 4] = ["OPTIONS", "IDENTITY", "log.witness", "snapshot-"];

/// A node's data, and an earlier copy of it.
struct Kept {
    whole: tempfile::TempDir,
    older: tempfile::TempDir,
}

/// Has a cluster work through several runs, and keeps what it left and what was acknowledged.
fn kept() -> (World, Vec<Kept>, Vec<String>) {
    let mut world = World::new(&Tuning { snapshot_after: 20, log_keep: 15, ..tuning() });
    let nodes: Vec<Kept> = (0..3)
        .map(|_| Kept { whole: tempfile::tempdir().unwrap(), older: tempfile::tempdir().unwrap() })
        .collect();
    let mut spaces = Vec::new();
    for run in 0..3 {
        let client = Client::register(&format!("c{run}"), world.any());
        for number in 0..25 {
            let space = format!("s{run}-{number:02}");
            assert!(done(&world.any().propose(client.create(&space), soon()).unwrap().answer));
            spaces.push(space);
        }
        world.agree();
        (0..3).for_each(|node| world.stop(node));
        for (node, kept) in nodes.iter().enumerate() {
            let copied = if run == 1 { &kept.older } else { &kept.whole };
            if run != 0 {
                copy(&world.configs[node].data_dir, copied.path());
            }
        }
        if run < 2 {
            (0..3).for_each(|node| world.start(node));
        }
    }
    (world, nodes, spaces)
}

/// Starts a node, unless its data keep it from that. Its port may be taken for a moment.
fn start(world: &World, node: usize, dir: PathBuf) -> Result<Node, StartError> {
    let since = Instant::now();
    let mut config = world.configs[node].clone();
    config.data_dir = dir;
    loop {
        match Node::start(config.clone()) {
            Err(StartError::Listen { .. }) if since.elapsed() < PATIENCE => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            started => return started,
        }
    }
}

#[test]
fn nodes_damaged_in_different_places_lose_nothing() {
    let times =
        std::env::var("BERTH_DAMAGES").map_or(3, |times| times.parse::<u64>().unwrap() / 10);
    let (mut world, nodes, spaces) = kept();
    let mut dice = Dice(1);
    let (mut served, mut refused) = (0, 0);
    for number in 0..times {
        let dirs: Vec<_> = nodes.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let mut damages = Vec::new();
        for (node, kept) in nodes.iter().enumerate() {
            copy(kept.whole.path(), dirs[node].path());
            let mut names = files(kept.whole.path());
            // Another one each time may be damaged anywhere.
            if number % 3 != node as u64 {
                names.retain(|name| {
                    SPARE.iter().any(|spare| name.to_string_lossy().contains(spare))
                });
            }
            let damage = Damage::draw(&names, number * 7 + node as u64, &mut dice);
            damage.apply(dirs[node].path(), kept.older.path());
            match start(&world, node, dirs[node].path().to_owned()) {
                Ok(started) => drop(world.nodes.insert(node, started)),
                Err(_) => refused += 1,
            }
            damages.push(damage);
        }
        if world.nodes.len() >= 2 {
            served += 1;
            for node in world.nodes.values() {
                let found = node.spaces(Consistency::Linearizable, soon()).unwrap();
                assert_eq!(found, spaces, "{damages:?}");
            }
            let client = Client::register("again", world.any());
            assert!(done(&world.any().propose(client.create("new"), soon()).unwrap().answer));
            world.agree();
        }
        let started: Vec<usize> = world.nodes.keys().copied().collect();
        for node in started {
            world.stop(node);
        }
    }
    println!(
        "{times} clusters of damaged nodes: {served} served, {refused} nodes refused to start"
    );
    assert!(2 * served > times, "only {served} of {times} could be looked at");
}
