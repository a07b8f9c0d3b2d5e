//! What ends without its claimant's release: rules 7 and 11.

use std::net::IpAddr;
use std::ops::Range;

use berth_allocator::{Ending, Evidence, FreeSuspect, Response, Sharing};

use super::model::{Claim, Expected, Hold, Model, Pool, inside};

/// What must be true of an observation for it to count.
struct Doubt<'a> {
    doubtful: bool,
    after: u64,
    observers: Range<u64>,
    of_leader: bool,
    holder: &'a str,
    space: &'a str,
}

fn only(session: Option<u64>) -> Range<u64> {
    session.map_or(0..0, |session| session..session + 1)
}

impl Model {
    pub(super) fn free_suspect(&mut self, client: &str, free: &FreeSuspect) -> Expected {
        let pool = self.pool(&free.pool)?;
        match free.address {
            None => self.free_pool(client, free, &pool)?,
            Some(address) => self.free_address(client, free, &pool, address)?,
        }
        Ok(Response::Released(Ending::Ended))
    }

    fn free_pool(
        &mut self,
        client: &str,
        free: &FreeSuspect,
        pool: &Pool,
    ) -> Result<(), &'static str> {
        let named = |hold: &&Hold| hold.pool == pool.made && hold.id == free.claim.get();
        let hold = self.holds.iter().find(named).cloned().ok_or("BERTH-0024")?;
        let latest = self.latest(&pool.space, &hold.client);
        let earlier = latest.is_some_and(|latest| hold.epoch < latest);
        let doubt = Doubt {
            doubtful: hold.suspect.is_some() || earlier,
            after: hold.suspect.unwrap_or(0),
            observers: match (self.sharing(&pool.space), hold.suspect) {
                (Sharing::Exclusive, Some(_)) => hold.epoch..u64::MAX,
                (Sharing::Exclusive, None) => hold.epoch + 1..u64::MAX,
                _ => only(latest),
            },
            of_leader: self.sharing(&pool.space) == Sharing::Exclusive && hold.suspect.is_none(),
            holder: &hold.client,
            space: &pool.space,
        };
        self.counts(client, free, &doubt)?;
        self.end_hold(pool, &hold);
        Ok(())
    }

    fn free_address(
        &mut self,
        client: &str,
        free: &FreeSuspect,
        pool: &Pool,
        address: IpAddr,
    ) -> Result<(), &'static str> {
        if !inside(pool.prefix, address) {
            return Err("BERTH-0013");
        }
        let named = |c: &Claim| {
            c.space == pool.space
                && c.prefix == pool.prefix
                && c.address == address
                && c.id == free.claim.get()
        };
        if let Some(at) = self.cooling.iter().position(|cooling| named(&cooling.claim)) {
            return self.confirm(client, free, pool, at);
        }
        let claim = self.claims.iter().find(|c| named(c)).cloned().ok_or("BERTH-0024")?;
        let under = self.pools.iter().find(|p| p.made == claim.pool).expect("it has a pool");
        let hold = self.hold(under, &claim.client).expect("its claimant holds the pool");
        let latest = self.latest(&pool.space, &claim.client);
        let observer = match self.sharing(&pool.space) {
            Sharing::Exclusive => Some(hold.epoch),
            _ => latest,
        };
        let stale = observer.is_some_and(|session| claim.epoch < session);
        let doubt = Doubt {
            doubtful: claim.suspect || stale,
            after: hold.suspect.unwrap_or(hold.id),
            observers: only(observer),
            of_leader: false,
            holder: &claim.client,
            space: &pool.space,
        };
        self.counts(client, free, &doubt)?;
        self.end_claim(&claim);
        Ok(())
    }

    fn confirm(
        &mut self,
        client: &str,
        free: &FreeSuspect,
        pool: &Pool,
        at: usize,
    ) -> Result<(), &'static str> {
        let cooling = &self.cooling[at];
        let under = self.pools.iter().find(|p| p.made == cooling.claim.pool).unwrap_or(pool);
        let doubt = Doubt {
            doubtful: true,
            after: cooling.released,
            observers: only(self.hold(under, client).map(|hold| hold.epoch)),
            of_leader: false,
            holder: &cooling.claim.client,
            space: &pool.space,
        };
        self.counts(client, free, &doubt)?;
        self.cooling[at].unverified = false;
        self.thaw(&pool.space, pool.prefix);
        Ok(())
    }

    fn counts(
        &self,
        client: &str,
        free: &FreeSuspect,
        doubt: &Doubt<'_>,
    ) -> Result<(), &'static str> {
        let claimed = |session| {
            let here = self.pools.iter().filter(|pool| pool.space == doubt.space);
            let made: Vec<u64> = here.map(|pool| pool.made).collect();
            self.holds.iter().any(|hold| hold.epoch == session && made.contains(&hold.pool))
        };
        match &free.evidence {
            Evidence::Operator { force: true, .. } => Ok(()),
            _ if !doubt.doubtful => Err("BERTH-0023"),
            Evidence::Operator { .. } => Ok(()),
            Evidence::Observation { session, began } => {
                let opened = self
                    .sessions
                    .iter()
                    .any(|s| s.space == doubt.space && s.id == session.get() && s.client == client);
                let good = opened
                    && self.same(doubt.space, doubt.holder, client)
                    && doubt.observers.contains(&session.get())
                    && (!doubt.of_leader || claimed(session.get()))
                    && began.get() >= doubt.after
                    && began.get() >= session.get();
                if good { Ok(()) } else { Err("BERTH-0025") }
            }
        }
    }

    pub(super) fn forget_host(&mut self, client: &str) {
        let held: Vec<Hold> = self.holds.iter().filter(|h| h.client == client).cloned().collect();
        for hold in held {
            let pool = self.pools.iter().find(|pool| pool.made == hold.pool);
            let pool = pool.expect("a hold has a pool").clone();
            if self.sharing(&pool.space) == Sharing::Shared {
                self.suspect(&pool, &hold);
            }
        }
    }
}
