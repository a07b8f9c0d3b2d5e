//! Claims on addresses (rules 4 and 5): first decided, then carried out.

use alloc::boxed::Box;
use core::net::IpAddr;

use super::Outcome;
use crate::address_set::{AddressSet, is_edge};
use crate::claim::{AddressKind, Claim, ClientNumber, Cooling, More};
use crate::limits::CLAIMS_PER_PREFIX_MAX;
use crate::offset_set::Numbers as _;
use crate::pool::Pool;
use crate::settings::Sharing;
use crate::space::Space;
use crate::{
    AddressGrant, ClaimId, Grant, InUse, Limit, PoolId, Prefix, Rejection, RequestAddress,
    Response, SessionId, State, Timestamp,
};

/// A request for an address, with what the state knows about it.
struct Claiming<'a> {
    request: &'a RequestAddress,
    client: ClientNumber,
    space: &'a Space,
    set: &'a AddressSet,
    pool: &'a Pool,
    /// Under which the address will be held: the pool id's, where it carries one, else the pool's.
    /// So an address is adopted only once its pool was claimed again.
    epoch: SessionId,
}

/// What to do for a request that can be granted.
struct Decision {
    offset: u128,
    how: Grant,
    /// The choice was ours: the cursor follows it.
    dynamic: bool,
    epoch: SessionId,
}

impl State {
    pub(super) fn request_address(
        &mut self,
        client: ClientNumber,
        request: &RequestAddress,
    ) -> Outcome {
        let now = self.now;
        let mut claiming = self.address_claiming(client, request);
        // A request that is refused thaws, too.
        if claiming.as_ref().map_or(true, |claiming| claiming.has_cooled(now)) {
            self.space_mut(&request.pool.space)?.thaw(request.pool.prefix, now);
            claiming = self.address_claiming(client, request);
        }
        let claiming = claiming?;
        let decision = match request.address {
            Some(address) => self.decide_explicit(&claiming, address)?,
            None => claiming.decide_dynamic()?,
        };
        if decision.how != Grant::Adopted {
            self.check_room()?;
        }
        let full = claiming.set.claims.len() + claiming.set.cooling.len();
        if decision.how == Grant::New && full >= CLAIMS_PER_PREFIX_MAX {
            return Err(Rejection::Limit(Limit::ClaimsPerPrefix));
        }
        let keys = &claiming.set.keys;
        if request.key.as_ref().is_some_and(|key| !keys.has_room(key, decision.offset)) {
            return Err(Rejection::Limit(Limit::KeysPerPrefix));
        }
        Ok(self.grant_address(client, request, &decision))
    }

    fn address_claiming<'a>(
        &'a self,
        client: ClientNumber,
        request: &'a RequestAddress,
    ) -> Result<Claiming<'a>, Rejection> {
        let id = &request.pool;
        let (space, set, pool) = self.find_pool(id)?;
        let unknown = || Rejection::UnknownPool { pool: Box::new(id.clone()) };
        let holding = space.holding(pool, client).ok_or_else(unknown)?;
        if holding.suspect.is_some() {
            return Err(Rejection::PoolSuspect { pool: Box::new(id.clone()) });
        }
        let epoch = id.epoch.unwrap_or(holding.epoch);
        Ok(Claiming { request, client, space, set, pool, epoch })
    }

    fn decide_explicit(
        &self,
        claiming: &Claiming<'_>,
        address: IpAddr,
    ) -> Result<Decision, Rejection> {
        let &Claiming { space, set, .. } = claiming;
        let prefix = set.prefix;
        let offset = prefix.offset(address).ok_or(Rejection::OutOfRange { address, prefix })?;
        let refused = |by| Err(Rejection::AddressInUse { address, by: Box::new(by) });
        if let Some(claim) = set.claims.get(offset) {
            return match claiming.may_take(claim, address) {
                Some(how) => Ok(claiming.decision(offset, how)),
                None => refused(self.held(claim)),
            };
        }
        if let Some(claim) = space.claim_elsewhere(prefix, address) {
            return refused(self.held(claim));
        }
        if is_edge(prefix, offset) {
            return refused(InUse::Edge);
        }
        if let Some((under, cooling)) = space.cooling(prefix, address)
            && !claiming.may_take_back(under, cooling)
        {
            let client = self.client_name(cooling.claim.client);
            return refused(InUse::Cooling { client, at: cooling.at });
        }
        match space.reservation(address) {
            Some(reserved) if !reserved.common => {
                refused(InUse::Reserved { note: reserved.note.clone() })
            }
            _ => Ok(claiming.decision(offset, Grant::New)),
        }
    }

    fn held(&self, claim: &Claim) -> InUse {
        InUse::Held {
            client: self.client_name(claim.client),
            kind: claim.kind,
            owner: claim.owner().and_then(|owner| owner.name.clone()),
            since: claim.since,
        }
    }

    fn grant_address(
        &mut self,
        client: ClientNumber,
        request: &RequestAddress,
        decision: &Decision,
    ) -> Response {
        let (revision, now) = self.current();
        let PoolId { space, prefix, sub_pool, .. } = &request.pool;
        let mut counted = self.found_space(space);
        let space = &mut *counted;
        let &Decision { offset, how, dynamic, epoch } = decision;
        let set = space.sets.get_mut(prefix).expect("the request was decided in it");
        if dynamic {
            set.cursor = Some(offset);
        }
        if let Some(key) = &request.key {
            let before = set.keys.bytes();
            set.keys.insert(key, offset);
            space.bytes = space.bytes - before + set.keys.bytes();
        }
        let pool = set.pools.get_mut(sub_pool).expect("the request was decided in it");
        let more = |owner| Box::new(More { owner: Some(owner), sharers: alloc::vec![] });
        let claim = Claim {
            id: ClaimId::new(revision),
            epoch,
            since: now,
            client,
            pool: pool.number,
            kind: request.kind,
            suspect: false,
            more: request.owner.clone().map(more),
        };
        if request.kind == AddressKind::Gateway {
            pool.gateway = Some(offset);
            let shared = space.settings.sharing == Sharing::Shared;
            let own = pool.holders.iter_mut().filter(|h| !shared || h.client == client);
            // A deposed manager's claim says nothing about its successor's replay.
            own.filter(|holding| holding.epoch == epoch).for_each(|h| h.gateway_due = false);
        }
        let granted = AddressGrant {
            address: prefix.address(offset),
            prefix_length: prefix.length(),
            claim: claim.id,
            how,
        };
        match how {
            Grant::New => space.claim(*prefix, offset, claim),
            Grant::Adopted => space.adopt(*prefix, offset, claim),
            Grant::Joined => space.join(*prefix, offset, claim),
        }
        Response::Address(granted)
    }
}

impl Claiming<'_> {
    fn has_cooled(&self, now: Timestamp) -> bool {
        self.space.has_cooled(self.set, now)
    }

    fn decision(&self, offset: u128, how: Grant) -> Decision {
        Decision { offset, how, dynamic: false, epoch: self.epoch }
    }

    /// How an address that is claimed may be claimed once more.
    fn may_take(&self, claim: &Claim, address: IpAddr) -> Option<Grant> {
        let own = claim.all().find(|claim| self.space.same_claimant(claim.client, self.client));
        if let Some(own) = own {
            let in_doubt = own.epoch < self.epoch || (own.suspect && own.epoch == self.epoch);
            #[cfg(feature = "canary")]
            let in_doubt = in_doubt || crate::canary::sins(crate::canary::Canary::BlindAdoption);
            return (in_doubt && own.pool == self.pool.number).then_some(Grant::Adopted);
        }
        let gateway =
            self.request.kind == AddressKind::Gateway && claim.kind == AddressKind::Gateway;
        let common = || self.space.reservation(address).is_some_and(|reserved| reserved.common);
        (gateway || common()).then_some(Grant::Joined)
    }

    /// Whether an explicit request may have an address that cools. Its pool claims it back, unless
    /// it was released under a later epoch; another pool waits until it is known to be unused.
    fn may_take_back(&self, under: Prefix, cooling: &Cooling) -> bool {
        let released = &cooling.claim;
        if under == self.set.prefix && released.pool == self.pool.number {
            released.epoch <= self.epoch
        } else {
            !cooling.unverified
        }
    }

    fn decide_dynamic(&self) -> Result<Decision, Rejection> {
        if self.request.kind == AddressKind::Gateway
            && let Some(decision) = self.known_gateway()
        {
            return Ok(decision);
        }
        if self.pool.behind {
            return Err(Rejection::PoolBehind { pool: Box::new(self.request.pool.clone()) });
        }
        let range = self.set.range(self.pool.sub_pool);
        let unverified = self.request.unverified;
        let prefix = self.set.prefix;
        let offset = self
            .by_key()
            .or_else(|| self.set.choose(&range, self.request.order))
            .or_else(|| self.space.longest_released(prefix, &range, false))
            .or_else(|| self.space.longest_released(prefix, &range, true).filter(|_| unverified));
        match offset {
            Some(offset) => Ok(Decision { dynamic: true, ..self.decision(offset, Grant::New) }),
            None => match self.space.waiting(prefix, &range) {
                0 => {
                    let range = self.pool.sub_pool.unwrap_or(prefix);
                    Err(Rejection::NoAvailableAddresses { range })
                }
                waiting => Err(Rejection::ObservationNeeded { waiting }),
            },
        }
    }

    /// The gateway that the pool has already, where the claimant may have it.
    fn known_gateway(&self) -> Option<Decision> {
        let shared = self.space.settings.sharing == Sharing::Shared;
        let of_others = || self.set.pools.values().find_map(|pool| pool.gateway).filter(|_| shared);
        let offset = self.pool.gateway.or_else(of_others)?;
        let claim = self.set.claims.get(offset)?;
        let how = self.may_take(claim, self.set.prefix.address(offset))?;
        Some(self.decision(offset, how))
    }

    /// The address that the key had last, if it can be given.
    fn by_key(&self) -> Option<u128> {
        let offset = self.set.keys.get(self.request.key.as_ref()?)?;
        let given = match self.set.cooling.get(offset) {
            Some(cooling) => {
                let reserved = self.space.reservation(self.set.prefix.address(offset)).is_some();
                (!cooling.unverified || self.request.unverified) && !reserved
            }
            None => !self.set.taken.contains(offset),
        };
        (given && self.set.range(self.pool.sub_pool).contains(&offset)).then_some(offset)
    }
}
