//! What one dynamic allocation costs, by the size of the pool and how full it is (P7: it must not
//! depend on either).
//!
//! A pool is filled with claims, spread over it so that what is free lies scattered, up to a million
//! claims; what a larger pool lacks to its degree is reserved. "claim" is a batch of requests for the
//! lowest free address, as a log entry holds them; "claim and release" has the release of each behind
//! it. Commands are made before the time begins.

use std::hint::black_box;
use std::time::{Duration, Instant};

use berth_allocator::{
    AddressGrant, AddressKind, Answer, Batch, ClaimId, ClientName, Command, Ending, Envelope,
    Incarnation, Labels, Millis, OpenSession, Order, PoolId, Prefix, Register, ReleaseAddress,
    RequestAddress, RequestPool, Reserve, Response, Sequence, SessionId, SpaceName, SpaceSettings,
    State, Text, Timestamp, WantedPool,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Requests in one batch.
const BATCH: u64 = 64;
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

    /// Addresses that are free.
    fn free(&self) -> u64 {
        let usage = self.state.pool(&self.pool).expect("the pool is there").usage;
        u64::try_from(usage.free()).unwrap_or(u64::MAX)
    }

    fn release(&self, granted: &AddressGrant) -> Command {
        let (pool, address, claim) = (self.pool.clone(), granted.address, granted.claim);
        Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify: false })
    }

    /// The time that this many requests take, which are released again.
    fn claims(&mut self, count: u64) -> Duration {
        let requests = self.batch((0..count).map(|_| self.request(None)).collect::<Vec<_>>());
        let begun = Instant::now();
        let answers = black_box(self.state.apply(black_box(&requests)));
        let spent = begun.elapsed();
        let releases: Vec<_> = answers.iter().map(|answer| self.release(granted(answer))).collect();
        let releases = self.batch(releases);
        self.state.apply(&releases).iter().for_each(|answer| assert!(answer.outcome.is_ok()));
        spent
    }

    /// The time that this many requests take, each released before the next.
    fn pairs(&mut self, count: u64) -> Duration {
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
        let commands = self.batch(commands);
        let begun = Instant::now();
        let answers = black_box(self.state.apply(black_box(&commands)));
        let spent = begun.elapsed();
        let ended = Ok(Response::Released(Ending::Ended));
        assert!(answers.iter().skip(1).step_by(2).all(|answer| answer.outcome == ended));
        spent
    }
}

fn granted(answer: &Answer) -> &AddressGrant {
    match &answer.outcome {
        Ok(Response::Address(granted)) => granted,
        other => panic!("an address is free, not {other:?}"),
    }
}

fn allocate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocate");
    for prefix in ["10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "fd00::/64"] {
        for per_mille in [0, 100, 900, 999] {
            let mut bench = Bench::new(prefix);
            bench.fill(per_mille);
            let full = format!("{prefix} {}.{} %", per_mille / 10, per_mille % 10);
            let at_once = bench.free().min(BATCH);
            group.bench_function(BenchmarkId::new("claim", &full), |bencher| {
                bencher.iter_custom(|iterations| {
                    in_batches(iterations, at_once, |count| bench.claims(count))
                });
            });
            group.bench_function(BenchmarkId::new("claim and release", &full), |bencher| {
                bencher.iter_custom(|iterations| {
                    in_batches(iterations, BATCH, |count| bench.pairs(count))
                });
            });
        }
    }
    group.finish();
}

/// The time for so many, in batches of a size.
fn in_batches(mut left: u64, size: u64, mut run: impl FnMut(u64) -> Duration) -> Duration {
    let mut spent = Duration::ZERO;
    while left > 0 {
        let count = left.min(size);
        spent += run(count);
        left -= count;
    }
    spent
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = allocate
}
criterion_main!(benches);
