//! Claims on addresses: rules 4 to 6.

use std::net::IpAddr;

use berth_allocator::{
    AddressGrant, AddressKind, ClaimId, Ending, Grant, Order, Prefix, ReleaseAddress,
    RequestAddress, Response, SessionId, Sharing,
};

use super::model::{
    Claim, Cooling, Expected, Hold, Model, Pool, addresses, inside, number, share_an_address,
};

/// A request, and what it is about.
struct Asked<'a> {
    client: &'a str,
    request: &'a RequestAddress,
    pool: Pool,
    hold: Hold,
    epoch: u64,
}

/// Addresses of a prefix that belong to nobody.
pub(super) fn is_edge(prefix: Prefix, address: IpAddr) -> bool {
    let (first, last) = (number(address) == prefix.first(), number(address) == prefix.last());
    if address.is_ipv4() { prefix.length() < 31 && (first || last) } else { first }
}

impl Model {
    pub(super) fn request_address(&mut self, client: &str, request: &RequestAddress) -> Expected {
        self.settings(request.pool.space.as_str()).ok_or("BERTH-0001")?;
        self.thaw(request.pool.space.as_str(), request.pool.prefix);
        let pool = self.pool(&request.pool)?;
        let hold = self.hold(&pool, client).ok_or("BERTH-0012")?;
        if hold.suspect.is_some() {
            return Err("BERTH-0017");
        }
        let epoch = request.pool.epoch.map_or(hold.epoch, SessionId::get);
        let asked = Asked { client, request, pool, hold, epoch };
        let (address, how, dynamic) = match request.address {
            Some(address) => (address, self.explicit(&asked, address)?, false),
            None => self.dynamic(&asked)?,
        };
        Ok(self.grant(&asked, address, how, dynamic))
    }

    /// What has cooled long enough is free, under a prefix that has pools and those that overlap.
    pub(super) fn thaw(&mut self, space: &str, prefix: Prefix) {
        if !self.pools.iter().any(|pool| pool.space == space && pool.prefix == prefix) {
            return;
        }
        let delay = self.settings(space).expect("it was looked up").reuse_delay.get();
        let now = self.now;
        self.cooling.retain(|c| {
            let there = c.claim.space == space && share_an_address(c.claim.prefix, prefix);
            !there || c.unverified || c.at + delay > now
        });
    }

    pub(super) fn held<'a>(
        &'a self,
        space: &'a str,
        address: IpAddr,
    ) -> impl Iterator<Item = &'a Claim> {
        self.claims.iter().filter(move |claim| claim.space == space && claim.address == address)
    }

    pub(super) fn cools(&self, space: &str, address: IpAddr) -> Option<&Cooling> {
        self.cooling.iter().find(|c| c.claim.space == space && c.claim.address == address)
    }

    fn is_free(&self, pool: &Pool, address: IpAddr) -> bool {
        !is_edge(pool.prefix, address)
            && self.reservation(&pool.space, address).is_none()
            && self.held(&pool.space, address).next().is_none()
            && self.cools(&pool.space, address).is_none()
    }

    fn explicit(&self, asked: &Asked<'_>, address: IpAddr) -> Result<Grant, &'static str> {
        let pool = &asked.pool;
        if !inside(pool.prefix, address) {
            return Err("BERTH-0013");
        }
        if self.held(&pool.space, address).next().is_some() {
            return self.take(asked, address).ok_or("BERTH-0014");
        }
        let waits = self.cools(&pool.space, address).is_some_and(|cooling| {
            if cooling.claim.pool == pool.made {
                cooling.claim.epoch > asked.epoch
            } else {
                cooling.unverified
            }
        });
        let reserved = self.reservation(&pool.space, address).is_some_and(|r| !r.common);
        if waits || reserved || is_edge(pool.prefix, address) {
            return Err("BERTH-0014");
        }
        Ok(Grant::New)
    }

    /// How an address that is held may be claimed once more.
    fn take(&self, asked: &Asked<'_>, address: IpAddr) -> Option<Grant> {
        let pool = &asked.pool;
        if self.held(&pool.space, address).any(|claim| claim.prefix != pool.prefix) {
            return None;
        }
        let own = |c: &&Claim| self.same(&pool.space, &c.client, asked.client);
        if let Some(own) = self.held(&pool.space, address).find(own) {
            let stale = own.epoch < asked.epoch;
            let suspect = own.suspect && own.epoch == asked.epoch;
            return ((stale || suspect) && own.pool == pool.made).then_some(Grant::Adopted);
        }
        let first = self.held(&pool.space, address).next()?;
        let gateways =
            first.kind == AddressKind::Gateway && asked.request.kind == AddressKind::Gateway;
        let common = self.reservation(&pool.space, address).is_some_and(|r| r.common);
        (gateways || common).then_some(Grant::Joined)
    }

    fn dynamic(&self, asked: &Asked<'_>) -> Result<(IpAddr, Grant, bool), &'static str> {
        let Asked { pool, request, .. } = asked;
        if request.kind == AddressKind::Gateway
            && let Some(known) = self.gateway(asked)
        {
            return Ok((known.0, known.1, false));
        }
        if pool.behind {
            return Err("BERTH-0018");
        }
        let part = pool.part.unwrap_or(pool.prefix);
        let cursor = self
            .cursors
            .iter()
            .find(|(space, prefix, _)| *space == pool.space && *prefix == pool.prefix)
            .map(|(_, _, cursor)| *cursor)
            .filter(|cursor| request.order == Order::Serial && part.first() <= *cursor);
        let free: Vec<IpAddr> = addresses(part).filter(|a| self.is_free(pool, *a)).collect();
        let next = free.iter().find(|a| cursor.is_some_and(|cursor| number(**a) > cursor));
        let chosen = self
            .by_key(asked, part)
            .or(next.copied())
            .or(free.first().copied())
            .or_else(|| self.oldest(pool, part, false))
            .or_else(|| self.oldest(pool, part, true).filter(|_| request.unverified));
        match chosen {
            Some(address) => Ok((address, Grant::New, true)),
            None if self.oldest(pool, part, true).is_some() => Err("BERTH-0016"),
            None => Err("BERTH-0015"),
        }
    }

    /// The gateway that the pool has; in a shared space any pool's over the prefix.
    fn gateway(&self, asked: &Asked<'_>) -> Option<(IpAddr, Grant)> {
        let pool = &asked.pool;
        let shared = self.sharing(&pool.space) == Sharing::Shared;
        let mut others: Vec<&Pool> = self
            .pools
            .iter()
            .filter(|p| shared && p.space == pool.space && p.prefix == pool.prefix)
            .filter(|p| p.gateway.is_some())
            .collect();
        others.sort_by_key(|pool| pool.part);
        let address = pool.gateway.or_else(|| others.first()?.gateway)?;
        Some((address, self.take(asked, address)?))
    }

    fn by_key(&self, asked: &Asked<'_>, part: Prefix) -> Option<IpAddr> {
        let Asked { pool, request, .. } = asked;
        let key = request.key.as_ref()?;
        let (.., address) = self
            .keys
            .iter()
            .find(|(space, prefix, k, _)| {
                *space == pool.space && *prefix == pool.prefix && k == key
            })
            .filter(|(.., address)| inside(part, *address))?;
        let good = match self.cools(&pool.space, *address) {
            Some(cooling) => {
                cooling.claim.prefix == pool.prefix
                    && (!cooling.unverified || request.unverified)
                    && self.reservation(&pool.space, *address).is_none()
            }
            None => self.is_free(pool, *address),
        };
        good.then_some(*address)
    }

    /// The cooling address that was released longest ago.
    fn oldest(&self, pool: &Pool, part: Prefix, unverified: bool) -> Option<IpAddr> {
        self.cooling
            .iter()
            .filter(|c| c.claim.space == pool.space && c.unverified == unverified)
            .filter(|c| inside(part, c.claim.address) && !is_edge(pool.prefix, c.claim.address))
            .filter(|c| self.reservation(&pool.space, c.claim.address).is_none())
            .min_by_key(|c| c.released)
            .map(|c| c.claim.address)
    }

    fn grant(&mut self, asked: &Asked<'_>, address: IpAddr, how: Grant, dynamic: bool) -> Response {
        let Asked { pool, request, hold, epoch, .. } = asked;
        let (space, prefix) = (pool.space.clone(), pool.prefix);
        if dynamic {
            self.cursors.retain(|(s, p, _)| *s != space || *p != prefix);
            self.cursors.push((space.clone(), prefix, number(address)));
        }
        if let Some(key) = &request.key {
            let here = |s: &str, p: Prefix| s == space && p == prefix;
            self.keys.retain(|(s, p, k, a)| !here(s, *p) || (k != key && *a != address));
            self.keys.push((space.clone(), prefix, key.clone(), address));
        }
        if request.kind == AddressKind::Gateway {
            self.pool_mut(pool.made).gateway = Some(address);
            if hold.epoch == *epoch {
                self.hold_mut(hold.id).gateway_due = false;
            }
        }
        let claim = Claim {
            space: space.clone(),
            prefix,
            address,
            pool: pool.made,
            client: asked.client.into(),
            epoch: *epoch,
            id: self.revision,
            since: self.now,
            kind: request.kind,
            suspect: false,
        };
        if how == Grant::Adopted {
            let shared = self.sharing(&space) == Sharing::Shared;
            let own = |c: &&mut Claim| {
                c.space == space && c.address == address && (!shared || c.client == asked.client)
            };
            let before = self.claims.iter_mut().find(own).expect("it was found before");
            *before = Claim { since: before.since, ..claim };
        } else {
            self.cooling.retain(|c| c.claim.space != space || c.claim.address != address);
            self.claims.push(claim);
        }
        Response::Address(AddressGrant {
            address,
            prefix_length: prefix.length(),
            claim: ClaimId::new(self.revision),
            how,
        })
    }

    pub(super) fn release_address(&mut self, client: &str, release: &ReleaseAddress) -> Expected {
        let pool = self.pool(&release.pool)?;
        if !inside(pool.prefix, release.address) {
            return Err("BERTH-0013");
        }
        let id = &release.pool;
        let standing = self.claims.iter().find(|claim| {
            claim.pool == pool.made
                && claim.address == release.address
                && claim.id == release.claim.get()
                && self.same(&pool.space, &claim.client, client)
                && id.epoch.is_none_or(|epoch| claim.epoch <= epoch.get())
        });
        let Some(claim) = standing.cloned() else {
            return Ok(Response::Released(Ending::Nothing));
        };
        let hold = self.hold(&pool, client);
        let deposed = hold.is_some_and(|hold| id.epoch.is_some_and(|e| e.get() < hold.epoch));
        let exclusive = self.sharing(&pool.space) == Sharing::Exclusive;
        let unverified = exclusive && (release.verify || deposed);
        self.end_claim(&claim);
        let delay = self.settings(&pool.space).expect("it was looked up").reuse_delay.get();
        let shared_on = self.held(&pool.space, claim.address).next().is_some();
        if !shared_on && (unverified || delay > 0) {
            let (released, at) = (self.revision, self.now);
            self.cooling.push(Cooling { claim, released, at, unverified });
        }
        Ok(Response::Released(Ending::Ended))
    }

    /// Ends a claim. A pool's gateway is one as long as a claim under the pool says so.
    pub(super) fn end_claim(&mut self, ended: &Claim) {
        self.claims.retain(|claim| claim.space != ended.space || claim.id != ended.id);
        let claims = &self.claims;
        for pool in &mut self.pools {
            let (space, prefix) = (&pool.space, pool.prefix);
            if *space == ended.space
                && prefix == ended.prefix
                && pool.gateway == Some(ended.address)
            {
                let still = claims.iter().any(|c| {
                    c.pool == pool.made
                        && c.address == ended.address
                        && c.kind == AddressKind::Gateway
                });
                pool.gateway = pool.gateway.filter(|_| still);
            }
        }
    }
}
