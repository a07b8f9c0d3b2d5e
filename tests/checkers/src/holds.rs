//! For how long clients held what they were given, at least: from the answer, until something was
//! asked for that may have ended it.

use std::collections::HashMap;
use std::net::IpAddr;

use berth_allocator::{AddressKind, ClaimId, PoolId};

use crate::place::{Claimant, Place, Which};
use crate::{Action, Operation, Outcome, Scope};

/// One time for which an address was held.
#[derive(Debug, Clone)]
pub(crate) struct Hold<'a> {
    pub(crate) given: &'a Operation,
    pub(crate) pool: &'a PoolId,
    pub(crate) address: IpAddr,
    pub(crate) claim: Option<ClaimId>,
    /// It was asked for by its address, or as the gateway: so it may have been adopted.
    pub(crate) named: bool,
    pub(crate) gateway: bool,
    /// It was held from here on at the latest.
    pub(crate) from: u64,
    /// It was held until here at least: nothing that was asked for before may have ended it.
    pub(crate) until: u64,
}

impl<'a> Hold<'a> {
    /// What an operation was given.
    fn of(given: &'a Operation) -> Option<Self> {
        let Action::RequestAddress { pool, address: wanted, kind } = &given.action else {
            return None;
        };
        let Outcome::Address { address, claim } = given.outcome else { return None };
        let gateway = *kind == AddressKind::Gateway;
        let from = given.returned?;
        let named = wanted.is_some() || gateway;
        Some(Self { given, pool, address, claim, named, gateway, from, until: u64::MAX })
    }

    pub(crate) fn place(&self) -> Place<'a> {
        Place::of(self.given, self.pool)
    }

    pub(crate) fn which(&self) -> Which<'a> {
        Which::of(self.given, self.pool)
    }

    pub(crate) fn claimant(&self) -> Claimant<'a> {
        Claimant::of(self.given, self.pool)
    }

    /// Whether something that was asked for later, or meanwhile, may have ended it. The release of an
    /// address ends the claim that stood when it was asked for, never one that was asked for since;
    /// that of a pool, all claims under it that stand when it has its effect. None ends a claim of
    /// a later session.
    fn may_end_by(&self, end: &End<'a>) -> bool {
        let late = match end.by.action {
            Action::ReleaseAddress { .. } => end.by.invoked < self.given.invoked,
            _ => over_before(end.by, self.given),
        };
        let fenced = end.by.session < self.given.session;
        !late && (end.whoever || (!fenced && end.claimant == self.claimant()))
    }
}

/// Whether an operation had its effect before another one was asked for.
fn over_before(operation: &Operation, other: &Operation) -> bool {
    operation.outcome != Outcome::Unknown
        && operation.returned.is_some_and(|returned| returned < other.invoked)
}

/// Something that may end claims.
struct End<'a> {
    by: &'a Operation,
    claimant: Claimant<'a>,
    /// It ends anybody's.
    whoever: bool,
}

/// What may end claims, by what they are on.
#[derive(Default)]
pub(crate) struct Ends<'a> {
    addresses: HashMap<(Which<'a>, IpAddr), Vec<End<'a>>>,
    pools: HashMap<Which<'a>, Vec<End<'a>>>,
    /// Explicit requests for hosts' own pools: those of earlier sessions that overlap give way.
    yields: HashMap<Place<'a>, Vec<(&'a Operation, Which<'a>)>>,
}

impl<'a> Ends<'a> {
    pub(crate) fn of(operations: &'a [Operation]) -> Self {
        let mut ends = Self::default();
        for by in operations.iter().filter(|operation| operation.may_have_happened()) {
            let (pool, address, whoever) = match &by.action {
                Action::ReleaseAddress { pool, address } => (pool, Some(*address), false),
                Action::ReleasePool { pool } => (pool, None, false),
                Action::Free { pool, address } => (pool, *address, true),
                Action::RequestPool { space, prefix: Some(prefix), sub_pool } => {
                    let place = Place::at(by.scope, &by.host, space);
                    let wanted = Which { place, prefix: *prefix, sub_pool: *sub_pool };
                    if by.scope == Scope::Local && sub_pool.is_none() {
                        ends.yields.entry(wanted.place.clone()).or_default().push((by, wanted));
                    }
                    continue;
                }
                _ => continue,
            };
            let which = Which::of(by, pool);
            let end = End { by, claimant: Claimant::of(by, pool), whoever };
            match address {
                Some(address) => ends.addresses.entry((which, address)).or_default().push(end),
                None => ends.pools.entry(which).or_default().push(end),
            }
        }
        ends
    }

    fn on(&self, hold: &Hold<'a>) -> impl Iterator<Item = &End<'a>> {
        let which = hold.which();
        let pools = self.pools.get(&which).into_iter().flatten();
        self.addresses.get(&(which, hold.address)).into_iter().flatten().chain(pools)
    }

    /// When it may have ended first.
    fn first(&self, hold: &Hold<'a>) -> Option<u64> {
        let ends = self.on(hold).filter(|end| hold.may_end_by(end)).map(|end| end.by.invoked);
        ends.chain(self.yielded(hold.given, hold.pool)).min()
    }

    /// When a pool of a host's own may have given way, for what an operation was given of it.
    fn yielded(&self, given: &'a Operation, pool: &'a PoolId) -> Option<u64> {
        let which = Which::of(given, pool);
        let yields = self.yields.get(&which.place).into_iter().flatten();
        let gives_way = |(by, wanted): &&(&Operation, Which<'a>)| {
            let over = over_before(by, given);
            let overlaps = *wanted != which && wanted.prefix.overlaps(which.prefix);
            by.session > given.session && overlaps && !over
        };
        yields.filter(gives_way).map(|(by, _)| by.invoked).min()
    }

    /// Whether it has ended for certain: something that ends it was asked for after it was given, and
    /// was answered to be done.
    pub(crate) fn surely(&self, hold: &Hold<'a>) -> bool {
        let done = |end: &&End<'a>| {
            end.by.outcome == Outcome::Done && end.by.invoked > hold.from && hold.may_end_by(end)
        };
        let addresses = self.addresses.get(&(hold.which(), hold.address));
        addresses.into_iter().flatten().any(|end| done(&end))
    }

    /// Whether a pool that an operation was given may have ended since.
    pub(crate) fn may_have_ended(&self, given: &'a Operation, pool: &'a PoolId) -> bool {
        if self.yielded(given, pool).is_some() {
            return true;
        }
        let claimant = Claimant::of(given, pool);
        let ends = self.pools.get(&Which::of(given, pool)).into_iter().flatten();
        ends.filter(|end| end.by.invoked >= given.invoked)
            .any(|end| end.whoever || (end.claimant == claimant && end.by.session >= given.session))
    }
}

/// All times for which addresses were held, in the order in which they began.
pub(crate) fn holds<'a>(operations: &'a [Operation], ends: &Ends<'a>) -> Vec<Hold<'a>> {
    let mut holds: Vec<Hold<'a>> = operations.iter().filter_map(Hold::of).collect();
    for hold in &mut holds {
        hold.until = ends.first(hold).unwrap_or(u64::MAX);
    }
    holds.sort_by_key(|hold| hold.from);
    holds
}

/// The same, by address.
pub(crate) fn by_address<'a>(holds: Vec<Hold<'a>>) -> HashMap<(Place<'a>, IpAddr), Vec<Hold<'a>>> {
    let mut found: HashMap<_, Vec<Hold<'a>>> = HashMap::new();
    for hold in holds {
        found.entry((hold.place(), hold.address)).or_default().push(hold);
    }
    found
}
