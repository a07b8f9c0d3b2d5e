use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;
use core::net::IpAddr;

use crate::limits::{LABELS_MAX, NAME_BYTES_MAX, STATE_BYTES_MAX, TEXT_BYTES_MAX};
use crate::{
    AddressGrant, AddressKind, Batch, Command, Envelope, Grant, Incarnation, Labels, Limit, Millis,
    OpenSession, Order, Owner, PoolId, PoolName, Prefix, Register, Rejection, ReleaseAddress,
    RequestAddress, RequestPool, Reserve, Response, Revision, Sequence, SessionId, Sharing,
    SpaceName, SpaceSettings, State, Text, Timestamp, WantedPool,
};

/// A state with one space and one client, who has heard all answers.
struct World {
    state: State,
    incarnation: Incarnation,
    sequence: u64,
}

impl World {
    /// With a space whose released addresses cool for `reuse` milliseconds.
    fn new(sharing: Sharing, reuse: u64) -> Self {
        let mut state = State::new();
        // Numbers of an old cluster are the longest.
        (state.revision, state.now) = (Revision::new(1 << 62), Timestamp::new(1 << 62));
        let mut world = Self { state, incarnation: Incarnation::new(0), sequence: 0 };
        let register = Register { instance: 1, address: text("a"), lease: Millis::new(0) };
        let registered = world.send(Command::Register(register));
        let Ok(Response::Registered(incarnation)) = registered else { panic!("{registered:?}") };
        world.incarnation = incarnation;
        let reuse_delay = Millis::new(reuse);
        let settings = SpaceSettings { sharing, reuse_delay, ..SpaceSettings::local(None) };
        world.send(Command::CreateSpace { name: space(), settings }).unwrap();
        world
    }

    fn send(&mut self, command: Command) -> Result<Response, Rejection> {
        self.sequence += 1;
        let (client, sequence) = ("host".parse().unwrap(), Sequence::new(self.sequence));
        let (incarnation, heard) = (self.incarnation, sequence);
        let commands = vec![Envelope { client, incarnation, sequence, heard, command }];
        self.state.apply(&Batch { at: self.state.now, commands }).remove(0).outcome
    }

    fn session(&mut self) -> SessionId {
        let known = self.state.latest_session(&space(), &"host".parse().unwrap());
        let opened = self.send(Command::OpenSession(OpenSession { space: space(), known }));
        let Ok(Response::SessionOpened(id)) = opened else { panic!("{opened:?}") };
        id
    }

    fn pool(&mut self, session: SessionId, whole: &str) -> Result<PoolId, Rejection> {
        let wanted = WantedPool::Exact { prefix: prefix(whole), sub_pool: None };
        let labels = Labels::default();
        self.claim_pool(RequestPool { space: space(), session, wanted, labels })
    }

    fn claim_pool(&mut self, request: RequestPool) -> Result<PoolId, Rejection> {
        match self.send(Command::RequestPool(request))? {
            Response::Pool(grant) => Ok(grant.pool),
            other => panic!("{other:?}"),
        }
    }

    fn address(&mut self, request: RequestAddress) -> Result<AddressGrant, Rejection> {
        match self.send(Command::RequestAddress(request))? {
            Response::Address(grant) => Ok(grant),
            other => panic!("{other:?}"),
        }
    }

    /// Bytes of a snapshot whose client heard all but the shortest answer.
    fn encoded(&mut self) -> u64 {
        self.send(Command::Resume { space: None }).unwrap();
        berth_codec::encode(&self.state.snapshot()).unwrap().len() as u64
    }
}

fn space() -> SpaceName {
    "Space".parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

fn longest(number: usize) -> Text {
    text(&alloc::format!("{number:0>TEXT_BYTES_MAX$}"))
}

fn labels() -> Labels {
    let labels: BTreeMap<Text, Text> = (0..LABELS_MAX).map(|n| (longest(n), longest(n))).collect();
    Labels::new(labels).unwrap()
}

fn plain(pool: &PoolId, address: Option<IpAddr>) -> RequestAddress {
    RequestAddress {
        pool: pool.clone(),
        address,
        kind: AddressKind::Endpoint,
        order: Order::First,
        key: None,
        owner: None,
        unverified: false,
    }
}

fn reserve(address: &str) -> Command {
    let (first, last) = (address.parse().unwrap(), address.parse().unwrap());
    Command::Reserve(Reserve { space: space(), first, last, note: longest(0), common: true })
}

#[test]
fn a_snapshot_is_never_longer_than_was_counted() {
    let mut world = World::new(Sharing::Shared, 1_000_000);
    let session = world.session();
    let (before, counted) = (world.encoded(), world.state.bytes);
    let name = Some(PoolName::new("n".repeat(NAME_BYTES_MAX)).unwrap());
    let wanted =
        WantedPool::Automatic { family: crate::Family::V4, length: None, exclude: vec![], name };
    let named = RequestPool { space: space(), session, wanted, labels: labels() };
    world.claim_pool(named).unwrap();
    // Offsets in it are the longest.
    let pool = world.pool(session, "::/0").unwrap();
    for number in 0..4 {
        let address = Some(alloc::format!("ffff::{number}").parse().unwrap());
        let mac = Some(longest(1));
        let owner = Some(Owner { name: Some(longest(0)), mac, labels: labels() });
        let key = Some(longest(number));
        let kind = AddressKind::Gateway;
        let request = RequestAddress { kind, key, owner, ..plain(&pool, address) };
        let granted = world.address(request).unwrap();
        let (pool, address, claim) = (pool.clone(), granted.address, granted.claim);
        if number > 0 {
            let release = ReleaseAddress { pool, address, claim, verify: false };
            world.send(Command::ReleaseAddress(release)).unwrap();
        }
    }
    world.send(reserve("fe00::")).unwrap();
    world.state.check().unwrap();
    let (length, bytes) = (world.encoded() - before, world.state.bytes - counted);
    assert!(length <= bytes, "{length} bytes, {bytes} were counted");
    assert!(length > bytes / 10 * 9, "{length} bytes, {bytes} were counted");
}

#[test]
fn a_full_state_refuses_what_is_new_and_nothing_else() {
    let mut world = World::new(Sharing::Exclusive, 0);
    let first = world.session();
    let pool = world.pool(first, "10.0.0.0/24").unwrap();
    let held = world.address(plain(&pool, None)).unwrap();
    let full = Rejection::Limit(Limit::State);
    world.state.check().unwrap();
    // Gigabytes take too long to make.
    world.state.bytes = STATE_BYTES_MAX;
    assert_eq!(world.address(plain(&pool, None)), Err(full.clone()));
    assert_eq!(world.pool(first, "10.0.1.0/24"), Err(full.clone()));
    assert_eq!(world.send(reserve("192.0.2.1")), Err(full));

    let next = world.session();
    let pool = world.pool(next, "10.0.0.0/24").unwrap();
    let again = world.address(plain(&pool, Some(held.address))).unwrap();
    assert_eq!(again.how, Grant::Adopted);
    let (address, claim) = (again.address, again.claim);
    let release = ReleaseAddress { pool: pool.clone(), address, claim, verify: false };
    world.send(Command::ReleaseAddress(release)).unwrap();
    assert!(world.state.bytes < STATE_BYTES_MAX);
    world.address(plain(&pool, None)).expect("what was released made room");
    assert_eq!(world.state.bytes, STATE_BYTES_MAX);
}

#[test]
fn the_limit_is_told_with_its_number() {
    let told = Rejection::Limit(Limit::State).to_string();
    assert!(told.contains(&STATE_BYTES_MAX.to_string()), "{told}");
}
