//! A pool that is full to a degree, and batches of commands about it, as log entries hold them.

use berth_allocator::{
    AddressGrant, AddressKind, Answer, Batch, ClaimId, ClientName, Command, Envelope, Incarnation,
    Labels, Millis, OpenSession, Order, PoolId, Prefix, Register, ReleaseAddress, RequestAddress,
    RequestPool, Reserve, Response, Sequence, SessionId, SpaceName, SpaceSettings, State, Text,
    Timestamp, WantedPool,
};

/// Claims in one pool; beyond that, reservations stand for them.
const CLAIMS_MAX: u128 = 1_000_000;

/// A state with one client, which sends the commands.
pub struct FullPool {
    /// The state.
    pub state: State,
    pool: PoolId,
    sequence: u64,
}

impl FullPool {
    /// A pool over this prefix, of which so many in a thousand of its addresses are held, or of the first
    /// million, but not the last: what is free lies scattered. What comes behind is reserved in the same
    /// proportion.
    pub fn new(prefix: &str, per_mille: u128) -> Self {
        let space = SpaceName::new("Local").expect("a name");
        let prefix: Prefix = prefix.parse().expect("a prefix");
        let pool = PoolId { space: space.clone(), epoch: None, prefix, sub_pool: None };
        let mut full = Self { state: State::new(), pool, sequence: 0 };
        let address = Text::new("here").expect("a text");
        full.send(Command::Register(Register { instance: 1, address, lease: Millis::new(0) }));
        let settings = SpaceSettings::local(None);
        full.send(Command::CreateSpace { name: space.clone(), settings });
        let open = OpenSession { space: space.clone(), known: None };
        let Response::SessionOpened(session) = full.send(Command::OpenSession(open)) else {
            panic!("a session opens");
        };
        full.claim_pool(space, session, prefix);
        full.fill(per_mille);
        full
    }

    fn claim_pool(&mut self, space: SpaceName, session: SessionId, prefix: Prefix) {
        let wanted = WantedPool::Exact { prefix, sub_pool: None };
        let labels = Labels::default();
        self.send(Command::RequestPool(RequestPool { space, session, wanted, labels }));
    }

    fn send(&mut self, command: Command) -> Response {
        let batch = self.batch([command]);
        let answer = self.state.apply(&batch).pop().expect("one command, one answer");
        answer.outcome.unwrap_or_else(|rejection| panic!("{rejection}"))
    }

    fn batch(&mut self, commands: impl IntoIterator<Item = Command>) -> Batch {
        let commands = commands.into_iter().map(|command| self.envelope(command)).collect();
        Batch { at: Timestamp::new(1), commands }
    }

    fn envelope(&mut self, command: Command) -> Envelope {
        self.sequence += 1;
        Envelope {
            client: ClientName::new("host").expect("a name"),
            incarnation: Incarnation::new(1),
            sequence: Sequence::new(self.sequence),
            heard: Sequence::new(self.sequence),
            command,
        }
    }

    fn request(&self, offset: Option<u128>) -> Command {
        Command::RequestAddress(RequestAddress {
            pool: self.pool.clone(),
            address: offset.map(|offset| self.pool.prefix.address(offset)),
            kind: AddressKind::Endpoint,
            order: Order::First,
            key: None,
            owner: None,
            unverified: false,
        })
    }

    fn fill(&mut self, per_mille: u128) {
        let last = self.pool.prefix.last_offset();
        let claimed = last.min(CLAIMS_MAX);
        for offset in
            (1..claimed - 1).filter(|offset| (offset * per_mille) % 1_000 >= 1_000 - per_mille)
        {
            self.send(self.request(Some(offset)));
        }
        if last > claimed {
            let rest = last - claimed;
            let reserved = rest / 1_000 * per_mille + rest % 1_000 * per_mille / 1_000;
            if reserved > 0 {
                let address = |offset| self.pool.prefix.address(offset);
                let (first, last) = (address(claimed), address(claimed + reserved - 1));
                let (space, note) = (self.pool.space.clone(), Text::new("full").expect("a text"));
                let reserve = Reserve { space, first, last, note, common: false };
                self.send(Command::Reserve(reserve));
            }
        }
    }

    /// Addresses that are free.
    pub fn free(&self) -> u64 {
        let usage = self.state.pool(&self.pool).expect("the pool is there").usage;
        u64::try_from(usage.free()).unwrap_or(u64::MAX)
    }

    fn release(&self, granted: &AddressGrant) -> Command {
        let (pool, address, claim) = (self.pool.clone(), granted.address, granted.claim);
        Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify: false })
    }

    /// Requests for the lowest free address.
    pub fn requests(&mut self, count: u64) -> Batch {
        let requests: Vec<_> = (0..count).map(|_| self.request(None)).collect();
        self.batch(requests)
    }

    /// Releases of what requests were given.
    pub fn releases(&mut self, answers: &[Answer]) -> Batch {
        let releases: Vec<_> = answers.iter().map(|answer| self.release(granted(answer))).collect();
        self.batch(releases)
    }

    /// Requests, each followed by the release of what it is given.
    pub fn pairs(&mut self, count: u64) -> Batch {
        let request = self.request(None);
        // Each command is a revision, and the lowest free address is the same each time.
        let Response::Address(mut next) = self.send(request.clone()) else {
            panic!("an address is free");
        };
        let release = self.release(&next);
        self.send(release);
        let mut commands = Vec::new();
        for pair in 0..count {
            next.claim = ClaimId::new(self.state.revision().get() + 2 * pair + 1);
            commands.extend([request.clone(), self.release(&next)]);
        }
        self.batch(commands)
    }
}

fn granted(answer: &Answer) -> &AddressGrant {
    match &answer.outcome {
        Ok(Response::Address(granted)) => granted,
        other => panic!("an address is free, not {other:?}"),
    }
}
