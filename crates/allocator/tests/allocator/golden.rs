//! The format and the behaviour, held fixed: what was written by one version must be read by all
//! that follow, and replicas of two versions must agree. The files under `tests/golden` hold every
//! command, every answer and a state as bytes (in hexadecimal) and as text.
//!
//! A change here is a change of the format or of what commands do, and needs a new version of the
//! record. Where it is meant: `UPDATE_EXPECT=1 cargo test -p berth-allocator golden`.

mod answers;

use std::fmt::Write;
use std::path::PathBuf;

use berth_allocator::{
    Batch, Command, Evidence, FreeSuspect, Level, MakeToken, Millis, Rejection, Renew, Revision,
    Role, SessionId, Snapshot, State, Text, TokenId,
};
use berth_codec::testing::golden;
use berth_codec::{Record, decode, encode};
use expect_test::expect_file;

use crate::hostile::commands;
use crate::world::{World, name, space};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A record and its bytes, after a round trip.
fn written<R: Record + PartialEq + std::fmt::Debug>(record: &R) -> String {
    let bytes = encode(record).unwrap();
    assert_eq!(decode::<R>(&bytes).unwrap(), *record);
    golden(record)
}

/// One of each variant at least, in an order in which most succeed.
fn every_command() -> Vec<Command> {
    let mut all = commands::ordinary();
    let pool = || "x/10.0.0.0/8/10.1.0.0/16".parse().unwrap();
    let observed = Evidence::Observation { session: SessionId::new(3), began: Revision::new(60) };
    let make = |hash, role, uses| {
        let note = Text::new("n4").unwrap();
        let lifetime = Some(Millis::new(3_600_000));
        Command::MakeToken(MakeToken { hash: [hash; 32], role, note, lifetime, uses })
    };
    let free = |evidence| FreeSuspect {
        pool: pool(),
        address: Some("10.1.0.0".parse().unwrap()),
        claim: berth_allocator::ClaimId::new(5),
        evidence,
    };
    all.extend([
        Command::Renew(Renew { instance: 1, lease: Millis::new(10_000) }),
        Command::UpdateSpace {
            name: space("l"),
            settings: berth_allocator::SpaceSettings::local(None),
        },
        Command::DeleteSpace { name: space("l") },
        Command::FreeSuspect(free(observed)),
        Command::FreeSuspect(free(Evidence::Operator { force: true, note: None })),
        Command::Unreserve { space: space("x"), first: "10.1.0.9".parse().unwrap() },
        Command::DeclareBehind,
        Command::ClearBehind { pool: pool() },
        Command::ReleasePool(berth_allocator::ReleasePool {
            pool: pool(),
            claim: berth_allocator::ClaimId::new(4),
            verify: true,
        }),
        Command::ForgetHost { client: name("host") },
        Command::Batch(vec![Command::DeclareBehind, Command::DeleteSpace { name: space("s") }]),
        Command::Resume { space: Some(space("x")) },
        make(1, Role::Server, Some(1)),
        make(2, Role::Read, None),
        make(3, Role::Allocate(space("x")), None),
        make(4, Role::Admin, None),
        Command::RevokeToken { token: TokenId::new(9) },
        Command::UseToken { hash: [1; 32], by: Text::new("n4").unwrap() },
        Command::RaiseLevel { to: Level::new(0) },
        Command::RaiseLevel { to: Level::FIRST },
    ]);
    all
}

#[test]
fn golden_commands() {
    let mut text = String::new();
    let mut world = World::default();
    world.now = 1_000;
    let register = crate::world::registration("host", 1, Millis::new(0));
    let mut envelopes = vec![register];
    envelopes.extend(every_command().into_iter().map(|command| world.envelope("host", command)));
    for envelope in envelopes {
        let batch = Batch { at: world.state.now(), commands: vec![envelope] };
        let command = &batch.commands[0].command;
        writeln!(text, "{command:?}\n    {}", written(&batch)).unwrap();
    }
    expect_file![file("commands.txt")].assert_eq(&text);
}

#[test]
fn golden_state() {
    let mut world = World::default();
    world.now = 1_000;
    let mut text = String::new();
    for command in every_command() {
        let outcome = world.send("host", command.clone());
        writeln!(text, "{command:?}\n    {outcome:?}").unwrap();
    }
    let snapshot = world.state.snapshot();
    let bytes = encode(&snapshot).unwrap();
    let restored = State::restore(decode::<Snapshot>(&bytes).unwrap()).unwrap();
    assert_eq!(restored, world.state);
    writeln!(text, "fingerprint {:016x}", world.state.fingerprint()).unwrap();
    writeln!(text, "snapshot {}", golden(&snapshot)).unwrap();
    expect_file![file("state.txt")].assert_eq(&text);
}

fn read(name: &str) -> State {
    let text = std::fs::read_to_string(file(name)).unwrap();
    let digits: Vec<char> = text.trim().chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
    State::restore(decode::<Snapshot>(&bytes).unwrap()).unwrap()
}

/// What the first version wrote is read, and means what it meant.
#[test]
fn a_snapshot_of_version_1_is_read() {
    let state = read("snapshot-1.txt");
    assert_eq!(state.revision().get(), 98);
    assert!(!state.is_behind() && state.spaces().all(|space| !space.behind));
    // It was declared behind, which that version knew of pools alone.
    let pools = state.spaces().flat_map(|space| state.pools(&space.name).unwrap());
    assert!(pools.filter(|pool| pool.behind).count() > 0);
}

#[test]
fn a_snapshot_of_version_2_is_read() {
    let state = read("snapshot-2.txt");
    assert!(state.is_behind() && state.spaces().any(|space| space.behind));
    assert_eq!((state.revision().get(), state.tokens().count()), (99, 0));
}

/// Only a cluster that was raised writes what its older nodes cannot read.
#[test]
fn a_snapshot_says_the_level_once_it_was_raised() {
    let mut world = World::default();
    world.send("host", Command::RaiseLevel { to: Level::FIRST }).unwrap();
    let first = encode(&world.state.snapshot()).unwrap();
    assert_eq!(first[1], 3);
    world.send("host", Command::RaiseLevel { to: Level::new(2) }).unwrap();
    let raised = encode(&world.state.snapshot()).unwrap();
    assert_eq!(raised[1], 4);
    let restored = State::restore(decode::<Snapshot>(&raised).unwrap()).unwrap();
    assert_eq!((restored.level(), &restored), (Level::new(2), &world.state));
    let lower = world.send("host", Command::RaiseLevel { to: Level::FIRST });
    assert_eq!(lower, Err(Rejection::LevelReached { level: Level::new(2) }));
    let mut written = Vec::new();
    berth_codec::write(&world.state.snapshot(), &mut written).unwrap();
    assert!(decode::<Snapshot>(&written).is_ok());
}
