//! Bytes and commands from anywhere: no input makes the machine panic or breaks an invariant.

pub(crate) mod commands;

use berth_allocator::{Batch, Command, Snapshot, State};
use berth_codec::testing::record;
use berth_codec::{Record, decode, decode_body, encode};
use proptest::prelude::*;

use crate::world::World;

/// A small world with a bit of everything in it.
fn lived_in() -> State {
    let mut world = World::default();
    for command in commands::ordinary() {
        world.send("host", command).unwrap();
    }
    world.state
}

#[test]
fn batches_do_not_nest_until_the_stack_ends() {
    let inner = Command::Batch(vec![Command::DeclareBehind]);
    let mut world = World::default();
    let nested = world.envelope("host", Command::Batch(vec![inner]));
    let batch = Batch { at: world.state.now(), commands: vec![nested] };
    let bytes = encode(&batch).unwrap();
    assert!(decode::<Batch>(&bytes).is_err(), "a batch in a batch is refused where it is read");

    let one = world.envelope("host", Command::Batch(vec![Command::DeclareBehind]));
    let batch = Batch { at: world.state.now(), commands: vec![one] };
    let bytes = encode(&batch).unwrap();
    assert_eq!(decode::<Batch>(&bytes).unwrap(), batch);

    // Before the command stand the client's name, three numbers; then batches for ever.
    let mut body = vec![0, 1, 1, b'h', 0, 1, 1];
    body.extend(std::iter::repeat_n([16, 1], 1_000_000).flatten());
    assert!(decode::<Batch>(&record::<Batch>(&body)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_a_batch_or_an_error(body in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(batch) = decode::<Batch>(&record::<Batch>(&body)) {
            lived_in().apply(&batch);
        }
        let _ = decode_body::<Batch>(Batch::KIND, &body);
    }

    #[test]
    fn a_damaged_batch_is_harmless(
        at in any::<prop::sample::Index>(),
        damage in any::<u8>(),
        command in commands::arbitrary(),
    ) {
        let mut world = World::default();
        let commands = vec![world.envelope("host", command)];
        let bytes = encode(&Batch { at: world.state.now(), commands }).unwrap();
        let mut body = bytes[2..bytes.len() - 4].to_vec();
        let at = at.index(body.len());
        body[at] = damage;
        if let Ok(batch) = decode::<Batch>(&record::<Batch>(&body)) {
            let mut state = lived_in();
            state.apply(&batch);
            prop_assert_eq!(state.check(), Ok(()));
        }
    }

    #[test]
    fn a_damaged_snapshot_is_a_sound_state_or_an_error(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        commands in prop::collection::vec(commands::arbitrary(), 1..8),
    ) {
        let bytes = encode(&lived_in().snapshot()).unwrap();
        let mut body = bytes[2..bytes.len() - 4].to_vec();
        for (at, damage) in damages {
            let at = at.index(body.len());
            body[at] = damage;
        }
        let Ok(snapshot) = decode::<Snapshot>(&record::<Snapshot>(&body)) else { return Ok(()) };
        let Ok(state) = State::restore(snapshot) else { return Ok(()) };
        let mut world = World::default();
        world.state = state;
        let _ = world.start("host", berth_allocator::Millis::new(0));
        look_everywhere(&world.state);
        for command in commands {
            let _ = world.start("host", berth_allocator::Millis::new(0));
            let _ = world.send("host", command);
        }
        look_everywhere(&world.state);
    }

    #[test]
    fn extreme_commands_are_answered(commands in prop::collection::vec(commands::arbitrary(), 1..40)) {
        let mut world = World::default();
        for command in commands::ordinary().into_iter().chain(commands) {
            let _ = world.send("host", command);
        }
        look_everywhere(&world.state);
    }
}

/// Every read, on whatever is there.
fn look_everywhere(state: &State) {
    for space in state.spaces() {
        for pool in state.pools(&space.name).unwrap() {
            assert!(pool.usage.free() <= pool.usage.size);
            for view in state.addresses(&pool.id).unwrap() {
                assert!(!state.find(view.address).is_empty());
            }
            state.find(pool.id.prefix.network());
        }
    }
}
