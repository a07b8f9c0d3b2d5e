//! One random history: picks become commands, about a few small prefixes so that they meet often.

use std::net::IpAddr;

use berth_allocator::{
    AddressKind, Answer, ClaimId, Command, Envelope, Evidence, Family, FreeSuspect, Labels, Millis,
    OpenSession, Order, PoolId, PoolName, PoolRange, Rejection, ReleaseAddress, ReleasePool,
    RequestAddress, RequestPool, Reserve, Revision, SessionId, Sharing, Snapshot, SpaceSettings,
    State, Text, Timestamp, WantedPool,
};

use super::model::{Model, addresses};
use super::never_twice::NeverTwice;
use crate::world::{World, name, prefix, space};

const CLIENTS: [&str; 3] = ["alice", "bob", "carol"];
const SPACES: [&str; 5] = ["Blue", "Green", "Lan", "Slow", "Host"];
const PREFIXES: [&str; 11] = [
    "10.0.0.0/28",
    "10.0.0.0/29",
    "10.0.0.8/29",
    "10.0.0.0/30",
    "10.0.0.4/31",
    "10.0.0.9/32",
    "10.0.1.0/29",
    "fd00::/124",
    "fd00::/125",
    "fd00::8/126",
    "fd00::10/127",
];

/// The machine, a second one that is restored from a snapshot now and then, the model, and what
/// was answered.
pub(super) struct History {
    world: World,
    other: State,
    model: Model,
    never_twice: NeverTwice,
    last: Option<(Envelope, Answer)>,
    restore_in: u8,
}

/// The random numbers of one step.
struct Picks {
    numbers: [u8; 8],
    at: usize,
}

impl Picks {
    fn below(&mut self, bound: usize) -> usize {
        let number = self.numbers[self.at % 8];
        // Every number serves more than once; each time it says something else.
        self.numbers[self.at % 8] = number.wrapping_mul(89).wrapping_add(53);
        self.at += 1;
        usize::from(number) % bound.max(1)
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

fn settings(sharing: Sharing, reuse: u64) -> SpaceSettings {
    let range = |base: &str, length| PoolRange { base: base.parse().unwrap(), length };
    SpaceSettings {
        sharing,
        ranges: vec![range("10.0.0.0/27", 29), range("10.0.1.4/28", 30), range("fd00::/122", 125)],
        reuse_delay: Millis::new(reuse),
        apart: sharing == Sharing::Exclusive,
    }
}

impl History {
    pub(super) fn begin() -> Self {
        let mut history = Self {
            world: World::default(),
            other: State::new(),
            model: Model::default(),
            never_twice: NeverTwice::default(),
            last: None,
            restore_in: 0,
        };
        history.never_twice.shared = vec![space("Lan"), space("Slow")];
        history.never_twice.local = vec![space("Host")];
        let kinds = [
            (Sharing::Exclusive, 20),
            (Sharing::Exclusive, 0),
            (Sharing::Shared, 0),
            (Sharing::Shared, 20),
            (Sharing::Local, 0),
        ];
        for client in CLIENTS {
            history.world.start(client, Millis::new(0)).unwrap();
            history.model.revision += 1;
        }
        for (name, (sharing, reuse)) in SPACES.into_iter().zip(kinds) {
            let command =
                Command::CreateSpace { name: space(name), settings: settings(sharing, reuse) };
            history.tried("alice", &command).unwrap();
        }
        for (at, client) in CLIENTS.iter().cycle().take(15).enumerate() {
            let open = OpenSession { space: space(SPACES[at / 3]), known: None };
            history.tried(client, &Command::OpenSession(open)).unwrap();
        }
        history.other = history.world.state.clone();
        history
    }

    /// One step: a command that the picks choose, or the last one sent again.
    pub(super) fn step(&mut self, numbers: [u8; 8]) -> Result<(), String> {
        let mut picks = Picks { numbers, at: 0 };
        if picks.one_in(6) {
            self.world.now += picks.below(15) as u64;
            self.model.now = self.world.now;
        }
        if picks.one_in(40)
            && let Some((again, answer)) = self.last.clone()
        {
            return self.sent_again(again, &answer);
        }
        let client = picks.of(&CLIENTS);
        let command = self.command(&mut picks, client);
        self.tried(client, &command)
    }

    fn sent_again(&mut self, again: Envelope, first: &Answer) -> Result<(), String> {
        let before = self.world.state.revision();
        if self.world.deliver(again) != *first || self.world.state.revision() != before {
            return Err("a repeated command was executed again".into());
        }
        Ok(())
    }

    fn tried(&mut self, client: &str, command: &Command) -> Result<(), String> {
        let expected = self.model.execute(client, command);
        let envelope = self.world.envelope(client, command.clone());
        let answer = self.world.deliver(envelope.clone());
        let found = &answer.outcome;
        let told = found.as_ref().map_err(Rejection::code);
        if told != expected.as_ref().map_err(|code| *code) {
            return Err(format!("{client}: {command:?}\nfound {found:?}\nexpected {expected:?}"));
        }
        if let Ok(response) = found {
            self.never_twice.heard(client, command, response)?;
        }
        self.equal(&envelope)?;
        self.last = Some((envelope, answer));
        Ok(())
    }

    /// Another machine that applies the same commands is equal, restored or not.
    fn equal(&mut self, envelope: &Envelope) -> Result<(), String> {
        if self.restore_in == 0 {
            let bytes = berth_codec::encode(&self.world.state.snapshot()).unwrap();
            let snapshot: Snapshot = berth_codec::decode(&bytes).unwrap();
            self.other = State::restore(snapshot).map_err(|error| error.to_string())?;
        } else {
            let at = Timestamp::new(self.world.now);
            let commands = vec![envelope.clone()];
            self.other.apply(&berth_allocator::Batch { at, commands });
        }
        self.restore_in = (self.restore_in + 1) % 7;
        if self.other != self.world.state {
            return Err(format!("machines differ after {envelope:?}"));
        }
        if self.other.fingerprint() != self.world.state.fingerprint() {
            return Err("equal machines have different fingerprints".into());
        }
        Ok(())
    }

    fn command(&self, picks: &mut Picks, client: &str) -> Command {
        match picks.below(32) {
            0..=1 => self.open_session(picks, client),
            2..=6 => self.request_pool(picks, client),
            7 => self.release_pool(picks),
            8..=19 => self.request_address(picks),
            20..=25 => self.release_address(picks),
            26..=27 => self.free_suspect(picks, client),
            28 => self.free_pool(picks, client),
            29 => Self::reserve(picks),
            30 if picks.one_in(3) => Command::DeclareBehind,
            30 => Command::ClearBehind { pool: self.pool_id(picks) },
            _ if picks.one_in(2) => Command::ForgetHost { client: name(picks.of(&CLIENTS)) },
            _ => self.unreserve(picks),
        }
    }

    fn open_session(&self, picks: &mut Picks, client: &str) -> Command {
        let space = picks.of(&SPACES);
        let latest = self.model.latest(space, client).filter(|_| !picks.one_in(5));
        let known = latest.map(SessionId::new);
        Command::OpenSession(OpenSession { space: crate::world::space(space), known })
    }

    /// A session of the client's claimant: the latest, or any at all.
    fn session(&self, picks: &mut Picks, space: &str, client: &str) -> SessionId {
        let any: Vec<u64> = self.model.sessions.iter().map(|session| session.id).collect();
        let latest = self.model.latest(space, client).filter(|_| !picks.one_in(6));
        SessionId::new(latest.unwrap_or_else(|| picks.of(&any)))
    }

    fn request_pool(&self, picks: &mut Picks, client: &str) -> Command {
        let space = picks.of(&SPACES);
        let session = self.session(picks, space, client);
        let wanted = if picks.one_in(4) {
            WantedPool::Automatic {
                family: picks.of(&[Family::V4, Family::V4, Family::V6]),
                length: picks.of(&[None, None, Some(30), Some(127), Some(140)]),
                exclude: if picks.one_in(3) {
                    vec![prefix(picks.of(&PREFIXES))]
                } else {
                    Vec::new()
                },
                name: picks.of(&[None, Some("apps")]).map(|name| PoolName::new(name).unwrap()),
            }
        } else {
            let part = prefix(picks.of(&PREFIXES));
            let sub_pool = picks.of(&[None, Some(part)]);
            WantedPool::Exact { prefix: prefix(picks.of(&PREFIXES)), sub_pool }
        };
        let space = crate::world::space(space);
        Command::RequestPool(RequestPool { space, session, wanted, labels: Labels::default() })
    }

    /// The id of a pool that exists, under an epoch that may be over or not have begun.
    fn pool_id(&self, picks: &mut Picks) -> PoolId {
        let Some(pool) = self.model.pools.get(picks.below(self.model.pools.len())) else {
            return "Blue/10.0.0.0/29".parse().unwrap();
        };
        let epochs: Vec<u64> =
            self.model.holds.iter().filter(|h| h.pool == pool.made).map(|h| h.epoch).collect();
        let exclusive = self.model.sharing(&pool.space) == Sharing::Exclusive;
        let any: Vec<u64> = self.model.sessions.iter().map(|session| session.id).collect();
        let epoch = match picks.below(8) {
            0 => None,
            1 => Some(picks.of(&any)),
            _ => Some(picks.of(&epochs)),
        };
        let epoch = epoch.filter(|_| exclusive || picks.one_in(30)).map(SessionId::new);
        let (prefix, sub_pool) = (pool.prefix, pool.part);
        PoolId { space: space(&pool.space), epoch, prefix, sub_pool }
    }

    fn request_address(&self, picks: &mut Picks) -> Command {
        let pool = self.pool_id(picks);
        let within: Vec<IpAddr> = addresses(pool.prefix).collect();
        let address = picks.of(&within);
        let key = |name| Text::new(name).unwrap();
        Command::RequestAddress(RequestAddress {
            address: if picks.one_in(30) {
                Some("192.0.2.1".parse().unwrap())
            } else {
                picks.of(&[None, Some(address)])
            },
            kind: match picks.below(6) {
                0..=1 => AddressKind::Gateway,
                2 => AddressKind::Auxiliary,
                _ => AddressKind::Endpoint,
            },
            order: picks.of(&[Order::First, Order::Serial]),
            key: picks.of(&[None, None, None, Some(key("web")), Some(key("db"))]),
            owner: None,
            unverified: picks.one_in(3),
            pool,
        })
    }

    /// A claim that stands or cools, as a release or an observation names it: sometimes wrongly.
    fn claim(&self, picks: &mut Picks) -> (PoolId, IpAddr, ClaimId) {
        let cooling = self.model.cooling.iter().map(|cooling| &cooling.claim);
        let known: Vec<_> = self.model.claims.iter().chain(cooling).collect();
        let mut pool = self.pool_id(picks);
        let Some(claim) = known.get(picks.below(known.len())) else {
            return (pool.clone(), pool.prefix.network(), ClaimId::new(1));
        };
        let under = self.model.pools.iter().find(|p| p.made == claim.pool);
        if let Some(under) = under
            && !picks.one_in(8)
        {
            let exclusive = self.model.sharing(&under.space) == Sharing::Exclusive;
            let epoch = SessionId::new(claim.epoch);
            pool = PoolId {
                space: space(&under.space),
                epoch: Some(epoch).filter(|_| exclusive && !picks.one_in(3)),
                prefix: under.prefix,
                sub_pool: under.part,
            };
        }
        let id = if picks.one_in(8) { claim.id.saturating_sub(1) } else { claim.id };
        (pool, claim.address, ClaimId::new(id))
    }

    fn release_address(&self, picks: &mut Picks) -> Command {
        let (pool, address, claim) = self.claim(picks);
        let verify = picks.one_in(2);
        Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify })
    }

    /// A pool and a claim on it.
    fn hold(&self, picks: &mut Picks) -> (PoolId, ClaimId) {
        let mut pool = self.pool_id(picks);
        let Some(hold) = self.model.holds.get(picks.below(self.model.holds.len())) else {
            return (pool, ClaimId::new(1));
        };
        let under = self.model.pools.iter().find(|p| p.made == hold.pool).unwrap();
        let exclusive = self.model.sharing(&under.space) == Sharing::Exclusive;
        if !picks.one_in(8) {
            pool = PoolId {
                space: space(&under.space),
                epoch: exclusive.then_some(SessionId::new(hold.epoch)),
                prefix: under.prefix,
                sub_pool: under.part,
            };
        }
        (pool, ClaimId::new(hold.id))
    }

    fn release_pool(&self, picks: &mut Picks) -> Command {
        let (pool, claim) = self.hold(picks);
        Command::ReleasePool(ReleasePool { pool, claim, verify: picks.one_in(2) })
    }

    fn evidence(&self, picks: &mut Picks, pool: &PoolId, client: &str) -> Evidence {
        match picks.below(6) {
            0 => Evidence::Operator { force: false, note: None },
            1 => Evidence::Operator { force: true, note: None },
            _ => {
                let session = self.session(picks, pool.space.as_str(), client);
                let ago = if picks.one_in(3) { picks.below(60) as u64 } else { 0 };
                let began = Revision::new(self.model.revision.saturating_sub(ago));
                Evidence::Observation { session, began }
            }
        }
    }

    fn free_suspect(&self, picks: &mut Picks, client: &str) -> Command {
        let (pool, address, claim) = self.claim(picks);
        let evidence = self.evidence(picks, &pool, client);
        Command::FreeSuspect(FreeSuspect { pool, address: Some(address), claim, evidence })
    }

    fn free_pool(&self, picks: &mut Picks, client: &str) -> Command {
        let (pool, claim) = self.hold(picks);
        let evidence = self.evidence(picks, &pool, client);
        Command::FreeSuspect(FreeSuspect { pool, address: None, claim, evidence })
    }

    fn reserve(picks: &mut Picks) -> Command {
        let within: Vec<IpAddr> = addresses(prefix(picks.of(&PREFIXES))).collect();
        Command::Reserve(Reserve {
            space: space(picks.of(&SPACES)),
            first: picks.of(&within),
            last: picks.of(&within),
            note: Text::new("router").unwrap(),
            common: picks.one_in(2),
        })
    }

    fn unreserve(&self, picks: &mut Picks) -> Command {
        let reserved = self.model.reserved.get(picks.below(self.model.reserved.len()));
        match reserved {
            Some(reserved) => {
                Command::Unreserve { space: reserved.space.clone(), first: reserved.first }
            }
            None => Command::Unreserve { space: space("Lan"), first: "10.0.0.1".parse().unwrap() },
        }
    }
}
