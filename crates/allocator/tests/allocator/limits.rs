//! Every limit is an error that names it, and the one below it is none.
//!
//! Three cannot be reached in a test: a pool has as many holders as there are clients at most, and a
//! prefix with 2^24 claims takes gigabytes, as does a full state (whose sum is tried beside the code).

use std::collections::BTreeMap;

use berth_allocator::limits::{
    BATCH_MAX, CLIENTS_MAX, EXCLUSIONS_MAX, KEYS_PER_PREFIX_MAX, LABELS_MAX, LEASE_MS_MAX,
    NAME_BYTES_MAX, POOLS_PER_PREFIX_MAX, PREFIXES_PER_SPACE_MAX, RANGES_MAX,
    RESERVATIONS_PER_SPACE_MAX, REUSE_DELAY_MS_MAX, SESSIONS_PER_SPACE_MAX, SPACES_MAX,
    TEXT_BYTES_MAX, WINDOW_MAX,
};
use berth_allocator::{
    Batch, ClientName, Command, Family, Labels, Limit, Millis, NameError, OpenSession, PoolId,
    PoolRange, Prefix, Rejection, RequestAddress, RequestPool, Reserve, Sequence, SessionId,
    SettingsError, SpaceSettings, Text, WantedPool,
};

use crate::world::{Host, Outcome, World, plain_request, prefix, space};

/// Sends commands without a look at the invariants after each, which would take hours; the outcome
/// of the last.
fn many(world: &mut World, commands: impl Iterator<Item = Command>) -> Outcome {
    let mut last = None;
    for command in commands {
        let commands = vec![world.envelope("host", command)];
        last = world.state.apply(&Batch { at: world.state.now(), commands }).pop();
    }
    last.expect("there was a command").outcome
}

fn limit(outcome: &Outcome, expected: Limit) {
    assert_eq!(*outcome, Err(Rejection::Limit(expected)));
}

/// The `number`th prefix of this length in `10.0.0.0/8`.
fn nth(number: usize, length: u8) -> Prefix {
    let step = 1_u128 << (32 - length);
    let first = (10 << 24) + number as u128 * step;
    Prefix::of(Family::V4.address(first), length).unwrap()
}

fn exact(session: SessionId, prefix: Prefix, sub_pool: Option<Prefix>) -> Command {
    let (space, wanted) = (space("Local"), WantedPool::Exact { prefix, sub_pool });
    Command::RequestPool(RequestPool { space, session, wanted, labels: Labels::default() })
}

fn session(world: &World) -> SessionId {
    world.state.latest_session(&space("Local"), &crate::world::name("host")).unwrap()
}

#[test]
fn names_and_texts() {
    assert!(ClientName::new("n".repeat(NAME_BYTES_MAX)).is_ok());
    let long = ClientName::new("n".repeat(NAME_BYTES_MAX + 1));
    assert!(matches!(long, Err(NameError::TooLong { .. })), "{long:?}");
    assert!(Text::new("t".repeat(TEXT_BYTES_MAX)).is_ok());
    let long = Text::new("t".repeat(TEXT_BYTES_MAX + 1));
    assert!(matches!(long, Err(NameError::TooLong { .. })), "{long:?}");
    let labels = |count: usize| -> BTreeMap<Text, Text> {
        let label = |n: usize| (Text::new(n.to_string()).unwrap(), Text::new("v").unwrap());
        (0..count).map(label).collect()
    };
    assert!(Labels::new(labels(LABELS_MAX)).is_ok());
    let count = LABELS_MAX + 1;
    assert_eq!(Labels::new(labels(count)), Err(NameError::TooManyLabels { count }));
}

#[test]
fn settings() {
    let range = PoolRange { base: "10.0.0.0/8".parse().unwrap(), length: 24 };
    let ranges = |count| SpaceSettings { ranges: vec![range; count], ..SpaceSettings::local(None) };
    assert_eq!(ranges(RANGES_MAX).check(), Ok(()));
    assert_eq!(ranges(RANGES_MAX + 1).check(), Err(SettingsError::TooManyRanges));
    let reuse =
        |delay| SpaceSettings { reuse_delay: Millis::new(delay), ..SpaceSettings::local(None) };
    assert_eq!(reuse(REUSE_DELAY_MS_MAX).check(), Ok(()));
    assert_eq!(reuse(REUSE_DELAY_MS_MAX + 1).check(), Err(SettingsError::ReuseDelay));
}

#[test]
fn spaces() {
    let mut world = World::default();
    let make = |n: usize| Command::CreateSpace {
        name: space(&format!("space-{n}")),
        settings: SpaceSettings::local(None),
    };
    many(&mut world, (0..SPACES_MAX).map(make)).unwrap();
    limit(&world.send("host", make(SPACES_MAX)), Limit::Spaces);
}

#[test]
fn prefixes_in_a_space() {
    let mut world = Host::new().world;
    let session = session(&world);
    let make = |n| exact(session, nth(n, 26), None);
    many(&mut world, (0..PREFIXES_PER_SPACE_MAX).map(make)).unwrap();
    let one_more = std::iter::once(make(PREFIXES_PER_SPACE_MAX));
    limit(&many(&mut world, one_more), Limit::PrefixesPerSpace);
}

#[test]
fn pools_over_one_prefix() {
    let mut world = Host::new().world;
    let session = session(&world);
    let make = |n| exact(session, prefix("10.0.0.0/8"), Some(nth(n, 26)));
    many(&mut world, (0..POOLS_PER_PREFIX_MAX).map(make)).unwrap();
    limit(&world.send("host", make(POOLS_PER_PREFIX_MAX)), Limit::PoolsPerPrefix);
}

#[test]
fn reservations() {
    let mut world = Host::new().world;
    let make = |n| {
        let address = nth(n, 32).network();
        Command::Reserve(Reserve {
            space: space("Local"),
            first: address,
            last: address,
            note: Text::new("router").unwrap(),
            common: false,
        })
    };
    many(&mut world, (0..RESERVATIONS_PER_SPACE_MAX).map(make)).unwrap();
    limit(&world.send("host", make(RESERVATIONS_PER_SPACE_MAX)), Limit::Reservations);
}

#[test]
fn exclusions() {
    let mut world = Host::new().world;
    let session = session(&world);
    let mut ask = |count| {
        let exclude = (0..count).map(|n| nth(n, 26)).collect();
        let wanted =
            WantedPool::Automatic { family: Family::V4, length: None, exclude, name: None };
        let (space, labels) = (space("Local"), Labels::default());
        world.send("host", Command::RequestPool(RequestPool { space, session, wanted, labels }))
    };
    ask(EXCLUSIONS_MAX).unwrap();
    limit(&ask(EXCLUSIONS_MAX + 1), Limit::Exclusions);
}

#[test]
fn keys_on_a_prefix() {
    let mut host = Host::new();
    let pool: PoolId = host.pool("10.0.0.0/8", None).unwrap();
    let ask = |n: usize| {
        let key = Some(Text::new(format!("key-{n}")).unwrap());
        Command::RequestAddress(RequestAddress { key, ..plain_request(&pool, None) })
    };
    many(&mut host.world, (0..KEYS_PER_PREFIX_MAX).map(ask)).unwrap();
    let one_more = std::iter::once(ask(KEYS_PER_PREFIX_MAX));
    limit(&many(&mut host.world, one_more), Limit::KeysPerPrefix);
    many(&mut host.world, std::iter::once(ask(7))).expect("a key that is known has its place");
}

#[test]
fn clients() {
    let mut world = World::default();
    for n in 0..CLIENTS_MAX {
        let client = format!("host-{n}");
        let register = crate::world::registration(&client, 1, Millis::new(0));
        world.state.apply(&Batch { at: world.state.now(), commands: vec![register] });
    }
    limit(&world.start("one-more", Millis::new(0)), Limit::Clients);
}

#[test]
fn unheard_answers() {
    let mut world = World::default();
    for _ in 0..WINDOW_MAX {
        let mut envelope = world.envelope("host", Command::DeclareBehind);
        envelope.heard = Sequence::new(0);
        world.deliver(envelope).outcome.unwrap();
    }
    let mut envelope = world.envelope("host", Command::DeclareBehind);
    envelope.heard = Sequence::new(0);
    limit(&world.deliver(envelope.clone()).outcome, Limit::UnheardAnswers);
    envelope.heard = Sequence::new(2);
    world.deliver(envelope).outcome.expect("one answer was heard");
}

#[test]
fn commands_in_a_batch() {
    let mut world = World::default();
    let batch = |count| Command::Batch(vec![Command::DeclareBehind; count]);
    world.send("host", batch(BATCH_MAX)).unwrap();
    limit(&world.send("host", batch(BATCH_MAX + 1)), Limit::Batch);
}

#[test]
fn sessions_are_forgotten_but_for_the_latest() {
    let mut host = Host::new();
    let first = session(&host.world);
    host.world.start("other", Millis::new(0)).unwrap();
    for _ in 0..SESSIONS_PER_SPACE_MAX {
        host.world.session("other", "Local");
    }
    let latest = session(&host.world);
    assert_eq!(host.world.state.session(&space("Local"), first), None);
    assert!(host.world.state.session(&space("Local"), latest).is_some());
    let command = OpenSession { space: space("Local"), known: Some(first) };
    let refused = host.world.send("host", Command::OpenSession(command));
    assert_eq!(refused, Err(Rejection::SessionSuperseded { latest }));
    assert_eq!(host.pool("10.0.0.0/24", None), Err(Rejection::UnknownSession { session: first }));
}

#[test]
fn leases() {
    let mut world = World::default();
    world.start("host", Millis::new(LEASE_MS_MAX)).unwrap();
    limit(&world.register("host", 1, Millis::new(LEASE_MS_MAX + 1)), Limit::Lease);
}
