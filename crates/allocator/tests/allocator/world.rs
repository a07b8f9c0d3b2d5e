//! A state and the clients that send it commands, with the bookkeeping that each client does for
//! itself: incarnation and sequence numbers. After every command all invariants must hold.

use std::collections::BTreeMap;
use std::net::IpAddr;

use berth_allocator::{
    AddressGrant, AddressKind, Answer, Batch, ClientName, Command, Ending, Envelope, Family,
    Incarnation, Labels, Millis, OpenSession, Order, PoolGrant, PoolId, Prefix, Register,
    Rejection, ReleaseAddress, ReleasePool, RequestAddress, RequestPool, Response, Sequence,
    SessionId, Sharing, SpaceName, SpaceSettings, State, Text, Timestamp, WantedPool,
};

/// What came of a command.
pub(crate) type Outcome = Result<Response, Rejection>;

/// A state, its time, and the clients that are registered in it.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) now: u64,
    senders: BTreeMap<String, Sender>,
}

/// What a client knows of itself.
#[derive(Clone, Copy)]
struct Sender {
    instance: u128,
    incarnation: Incarnation,
    sequence: u64,
}

impl World {
    /// Sends a command, from a client that is registered at its first.
    pub(crate) fn send(&mut self, client: &str, command: Command) -> Outcome {
        let envelope = self.envelope(client, command);
        self.deliver(envelope).outcome
    }

    /// A command with the client's next sequence number; nothing below it is needed any more.
    pub(crate) fn envelope(&mut self, client: &str, command: Command) -> Envelope {
        if !self.senders.contains_key(client) {
            self.start(client, Millis::new(0)).expect("a new client may register");
        }
        let sender = self.senders.get_mut(client).expect("it was started");
        sender.sequence += 1;
        let sequence = Sequence::new(sender.sequence);
        Envelope {
            client: name(client),
            incarnation: sender.incarnation,
            sequence,
            heard: sequence,
            command,
        }
    }

    /// Executes one envelope, and checks that the state is sound.
    pub(crate) fn deliver(&mut self, envelope: Envelope) -> Answer {
        self.deliver_all(vec![envelope]).remove(0)
    }

    /// Executes envelopes as one batch, and checks that the state is sound.
    pub(crate) fn deliver_all(&mut self, commands: Vec<Envelope>) -> Vec<Answer> {
        let batch = Batch { at: Timestamp::new(self.now), commands };
        let answers = self.state.apply(&batch);
        if let Err(violation) = self.state.check() {
            panic!("{violation} after {batch:?}");
        }
        answers
    }

    /// Starts a new process of a client.
    pub(crate) fn start(&mut self, client: &str, lease: Millis) -> Outcome {
        let instance = self.senders.get(client).map_or(1, |sender| sender.instance + 1);
        self.register(client, instance, lease)
    }

    /// Registers a process of a client by its random number.
    pub(crate) fn register(&mut self, client: &str, instance: u128, lease: Millis) -> Outcome {
        let envelope = registration(client, instance, lease);
        let outcome = self.deliver(envelope).outcome;
        if let Ok(Response::Registered(incarnation)) = outcome {
            let before = self.senders.get(client).filter(|s| s.incarnation == incarnation);
            let sequence = before.map_or(0, |sender| sender.sequence);
            let sender = Sender { instance, incarnation, sequence };
            self.senders.insert(client.into(), sender);
        }
        outcome
    }

    /// Makes a space.
    pub(crate) fn space(&mut self, name: &str, settings: SpaceSettings) {
        let command = Command::CreateSpace { name: space(name), settings };
        self.send("operator", command).unwrap();
    }

    /// Opens a session that follows the claimant's latest.
    pub(crate) fn session(&mut self, client: &str, name: &str) -> SessionId {
        let space = space(name);
        let known = self.state.latest_session(&space, &self::name(client));
        match self.send(client, Command::OpenSession(OpenSession { space, known })).unwrap() {
            Response::SessionOpened(id) => id,
            other => panic!("a session was asked for, not {other:?}"),
        }
    }
}

/// One host and its local space, as the contract's cases have it: a fresh state, no reuse delay.
pub(crate) struct Host {
    pub(crate) world: World,
    pub(crate) space: &'static str,
    session: SessionId,
}

impl Host {
    /// With the default ranges of current engines.
    pub(crate) fn new() -> Self {
        Self::with(SpaceSettings::local(Some(prefix("fd00:1::/48"))))
    }

    /// With these settings.
    pub(crate) fn with(settings: SpaceSettings) -> Self {
        let mut world = World::default();
        world.space("Local", settings);
        let session = world.session("host", "Local");
        Self { world, space: "Local", session }
    }

    /// The same, with a second space.
    pub(crate) fn and(mut self, name: &'static str, sharing: Sharing) -> Self {
        let settings = SpaceSettings { sharing, ..SpaceSettings::local(None) };
        self.world.space(name, settings);
        self.session = self.world.session("host", name);
        self.space = name;
        self
    }

    /// Goes on in another space.
    pub(crate) fn within(&mut self, name: &'static str) {
        self.session = self.world.session("host", name);
        self.space = name;
    }

    /// Claims exactly this pool.
    pub(crate) fn pool(&mut self, whole: &str, part: Option<&str>) -> Result<PoolId, Rejection> {
        let sub_pool = part.map(prefix);
        self.request_pool(WantedPool::Exact { prefix: prefix(whole), sub_pool })
    }

    /// Claims an automatic pool.
    pub(crate) fn automatic(
        &mut self,
        family: Family,
        length: Option<u8>,
        exclude: &[&str],
    ) -> Result<PoolId, Rejection> {
        let exclude = exclude.iter().map(|text| prefix(text)).collect();
        self.request_pool(WantedPool::Automatic { family, length, exclude, name: None })
    }

    fn request_pool(&mut self, wanted: WantedPool) -> Result<PoolId, Rejection> {
        let request = self.pool_request(wanted);
        Ok(pool_grant(self.world.send("host", request))?.pool)
    }

    /// A request for a pool, as the host sends it.
    pub(crate) fn pool_request(&self, wanted: WantedPool) -> Command {
        let (space, session) = (space(self.space), self.session);
        Command::RequestPool(RequestPool { space, session, wanted, labels: Labels::default() })
    }

    /// Releases a pool by the claim that stands.
    pub(crate) fn release_pool(&mut self, pool: &PoolId) -> Result<Ending, Rejection> {
        let claim = self.world.state.pool_claim(pool, &name("host"))?;
        let release = ReleasePool { pool: pool.clone(), claim, verify: false };
        ending(self.world.send("host", Command::ReleasePool(release)))
    }

    /// Claims this address.
    pub(crate) fn exactly(&mut self, pool: &PoolId, address: &str) -> Result<IpAddr, Rejection> {
        self.request(pool, Some(address), Order::First)
    }

    /// Claims the lowest free address.
    pub(crate) fn any(&mut self, pool: &PoolId) -> Result<IpAddr, Rejection> {
        self.request(pool, None, Order::First)
    }

    /// Claims the next free address.
    pub(crate) fn next(&mut self, pool: &PoolId) -> Result<IpAddr, Rejection> {
        self.request(pool, None, Order::Serial)
    }

    /// Claims an address.
    pub(crate) fn request(
        &mut self,
        pool: &PoolId,
        address: Option<&str>,
        order: Order,
    ) -> Result<IpAddr, Rejection> {
        let mut request = plain_request(pool, address.map(self::address));
        request.order = order;
        let granted = self.world.send("host", Command::RequestAddress(request));
        address_grant(granted).map(|granted| {
            assert_eq!(granted.prefix_length, pool.prefix.length(), "as the pool's");
            granted.address
        })
    }

    /// Releases an address by the claim that stands, if any.
    pub(crate) fn release(&mut self, pool: &PoolId, ip: &str) -> Result<Ending, Rejection> {
        let address = address(ip);
        let claim = self.world.state.address_claim(pool, &name("host"), address)?;
        let claim = claim.unwrap_or_default();
        let release = ReleaseAddress { pool: pool.clone(), address, claim, verify: false };
        ending(self.world.send("host", Command::ReleaseAddress(release)))
    }
}

/// The registration of a process.
pub(crate) fn registration(client: &str, instance: u128, lease: Millis) -> Envelope {
    let address = Text::new(format!("{client}:{instance}")).unwrap();
    Envelope {
        client: name(client),
        incarnation: Incarnation::default(),
        sequence: Sequence::default(),
        heard: Sequence::default(),
        command: Command::Register(Register { instance, address, lease }),
    }
}

/// A request for an endpoint's address, without anything special.
pub(crate) fn plain_request(pool: &PoolId, address: Option<IpAddr>) -> RequestAddress {
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

/// The pool that was claimed.
pub(crate) fn pool_grant(outcome: Outcome) -> Result<PoolGrant, Rejection> {
    match outcome? {
        Response::Pool(grant) => Ok(*grant),
        other => panic!("a pool was asked for, not {other:?}"),
    }
}

/// The address that was claimed.
pub(crate) fn address_grant(outcome: Outcome) -> Result<AddressGrant, Rejection> {
    match outcome? {
        Response::Address(grant) => Ok(grant),
        other => panic!("an address was asked for, not {other:?}"),
    }
}

/// What a release did.
pub(crate) fn ending(outcome: Outcome) -> Result<Ending, Rejection> {
    match outcome? {
        Response::Released(ending) => Ok(ending),
        other => panic!("a release was asked for, not {other:?}"),
    }
}

/// A client's name.
pub(crate) fn name(text: &str) -> ClientName {
    ClientName::new(text).unwrap()
}

/// A space's name.
pub(crate) fn space(text: &str) -> SpaceName {
    SpaceName::new(text).unwrap()
}

/// A prefix; host bits are an error.
pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An address.
pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
