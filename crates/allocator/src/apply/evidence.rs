//! What ends without its claimant's release (rules 7 and 11): by an observation, or by an operator.

use alloc::string::ToString;
use core::net::IpAddr;
use core::ops::Range;

use super::Outcome;
use super::release_pool::{drop_holding, pools_held, suspect_holding};
use crate::claim::{Claim, ClientNumber};
use crate::names::ClientName;
use crate::pool::Holding;
use crate::settings::Sharing;
use crate::space::Space;
use crate::{
    Ending, Evidence, FreeSuspect, PoolId, Rejection, Response, Revision, SessionId, State,
    Timestamp,
};

/// What is said to be unused, and what must be true of an observation for it to count.
struct Doubt {
    /// Stale or suspect; anything else needs an operator's force.
    doubtful: bool,
    /// The observation must have begun after this revision.
    after: Revision,
    /// The sessions that may have made it.
    observers: Range<u64>,
    /// Only one that has claimed a pool of the space counts: its manager leads, or led.
    of_leader: bool,
}

/// This session alone; nobody without one.
fn only(session: Option<SessionId>) -> Range<u64> {
    session.map_or(0..0, |session| session.get()..session.get().saturating_add(1))
}

impl State {
    pub(super) fn free_suspect(&mut self, client: ClientNumber, free: &FreeSuspect) -> Outcome {
        match free.address {
            Some(address) => self.free_address(client, free, address),
            None => self.free_pool(client, free),
        }
    }

    fn free_pool(&mut self, client: ClientNumber, free: &FreeSuspect) -> Outcome {
        let (space, _, pool) = self.find_pool(&free.pool)?;
        let Some(holding) = pool.holders.iter().find(|holding| holding.claim == free.claim) else {
            let standing = pool.holders.first().map(|holding| holding.claim);
            return Err(Rejection::ClaimMoved { standing });
        };
        let latest = space.latest.get(&space.claimant(holding.client)).copied();
        let earlier = latest.is_some_and(|latest| holding.epoch < latest);
        let epoch = holding.epoch.get();
        let doubt = Doubt {
            doubtful: holding.suspect.is_some() || earlier,
            after: holding.suspect.unwrap_or_default(),
            // The latest session of a Swarm need not be of the manager that leads: enabling a plugin
            // opens one too. Whoever released the pool can tell that it is gone, or one that came later.
            observers: match (space.settings.sharing, holding.suspect) {
                (Sharing::Exclusive, Some(_)) => epoch..u64::MAX,
                (Sharing::Exclusive, None) => epoch.saturating_add(1)..u64::MAX,
                _ => only(latest),
            },
            of_leader: space.settings.sharing == Sharing::Exclusive && holding.suspect.is_none(),
        };
        check_evidence(space, client, free, holding.client, &doubt)?;
        let (holder, claim) = (holding.client, holding.claim);
        let mut space = self.found_space(&free.pool.space);
        drop_holding(&mut space, &free.pool, holder, claim);
        Ok(Response::Released(Ending::Ended))
    }

    fn free_address(
        &mut self,
        client: ClientNumber,
        free: &FreeSuspect,
        address: IpAddr,
    ) -> Outcome {
        let (space, set, pool) = self.find_pool(&free.pool)?;
        let prefix = set.prefix;
        let offset = prefix.offset(address).ok_or(Rejection::OutOfRange { address, prefix })?;
        if let Some(cooling) = set.cooling.get(offset).filter(|c| c.claim.id == free.claim) {
            let released_by = set.pool(cooling.claim.pool).unwrap_or(pool);
            let doubt = Doubt {
                doubtful: true,
                after: cooling.released,
                observers: only(space.holding(released_by, client).map(|holding| holding.epoch)),
                of_leader: false,
            };
            check_evidence(space, client, free, cooling.claim.client, &doubt)?;
            let now = self.now;
            self.found_space(&free.pool.space).confirm_cooling(prefix, offset, now);
            return Ok(Response::Released(Ending::Ended));
        }
        let standing = set.claims.get(offset);
        let Some(claim) =
            standing.and_then(|first| first.all().find(|claim| claim.id == free.claim))
        else {
            return Err(Rejection::ClaimMoved { standing: standing.map(|claim| claim.id) });
        };
        let holding = set.pool(claim.pool).and_then(|pool| space.holding(pool, claim.client));
        let doubt = address_doubt(space, claim, holding);
        check_evidence(space, client, free, claim.client, &doubt)?;
        let id = claim.id;
        self.found_space(&free.pool.space).end_claim(prefix, offset, id, None);
        Ok(Response::Released(Ending::Ended))
    }

    /// A forgotten host's claims become suspects: its return, or a second word, ends that.
    pub(super) fn forget_host(&mut self, name: &ClientName) -> Outcome {
        let unknown = || Rejection::UnknownClient { client: name.clone() };
        let number = *self.client_numbers.get(name).ok_or_else(unknown)?;
        let revision = self.revision;
        for space in self.spaces.values_mut() {
            if space.settings.sharing != Sharing::Shared {
                continue;
            }
            for (prefix, sub_pool, pool) in pools_held(space, number) {
                let id = PoolId { space: space.name.clone(), epoch: None, prefix, sub_pool };
                suspect_holding(space, &id, pool, number, revision);
            }
        }
        let client = self.client_mut(number).ok_or_else(unknown)?;
        client.held_until = Timestamp::default();
        client.instance = 0;
        Ok(Response::Done)
    }
}

fn address_doubt(space: &Space, claim: &Claim, holding: Option<&Holding>) -> Doubt {
    let Some(holding) = holding else {
        let (after, observers) = (Revision::default(), only(None));
        return Doubt { doubtful: true, after, observers, of_leader: false };
    };
    let claimed = Revision::new(holding.claim.get());
    // Of an exclusive space only the holder of the pool's epoch can tell; a host of any other knows
    // about itself, once it has begun a later session.
    let observer = match space.settings.sharing {
        Sharing::Exclusive => Some(holding.epoch),
        _ => space.latest.get(&space.claimant(claim.client)).copied(),
    };
    let stale = claim.epoch < holding.epoch || observer.is_some_and(|o| claim.epoch < o);
    let after = holding.suspect.unwrap_or(claimed);
    Doubt { doubtful: claim.suspect || stale, after, observers: only(observer), of_leader: false }
}

/// Whether a pool of the space stands under a session.
fn has_claimed(space: &Space, session: SessionId) -> bool {
    let pools = space.sets.values().flat_map(|set| set.pools.values());
    pools.flat_map(|pool| &pool.holders).any(|holding| holding.epoch == session)
}

fn check_evidence(
    space: &Space,
    client: ClientNumber,
    free: &FreeSuspect,
    holder: ClientNumber,
    doubt: &Doubt,
) -> Result<(), Rejection> {
    let what = || match free.address {
        Some(address) => address.to_string(),
        None => free.pool.to_string(),
    };
    match &free.evidence {
        Evidence::Operator { force: true, .. } => Ok(()),
        _ if !doubt.doubtful => Err(Rejection::NotSuspect { what: what() }),
        Evidence::Operator { .. } => Ok(()),
        Evidence::Observation { session, began } => {
            let opened_by = space.sessions.get(session).map(|opened| opened.client);
            let counts = opened_by == Some(client)
                && space.same_claimant(holder, client)
                && doubt.observers.contains(&session.get())
                && (!doubt.of_leader || has_claimed(space, *session))
                && *began >= doubt.after.max(Revision::new(session.get()));
            if counts { Ok(()) } else { Err(Rejection::NotTheObserver { what: what() }) }
        }
    }
}
