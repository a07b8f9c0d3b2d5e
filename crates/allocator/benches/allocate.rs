//! What one dynamic allocation costs, by the size of the pool and how full it is (P7: it must not
//! depend on either).
//!
//! A pool is filled with claims, spread over it so that what is free lies scattered, up to a million
//! claims; what a larger pool lacks to its degree is reserved. Each iteration claims the lowest free
//! address and releases it again; "claim" leaves the release out of the time, and has a clock
//! reading in it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use berth_allocator::{
    AddressGrant, AddressKind, Batch, ClientName, Command, Envelope, Incarnation, Labels, Millis,
    OpenSession, Order, PoolId, Prefix, Register, ReleaseAddress, RequestAddress, RequestPool,
    Reserve, Response, Sequence, SessionId, SpaceName, SpaceSettings, State, Text, Timestamp,
    WantedPool,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Claims in one pool; beyond that, reservations stand for them.
const CLAIMS_MAX: u128 = 1_000_000;

/// A state with one client, which sends the commands.
struct Bench {
    state: State,
    pool: PoolId,
    sequence: u64,
}

impl Bench {
    fn new(prefix: &str) -> Self {
        let space = SpaceName::new("Local").expect("a name");
        let prefix: Prefix = prefix.parse().expect("a prefix");
        let pool = PoolId { space: space.clone(), epoch: None, prefix, sub_pool: None };
        let mut bench = Self { state: State::new(), pool, sequence: 0 };
        let address = Text::new("bench").expect("a text");
        bench.send(Command::Register(Register { instance: 1, address, lease: Millis::new(0) }));
        let settings = SpaceSettings::local(None);
        bench.send(Command::CreateSpace { name: space.clone(), settings });
        let open = OpenSession { space: space.clone(), known: None };
        let Response::SessionOpened(session) = bench.send(Command::OpenSession(open)) else {
            panic!("a session opens");
        };
        bench.claim_pool(space, session, prefix);
        bench
    }

    fn claim_pool(&mut self, space: SpaceName, session: SessionId, prefix: Prefix) {
        let wanted = WantedPool::Exact { prefix, sub_pool: None };
        let labels = Labels::default();
        self.send(Command::RequestPool(RequestPool { space, session, wanted, labels }));
    }

    fn send(&mut self, command: Command) -> Response {
        self.sequence += 1;
        let envelope = Envelope {
            client: ClientName::new("host").expect("a name"),
            incarnation: Incarnation::new(1),
            sequence: Sequence::new(self.sequence),
            heard: Sequence::new(self.sequence),
            command,
        };
        let batch = Batch { at: Timestamp::new(1), commands: vec![envelope] };
        let answer = self.state.apply(&batch).pop().expect("one command, one answer");
        answer.outcome.unwrap_or_else(|rejection| panic!("{rejection}"))
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

    /// Claims this many in a thousand of the pool's addresses, or of the first million, but not the
    /// last; the rest of these is free. What comes behind is reserved in the same proportion.
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

    fn claim(&mut self) -> AddressGrant {
        match self.send(self.request(None)) {
            Response::Address(granted) => granted,
            other => panic!("an address is free, not {other:?}"),
        }
    }

    fn release(&mut self, granted: &AddressGrant) {
        let (pool, address, claim) = (self.pool.clone(), granted.address, granted.claim);
        let release = ReleaseAddress { pool, address, claim, verify: false };
        black_box(self.send(Command::ReleaseAddress(release)));
    }
}

fn allocate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocate");
    for prefix in ["10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "fd00::/64"] {
        for per_mille in [0, 100, 900, 999] {
            let mut bench = Bench::new(prefix);
            bench.fill(per_mille);
            let full = format!("{prefix} {}.{} %", per_mille / 10, per_mille % 10);
            group.bench_function(BenchmarkId::new("claim", &full), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..iterations {
                        let begun = Instant::now();
                        let granted = black_box(bench.claim());
                        spent += begun.elapsed();
                        bench.release(&granted);
                    }
                    spent
                });
            });
            group.bench_function(BenchmarkId::new("claim and release", &full), |bencher| {
                bencher.iter(|| {
                    let granted = bench.claim();
                    bench.release(&granted);
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = allocate
}
criterion_main!(benches);
