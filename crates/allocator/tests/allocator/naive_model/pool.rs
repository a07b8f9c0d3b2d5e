//! Claims on pools: rules 3 and 8.

use berth_allocator::{
    ClaimId, Ending, Family, Grant, PoolGrant, PoolId, Prefix, ReleasePool, RequestPool, Response,
    Sharing, WantedPool,
};

use super::model::{Claim, Expected, Hold, Model, Pool, number, share_an_address};

impl Model {
    /// The pool that an id names.
    pub(super) fn pool(&self, id: &PoolId) -> Result<Pool, &'static str> {
        let space = id.space.as_str();
        self.settings(space).ok_or("BERTH-0001")?;
        if id.epoch.is_some() && self.sharing(space) != Sharing::Exclusive {
            return Err("BERTH-0012");
        }
        let named = |p: &&Pool| p.space == space && p.prefix == id.prefix && p.part == id.sub_pool;
        let pool = self.pools.iter().find(named).cloned().ok_or("BERTH-0012")?;
        let claimed_by = |epoch: u64| {
            self.holds.iter().any(|hold| hold.pool == pool.made && hold.epoch >= epoch)
        };
        match id.epoch {
            Some(epoch) if !claimed_by(epoch.get()) => Err("BERTH-0012"),
            _ => Ok(pool),
        }
    }

    pub(super) fn pool_mut(&mut self, made: u64) -> &mut Pool {
        self.pools.iter_mut().find(|pool| pool.made == made).expect("it was found before")
    }

    /// What a client's claimant holds of a pool.
    pub(super) fn hold(&self, pool: &Pool, client: &str) -> Option<Hold> {
        let own = |h: &&Hold| h.pool == pool.made && self.same(&pool.space, &h.client, client);
        self.holds.iter().find(own).cloned()
    }

    pub(super) fn hold_mut(&mut self, id: u64) -> &mut Hold {
        self.holds.iter_mut().find(|hold| hold.id == id).expect("it was found before")
    }

    pub(super) fn request_pool(&mut self, client: &str, request: &RequestPool) -> Expected {
        let (space, session) = (request.space.as_str(), request.session.get());
        self.settings(space).ok_or("BERTH-0001")?;
        let open = self
            .sessions
            .iter()
            .any(|s| s.space == space && s.id == session && self.same(space, &s.client, client));
        if !open {
            return Err("BERTH-0007");
        }
        let shared = self.sharing(space) == Sharing::Shared;
        let (prefix, sub_pool, name) = match &request.wanted {
            WantedPool::Exact { prefix, sub_pool: None } => (*prefix, None, None),
            WantedPool::Exact { prefix, sub_pool: Some(part) } => {
                if !share_an_address(*prefix, *part) {
                    return Err("BERTH-0008");
                }
                let longer = if part.length() > prefix.length() { *part } else { *prefix };
                (*prefix, Some(longer), None)
            }
            WantedPool::Automatic { family, length, exclude, name } => {
                let named = self.pools.iter().find(|p| {
                    p.space == space
                        && p.prefix.family() == *family
                        && name.is_some()
                        && p.name == *name
                });
                let prefix = match named {
                    Some(pool) if shared => pool.prefix,
                    _ if exclude.len() <= 1_024 && self.restored(space).is_some() => {
                        return Err("BERTH-0018");
                    }
                    _ => self.free_block(space, *family, *length, exclude)?,
                };
                (prefix, None, name.clone().filter(|_| shared))
            }
        };
        let id = PoolId { space: request.space.clone(), epoch: None, prefix, sub_pool };
        let made = self.revision;
        let how = if let Ok(pool) = self.pool(&id) {
            self.claim_known(&pool, client, session)?
        } else {
            self.make_room(space, prefix, sub_pool, session)?;
            let (space, part) = (space.to_string(), sub_pool);
            let (gateway, since) = (None, self.now);
            let behind = self.restored(&space).is_some();
            self.pools.push(Pool { made, space, prefix, part, name, gateway, since, behind });
            self.begin_hold(made, client, session);
            Grant::New
        };
        let epoch = (self.sharing(space) == Sharing::Exclusive).then_some(request.session);
        let (pool, claim) = (PoolId { epoch, ..id }, ClaimId::new(made));
        Ok(Response::Pool(Box::new(PoolGrant { pool, claim, how })))
    }

    fn begin_hold(&mut self, pool: u64, client: &str, epoch: u64) {
        let (client, id, since) = (client.into(), self.revision, self.now);
        self.holds.push(Hold { pool, client, epoch, id, since, gateway_due: false, suspect: None });
    }

    fn claim_known(
        &mut self,
        pool: &Pool,
        client: &str,
        session: u64,
    ) -> Result<Grant, &'static str> {
        let Some(own) = self.hold(pool, client) else {
            self.begin_hold(pool.made, client, session);
            return Ok(Grant::Joined);
        };
        let in_doubt = own.suspect.is_some() && own.epoch == session;
        if own.epoch >= session && !in_doubt {
            return Err("BERTH-0011");
        }
        let sharing = self.sharing(&pool.space);
        let gateway_due = sharing == Sharing::Exclusive || pool.gateway.is_some();
        let (client, id) = (client.into(), self.revision);
        let adopted =
            Hold { client, id, epoch: session, gateway_due, suspect: None, ..own.clone() };
        *self.hold_mut(own.id) = adopted;
        let known = self.restored(&pool.space).is_none_or(|restored| own.id < restored);
        if sharing != Sharing::Shared && known {
            self.pool_mut(pool.made).behind = false;
        }
        Ok(Grant::Adopted)
    }

    fn make_room(
        &mut self,
        space: &str,
        prefix: Prefix,
        sub_pool: Option<Prefix>,
        session: u64,
    ) -> Result<(), &'static str> {
        if sub_pool.is_some() {
            return Ok(());
        }
        let in_the_way = |p: &&Pool| p.space == space && share_an_address(p.prefix, prefix);
        let in_the_way: Vec<Pool> = self.pools.iter().filter(in_the_way).cloned().collect();
        let local = self.sharing(space) == Sharing::Local;
        let stays = |p: &Pool| self.holds.iter().any(|h| h.pool == p.made && h.epoch >= session);
        if in_the_way.iter().any(|pool| !local || stays(pool)) {
            return Err("BERTH-0011");
        }
        for pool in in_the_way {
            self.holds.retain(|hold| hold.pool != pool.made);
            self.remove_pool(&pool);
        }
        Ok(())
    }

    fn free_block(
        &self,
        space: &str,
        family: Family,
        length: Option<u8>,
        exclude: &[Prefix],
    ) -> Result<Prefix, &'static str> {
        let settings = self.settings(space).expect("it was looked up");
        let apart = |other: &str| {
            other == space || (settings.apart && self.settings(other).is_some_and(|s| s.apart))
        };
        let mut fits = false;
        for range in settings.ranges.iter().filter(|range| range.family() == family) {
            let length = length.unwrap_or(range.length);
            if length < range.base.prefix_len() || length > family.bits() {
                continue;
            }
            fits = true;
            let (first, last) = (number(range.base.addr()), number(range.base.broadcast()));
            for start in first..=last {
                let block = Prefix::of(family.address(start), length).expect("the length fits");
                let taken = block.first() != start
                    || self
                        .pools
                        .iter()
                        .any(|p| apart(&p.space) && share_an_address(p.prefix, block))
                    || exclude.iter().any(|other| share_an_address(*other, block))
                    || super::model::addresses(block).any(|a| self.reservation(space, a).is_some());
                if !taken && block.last() <= last {
                    return Ok(block);
                }
            }
        }
        Err(if fits { "BERTH-0010" } else { "BERTH-0009" })
    }

    pub(super) fn release_pool(&mut self, client: &str, release: &ReleasePool) -> Expected {
        let pool = self.pool(&release.pool)?;
        let standing = self.hold(&pool, client).filter(|hold| {
            let deposed = release.pool.epoch.is_some_and(|epoch| epoch.get() < hold.epoch);
            hold.id == release.claim.get() && !deposed
        });
        let Some(hold) = standing else { return Ok(Response::Released(Ending::Nothing)) };
        let sharing = self.sharing(&pool.space);
        let own = |c: &&Claim| c.pool == pool.made && self.same(&pool.space, &c.client, client);
        let stale = self.claims.iter().filter(own).any(|claim| claim.epoch < hold.epoch);
        let in_doubt = stale
            || hold.gateway_due
            || (release.verify && sharing == Sharing::Exclusive)
            || (hold.suspect.is_some() && sharing != Sharing::Shared);
        Ok(Response::Released(if in_doubt {
            self.suspect(&pool, &hold);
            Ending::Suspected
        } else {
            self.end_hold(&pool, &hold);
            Ending::Ended
        }))
    }

    /// Puts a hold and all that was claimed under it in doubt.
    pub(super) fn suspect(&mut self, pool: &Pool, hold: &Hold) {
        self.hold_mut(hold.id).suspect = Some(self.revision);
        let shared = self.sharing(&pool.space) == Sharing::Shared;
        for claim in self.claims.iter_mut().filter(|claim| claim.pool == pool.made) {
            claim.suspect |= !shared || claim.client == hold.client;
        }
    }

    /// Ends a hold and all that was claimed under it; the last one's end is the pool's.
    pub(super) fn end_hold(&mut self, pool: &Pool, hold: &Hold) {
        self.holds.retain(|other| other.id != hold.id);
        let shared = self.sharing(&pool.space) == Sharing::Shared;
        let ended: Vec<Claim> = self
            .claims
            .iter()
            .filter(|c| c.pool == pool.made && (!shared || c.client == hold.client))
            .cloned()
            .collect();
        for claim in ended {
            self.end_claim(&claim);
        }
        if self.holds.iter().all(|other| other.pool != pool.made) {
            self.remove_pool(pool);
        }
    }

    /// Removes a pool; with the last one over a prefix goes all that is known of its addresses.
    fn remove_pool(&mut self, pool: &Pool) {
        self.pools.retain(|other| other.made != pool.made);
        self.claims.retain(|claim| claim.pool != pool.made);
        let here = |space: &str, prefix: Prefix| space == pool.space && prefix == pool.prefix;
        if !self.pools.iter().any(|other| here(&other.space, other.prefix)) {
            self.cooling.retain(|c| !here(&c.claim.space, c.claim.prefix));
            self.cursors.retain(|(space, prefix, _)| !here(space, *prefix));
            self.keys.retain(|(space, prefix, ..)| !here(space, *prefix));
        }
    }
}
