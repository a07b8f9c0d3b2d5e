//! How the pools over one prefix behave when operations on them are done one after the other, as far
//! as their clients can tell.
//!
//! The model says which answers are possible, not which one the allocator chooses. What it cannot
//! know is kept as a doubt, and a doubt allows either answer: an operation of unknown outcome puts
//! what it touches in doubt from the moment in which it was asked for. A doubt never allows an
//! address that somebody was given to be given to another one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use berth_allocator::{AddressKind, Prefix, SessionId};

use crate::linearizable::Model;
use crate::place::Claimant;
use crate::{Action, Listed, Operation, Outcome, Scope, refusal};

/// The pools over one prefix, and operations on them.
pub(crate) struct Pools<'a> {
    pub(crate) prefix: Prefix,
    pub(crate) operations: Vec<&'a Operation>,
}

/// What is known of the pools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Books<'a> {
    pools: BTreeMap<(Option<Prefix>, Claimant<'a>), Standing>,
    held: BTreeMap<(IpAddr, Claimant<'a>), Held>,
    /// Addresses of which nobody knows whether somebody holds them.
    doubtful: BTreeSet<IpAddr>,
    /// How many further addresses may be held.
    unnamed: usize,
}

/// A claim on a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Standing {
    session: SessionId,
    /// It may have ended, or be out of service.
    doubtful: bool,
}

/// A claim on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Held {
    session: SessionId,
    sub_pool: Option<Prefix>,
    gateway: bool,
}

/// Who asks, and of which pool.
#[derive(Clone, Copy)]
struct Asking<'a> {
    claimant: Claimant<'a>,
    session: SessionId,
    sub_pool: Option<Prefix>,
}

impl<'a> Model for Pools<'a> {
    type State = Books<'a>;
    type Call = usize;

    fn first(&self) -> Books<'a> {
        Books::default()
    }

    fn step(&self, books: &Books<'a>, call: &usize) -> Option<Books<'a>> {
        let operation: &'a Operation = self.operations[*call];
        let mut after = books.clone();
        self.judge(&mut after, operation).then_some(after)
    }
}

impl<'a> Pools<'a> {
    /// Whether an operation may be answered so; the books are then those after it.
    fn judge(&self, books: &mut Books<'a>, operation: &'a Operation) -> bool {
        if let Action::RequestPool { prefix, sub_pool, .. } = &operation.action {
            return request_pool(books, operation, *prefix, *sub_pool);
        }
        let Some(pool) = operation.pool() else { return true };
        let claimant = Claimant::of(operation, pool);
        let asking = Asking { claimant, session: operation.session, sub_pool: pool.sub_pool };
        if let Outcome::Refused { code } = &operation.outcome
            && code == refusal::UNKNOWN_POOL
        {
            return books.may_be_unknown(&asking);
        }
        match &operation.action {
            Action::RequestAddress { address, kind, .. } => {
                let gateway = *kind == AddressKind::Gateway;
                self.request_address(books, &asking, *address, gateway, &operation.outcome)
            }
            Action::ReleaseAddress { address, .. } => {
                books.release_address(&asking, *address, &operation.outcome);
                true
            }
            Action::ReleasePool { .. } => {
                if operation.may_have_happened() {
                    books.release_pool(&asking);
                }
                true
            }
            Action::Free { address, .. } => {
                if operation.may_have_happened() {
                    books.free(pool.sub_pool, *address);
                }
                true
            }
            Action::List { .. } => match &operation.outcome {
                Outcome::Listed(listed) => self.listed(books, listed),
                _ => true,
            },
            Action::BeginSession { .. } | Action::RequestPool { .. } => true,
        }
    }

    fn request_address(
        &self,
        books: &mut Books<'a>,
        asking: &Asking<'a>,
        wanted: Option<IpAddr>,
        gateway: bool,
        outcome: &Outcome,
    ) -> bool {
        match outcome {
            Outcome::Address { address, .. } => {
                books.give(asking, *address, wanted.is_some() || gateway, gateway)
            }
            Outcome::Refused { code } if code == refusal::ADDRESS_IN_USE => {
                let edge = |address| {
                    let offset = self.prefix.offset(address);
                    offset.is_none_or(|offset| offset == 0 || offset == self.prefix.last_offset())
                };
                wanted.is_none_or(|address| edge(address) || books.may_be_in_use(asking, address))
            }
            Outcome::Refused { code } if code == refusal::NO_AVAILABLE_ADDRESSES => {
                books.may_be_full(asking.sub_pool.unwrap_or(self.prefix))
            }
            Outcome::Unknown => {
                match wanted {
                    Some(address) => drop(books.doubtful.insert(address)),
                    None => books.unnamed += 1,
                }
                true
            }
            _ => true,
        }
    }

    fn listed(&self, books: &Books<'a>, listed: &[Listed]) -> bool {
        let there: BTreeSet<IpAddr> = listed.iter().map(|listed| listed.address).collect();
        let inside = |address: &&IpAddr| self.prefix.offset(**address).is_some();
        let all = books
            .held
            .iter()
            .all(|((at, claimant), held)| !books.is_certain(*claimant, held) || there.contains(at));
        let known = |address: &IpAddr| books.is_held(*address) || books.doubtful.contains(address);
        all && there.iter().filter(inside).filter(|address| !known(address)).count()
            <= books.unnamed
    }
}

fn request_pool<'a>(
    books: &mut Books<'a>,
    operation: &'a Operation,
    prefix: Option<Prefix>,
    sub_pool: Option<Prefix>,
) -> bool {
    let session = operation.session;
    let whole = prefix.is_some() && sub_pool.is_none();
    if operation.scope == Scope::Local && whole && operation.may_have_happened() {
        books.give_way((sub_pool, Claimant::host(operation)), session);
    }
    match &operation.outcome {
        Outcome::Pool { pool, .. } => {
            let key = (pool.sub_pool, Claimant::of(operation, pool));
            let standing = books.pools.insert(key, Standing { session, doubtful: false });
            if standing.is_some_and(|standing| standing.doubtful) {
                // It may be a new one, in which nobody holds anything.
                books.doubt(|claimant, held| (held.sub_pool, claimant) == key);
            }
            standing.is_none_or(|standing| standing.doubtful || standing.session < session)
        }
        // Whose it would be, the id would have told: all there is to know is that it may be there.
        Outcome::Unknown if prefix.is_some() => {
            for claimant in [Claimant::REALM, Claimant::host(operation)] {
                let new = Standing { session, doubtful: true };
                books.pools.entry((sub_pool, claimant)).or_insert(new);
            }
            true
        }
        _ => true,
    }
}

impl<'a> Books<'a> {
    fn standing(&self, asking: &Asking<'a>) -> Option<&Standing> {
        self.pools.get(&(asking.sub_pool, asking.claimant))
    }

    /// Whether an address is held for certain: its holder's pool is there.
    fn is_certain(&self, holder: Claimant<'a>, held: &Held) -> bool {
        self.pools.get(&(held.sub_pool, holder)).is_some_and(|standing| !standing.doubtful)
    }

    fn may_be_unknown(&self, asking: &Asking<'a>) -> bool {
        let standing = self.standing(asking);
        standing.is_none_or(|standing| standing.doubtful || standing.session < asking.session)
    }

    fn on(&self, address: IpAddr) -> impl Iterator<Item = (Claimant<'a>, &Held)> {
        let first = (address, Claimant::REALM);
        let held = self.held.range(first..).take_while(move |((at, _), _)| *at == address);
        held.map(|((_, claimant), held)| (*claimant, held))
    }

    fn is_held(&self, address: IpAddr) -> bool {
        self.on(address).next().is_some()
    }

    /// An address is given, unless somebody holds it from whom it cannot be taken over.
    fn give(&mut self, asking: &Asking<'a>, address: IpAddr, named: bool, gateway: bool) -> bool {
        let &Asking { claimant, session, sub_pool } = asking;
        let free = self.on(address).all(|(holder, held)| {
            if !self.is_certain(holder, held) {
                true
            } else if holder == claimant {
                // A later session's claim is the same object's.
                named && held.session < session && held.sub_pool == sub_pool
            } else {
                gateway && held.gateway
            }
        });
        self.held.insert((address, claimant), Held { session, sub_pool, gateway });
        free && self.standing(asking).is_some()
    }

    /// Whether an address may be refused as in use. Of a deposed manager, and of one of several pools
    /// over one prefix, it is not known here what else is in its way.
    fn may_be_in_use(&self, asking: &Asking<'a>, address: IpAddr) -> bool {
        let Some(standing) = self.standing(asking) else { return true };
        let unclear =
            standing.doubtful || standing.session != asking.session || self.pools.len() > 1;
        let own = self.held.get(&(address, asking.claimant));
        let adoptable = own
            .is_some_and(|held| held.session < asking.session && held.sub_pool == asking.sub_pool);
        unclear
            || self.unnamed > 0
            || self.doubtful.contains(&address)
            || (self.is_held(address) && !adoptable)
    }

    /// Whether a range may be full: but for its edges, and the router's address, all is in use.
    fn may_be_full(&self, range: Prefix) -> bool {
        let inside = |address: &IpAddr| range.offset(*address).is_some();
        let held: BTreeSet<IpAddr> = self.held.keys().map(|(address, _)| *address).collect();
        let used = held.union(&self.doubtful).filter(|address| inside(address)).count();
        (used + self.unnamed + 3) as u128 > range.last_offset()
    }

    fn release_address(&mut self, asking: &Asking<'a>, address: IpAddr, outcome: &Outcome) {
        let key = (address, asking.claimant);
        let own = self
            .held
            .get(&key)
            .is_some_and(|held| held.sub_pool == asking.sub_pool && held.session <= asking.session);
        if own && matches!(outcome, Outcome::Done | Outcome::Unknown) {
            self.held.remove(&key);
            if *outcome == Outcome::Unknown {
                self.doubtful.insert(address);
            }
        }
    }

    /// A pool is released: it may be gone, or out of service with all that it holds.
    fn release_pool(&mut self, asking: &Asking<'a>) {
        let Some(standing) = self.pools.get_mut(&(asking.sub_pool, asking.claimant)) else {
            return;
        };
        if standing.session <= asking.session {
            standing.doubtful = true;
            self.doubt(|claimant, held| {
                claimant == asking.claimant && held.sub_pool == asking.sub_pool
            });
        }
    }

    /// Other pools of a host's own, of earlier sessions, may have given way to a new one.
    fn give_way(&mut self, to: (Option<Prefix>, Claimant<'a>), session: SessionId) {
        let yields = |key, standing: &Standing| key != to && standing.session < session;
        let mut yielding = BTreeSet::new();
        for (key, standing) in self.pools.iter_mut().filter(|(key, s)| yields(**key, s)) {
            standing.doubtful = true;
            yielding.insert(*key);
        }
        self.doubt(|claimant, held| yielding.contains(&(held.sub_pool, claimant)));
    }

    fn free(&mut self, sub_pool: Option<Prefix>, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.doubtful.insert(address);
            self.held.retain(|(at, _), _| *at != address);
            return;
        }
        let pools = self.pools.iter_mut().filter(|((part, _), _)| *part == sub_pool);
        pools.for_each(|(_, standing)| standing.doubtful = true);
        self.doubt(|_, held| held.sub_pool == sub_pool);
    }

    fn doubt(&mut self, chosen: impl Fn(Claimant<'a>, &Held) -> bool) {
        let doubtful = &mut self.doubtful;
        self.held.retain(|(address, claimant), held| {
            let chosen = chosen(*claimant, held);
            if chosen {
                doubtful.insert(*address);
            }
            !chosen
        });
    }
}
