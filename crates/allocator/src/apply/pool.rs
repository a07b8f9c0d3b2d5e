//! Claims on pools (rules 3 and 8).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Outcome;
use crate::address_set::AddressSet;
use crate::claim::{ClientNumber, PoolNumber};
use crate::limits::{
    EXCLUSIONS_MAX, HOLDERS_PER_POOL_MAX, POOLS_PER_PREFIX_MAX, PREFIXES_PER_SPACE_MAX,
};
use crate::names::PoolName;
use crate::pool::{Holding, Pool};
use crate::settings::Sharing;
use crate::size::HOLDING;
use crate::space::Space;
use crate::{
    ClaimId, Grant, Limit, Overlap, PoolGrant, PoolId, Prefix, Rejection, RequestPool, Response,
    SessionId, State, Timestamp, WantedPool,
};

/// A request for a pool, with what the state knows about it.
struct Claiming<'a> {
    request: &'a RequestPool,
    client: ClientNumber,
    claim: ClaimId,
    now: Timestamp,
}

impl State {
    pub(super) fn request_pool(&mut self, client: ClientNumber, request: &RequestPool) -> Outcome {
        let space = self.space_or_refuse(&request.space)?;
        check_session(space, client, request.session)?;
        let (revision, now) = self.current();
        let claiming = Claiming { request, client, claim: ClaimId::new(revision), now };
        let (prefix, sub_pool, name) = match &request.wanted {
            WantedPool::Exact { prefix, sub_pool } => {
                (*prefix, normalised(*prefix, *sub_pool)?, None)
            }
            WantedPool::Automatic { family, length, exclude, name } => {
                let named = name.clone().and_then(|name| space.named.get(&(name, *family)));
                if exclude.len() > EXCLUSIONS_MAX {
                    return Err(Rejection::Limit(Limit::Exclusions));
                }
                let prefix = match named {
                    Some(prefix) => *prefix,
                    // Any prefix may be one that was given after the backup.
                    None if space.behind.is_some() => {
                        return Err(Rejection::SpaceBehind { space: space.name.clone() });
                    }
                    None => self.choose_pool(space, *family, *length, exclude)?,
                };
                let shared = space.settings.sharing == Sharing::Shared;
                (prefix, None, name.clone().filter(|_| shared))
            }
        };
        if let Some(pool) = space.sets.get(&prefix).and_then(|set| set.pools.get(&sub_pool)) {
            let how = self.may_claim(space, prefix, pool, &claiming)?;
            let mut space = self.found_space(&request.space);
            return Ok(claim_known(&mut space, prefix, sub_pool, &claiming, how));
        }
        let yielding = self.make_room(space, prefix, sub_pool, &claiming)?;
        if yielding.is_empty() {
            self.check_room()?;
        }
        let mut space = self.found_space(&request.space);
        for prefix in yielding {
            space.remove_set(prefix);
        }
        Ok(create(&mut space, prefix, sub_pool, name, &claiming))
    }

    /// How a pool that exists may be claimed: by adoption, or together with other hosts.
    fn may_claim(
        &self,
        space: &Space,
        prefix: Prefix,
        pool: &Pool,
        claiming: &Claiming<'_>,
    ) -> Result<Grant, Rejection> {
        let own = space.holding(pool, claiming.client);
        let session = claiming.request.session;
        match own {
            #[cfg(feature = "canary")]
            Some(_) if crate::canary::sins(crate::canary::Canary::BlindAdoption) => {
                Ok(Grant::Adopted)
            }
            Some(own) if own.epoch < session => Ok(Grant::Adopted),
            Some(own) if own.epoch == session && own.suspect.is_some() => Ok(Grant::Adopted),
            Some(own) => Err(self.overlaps(space, prefix, pool, own)),
            None if pool.holders.len() >= HOLDERS_PER_POOL_MAX => {
                Err(Rejection::Limit(Limit::HoldersPerPool))
            }
            None => self.check_room().map(|()| Grant::Joined),
        }
    }

    /// Prefixes whose pools yield to a new one, or why it cannot be made.
    fn make_room(
        &self,
        space: &Space,
        prefix: Prefix,
        sub_pool: Option<Prefix>,
        claiming: &Claiming<'_>,
    ) -> Result<Vec<Prefix>, Rejection> {
        let mut yielding = Vec::new();
        // libnetwork looks for overlaps only where no sub-pool is asked for (moby#46756).
        if sub_pool.is_none() {
            for set in space.all_overlapping(prefix) {
                let yields = |holding: &Holding| {
                    space.settings.sharing == Sharing::Local
                        && holding.epoch < claiming.request.session
                };
                let standing = set
                    .pools
                    .values()
                    .flat_map(|pool| pool.holders.iter().map(move |holding| (pool, holding)))
                    .find(|(_, holding)| !yields(holding));
                if let Some((pool, holding)) = standing {
                    return Err(self.overlaps(space, set.prefix, pool, holding));
                }
                yielding.push(set.prefix);
            }
        }
        let known = space.sets.get(&prefix);
        if known.is_none() && space.sets.len() - yielding.len() >= PREFIXES_PER_SPACE_MAX {
            return Err(Rejection::Limit(Limit::PrefixesPerSpace));
        }
        let full =
            |set: &AddressSet| set.pools.len() >= POOLS_PER_PREFIX_MAX || set.next_pool == u32::MAX;
        if known.is_some_and(full) {
            return Err(Rejection::Limit(Limit::PoolsPerPrefix));
        }
        Ok(yielding)
    }

    fn overlaps(&self, space: &Space, prefix: Prefix, pool: &Pool, holding: &Holding) -> Rejection {
        Rejection::PoolOverlaps(Box::new(Overlap {
            with: space.pool_id(prefix, pool),
            since: holding.since,
            client: self.client_name(holding.client),
            suspect: holding.suspect.is_some(),
        }))
    }
}

/// A session must be open, and in a shared space the client's own.
pub(super) fn check_session(
    space: &Space,
    client: ClientNumber,
    session: SessionId,
) -> Result<(), Rejection> {
    match space.sessions.get(&session) {
        Some(opened) if space.same_claimant(opened.client, client) => Ok(()),
        _ => Err(Rejection::UnknownSession { session }),
    }
}

/// A sub-pool that is wider than its pool means the whole pool.
fn normalised(prefix: Prefix, sub_pool: Option<Prefix>) -> Result<Option<Prefix>, Rejection> {
    match sub_pool {
        Some(sub_pool) if !sub_pool.overlaps(prefix) => {
            Err(Rejection::InvalidSubPool { prefix, sub_pool })
        }
        Some(sub_pool) if sub_pool.contains(prefix) => Ok(Some(prefix)),
        sub_pool => Ok(sub_pool),
    }
}

fn claim_known(
    space: &mut Space,
    prefix: Prefix,
    sub_pool: Option<Prefix>,
    claiming: &Claiming<'_>,
    how: Grant,
) -> Response {
    let claimant = space.claimant(claiming.client);
    let sharing = space.settings.sharing;
    let shared = sharing == Sharing::Shared;
    let restored = space.behind;
    let set = space.sets.get_mut(&prefix).expect("the pool was found in it");
    let pool = set.pools.get_mut(&sub_pool).expect("it was found");
    let own = pool.holders.iter_mut().find(|h| !shared || claimant == Some(h.client));
    if let Some(own) = own {
        // One claimant replays all that it holds; of many, each only its own part. And of two networks
        // that want one prefix, which the backup did not know, either may have made the pool first.
        let known = restored.is_none_or(|restored| own.claim.get() <= restored.get());
        pool.behind &= shared || !known;
        own.client = claiming.client;
        own.epoch = claiming.request.session;
        own.claim = claiming.claim;
        own.suspect = None;
        own.gateway_due = sharing == Sharing::Exclusive || pool.gateway.is_some();
    } else {
        let at = pool.holders.partition_point(|h| h.client < claiming.client);
        space.bytes += HOLDING;
        pool.holders.insert(at, claiming.holding());
    }
    grant(space, prefix, sub_pool, claiming, how)
}

fn create(
    space: &mut Space,
    prefix: Prefix,
    sub_pool: Option<Prefix>,
    name: Option<PoolName>,
    claiming: &Claiming<'_>,
) -> Response {
    if !space.sets.contains_key(&prefix) {
        space.create_set(prefix);
    }
    if let Some(name) = &name {
        space.named.insert((name.clone(), prefix.family()), prefix);
    }
    let behind = space.behind.is_some();
    let set: &mut AddressSet = space.sets.get_mut(&prefix).expect("it was made just now");
    let number = PoolNumber(set.next_pool);
    set.next_pool += 1;
    let pool = Pool {
        number,
        sub_pool,
        holders: Vec::from([claiming.holding()]),
        gateway: None,
        name,
        labels: claiming.request.labels.clone(),
        since: claiming.now,
        behind,
    };
    space.bytes += pool.bytes();
    set.pools.insert(sub_pool, pool);
    grant(space, prefix, sub_pool, claiming, Grant::New)
}

fn grant(
    space: &Space,
    prefix: Prefix,
    sub_pool: Option<Prefix>,
    claiming: &Claiming<'_>,
    how: Grant,
) -> Response {
    let exclusive = space.settings.sharing == Sharing::Exclusive;
    let epoch = exclusive.then_some(claiming.request.session);
    let pool = PoolId { space: space.name.clone(), epoch, prefix, sub_pool };
    Response::Pool(Box::new(PoolGrant { pool, claim: claiming.claim, how }))
}

impl Claiming<'_> {
    fn holding(&self) -> Holding {
        Holding {
            client: self.client,
            epoch: self.request.session,
            claim: self.claim,
            since: self.now,
            gateway_due: false,
            suspect: None,
        }
    }
}
