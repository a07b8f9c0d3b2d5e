//! Commands at random, about a few small prefixes so that they meet often.

use std::net::IpAddr;

use berth_allocator::{
    AddressKind, ClaimId, Command, Evidence, Family, FreeSuspect, Labels, OpenSession, Order,
    PoolId, PoolName, ReleaseAddress, ReleasePool, RequestAddress, RequestPool, Reserve, Revision,
    SessionId, Sharing, Text, WantedPool,
};

use super::history::{CLIENTS, SPACES};
use super::model::{Model, addresses};
use crate::world::{name, prefix, space};

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

/// The random numbers of one step.
pub(super) struct Picks {
    numbers: [u8; 8],
    at: usize,
}

impl Picks {
    pub(super) fn new(numbers: [u8; 8]) -> Self {
        Self { numbers, at: 0 }
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        let number = self.numbers[self.at % 8];
        // Every number serves more than once; each time it says something else.
        self.numbers[self.at % 8] = number.wrapping_mul(89).wrapping_add(53);
        self.at += 1;
        usize::from(number) % bound.max(1)
    }

    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub(super) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// Draws commands about what the model knows.
pub(super) struct Draw<'a>(pub(super) &'a Model);

impl Draw<'_> {
    /// What a client may ask for next.
    pub(super) fn command(&self, picks: &mut Picks, client: &str) -> Command {
        match picks.below(32) {
            0..=1 => self.open_session(picks, client),
            2..=6 => self.request_pool(picks, client),
            7 => self.release_pool(picks),
            8..=19 => self.request_address(picks),
            20..=25 => self.release_address(picks),
            26..=27 => self.free_suspect(picks, client),
            28 => self.free_pool(picks, client),
            29 => Self::reserve(picks),
            30 => match picks.below(6) {
                0 => Command::DeclareBehind,
                1 => Command::ClearBehind { pool: self.pool_id(picks) },
                2..=3 => Command::Resume { space: Some(space(picks.of(&SPACES))) },
                _ => Command::Resume { space: None },
            },
            _ if picks.one_in(2) => Command::ForgetHost { client: name(picks.of(&CLIENTS)) },
            _ => self.unreserve(picks),
        }
    }

    fn open_session(&self, picks: &mut Picks, client: &str) -> Command {
        let space = picks.of(&SPACES);
        let latest = self.0.latest(space, client).filter(|_| !picks.one_in(5));
        let known = latest.map(SessionId::new);
        Command::OpenSession(OpenSession { space: crate::world::space(space), known })
    }

    /// A session of the client's claimant: the latest, or any at all.
    fn session(&self, picks: &mut Picks, space: &str, client: &str) -> SessionId {
        let any: Vec<u64> = self.0.sessions.iter().map(|session| session.id).collect();
        let latest = self.0.latest(space, client).filter(|_| !picks.one_in(6));
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
        let Some(pool) = self.0.pools.get(picks.below(self.0.pools.len())) else {
            return "Blue/10.0.0.0/29".parse().unwrap();
        };
        let epochs: Vec<u64> =
            self.0.holds.iter().filter(|h| h.pool == pool.made).map(|h| h.epoch).collect();
        let exclusive = self.0.sharing(&pool.space) == Sharing::Exclusive;
        let any: Vec<u64> = self.0.sessions.iter().map(|session| session.id).collect();
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
        let cooling = self.0.cooling.iter().map(|cooling| &cooling.claim);
        let known: Vec<_> = self.0.claims.iter().chain(cooling).collect();
        let mut pool = self.pool_id(picks);
        let Some(claim) = known.get(picks.below(known.len())) else {
            return (pool.clone(), pool.prefix.network(), ClaimId::new(1));
        };
        let under = self.0.pools.iter().find(|p| p.made == claim.pool);
        if let Some(under) = under
            && !picks.one_in(8)
        {
            let exclusive = self.0.sharing(&under.space) == Sharing::Exclusive;
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
        let Some(hold) = self.0.holds.get(picks.below(self.0.holds.len())) else {
            return (pool, ClaimId::new(1));
        };
        let under = self.0.pools.iter().find(|p| p.made == hold.pool).unwrap();
        let exclusive = self.0.sharing(&under.space) == Sharing::Exclusive;
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
                let began = Revision::new(self.0.revision.saturating_sub(ago));
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
        let reserved = self.0.reserved.get(picks.below(self.0.reserved.len()));
        match reserved {
            Some(reserved) => {
                Command::Unreserve { space: reserved.space.clone(), first: reserved.first }
            }
            None => Command::Unreserve { space: space("Lan"), first: "10.0.0.1".parse().unwrap() },
        }
    }
}
