//! Reads: what a state says about its spaces, pools and addresses, in terms that can be shown.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address_set::{AddressSet, edges};
use crate::claim::{AddressKind, Claim, ClientNumber, Owner};
use crate::names::{ClientName, Labels, PoolName, SpaceName, Text};
use crate::offset_set::Numbers as _;
use crate::pool::Pool;
use crate::settings::{Reservation, SpaceSettings};
use crate::space::Space;
use crate::token::{Token, TokenHash};
use crate::{ClaimId, PoolId, Prefix, Rejection, SessionId, State, Timestamp};

/// A space, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceView {
    /// Its name.
    pub name: SpaceName,
    /// Its settings.
    pub settings: SpaceSettings,
    /// It was restored, and gives no automatic pools yet.
    pub behind: bool,
    /// How many pools it has.
    pub pools: u64,
    /// How many addresses are claimed in it.
    pub addresses: u64,
    /// Addresses out of use, by first address.
    pub reservations: Vec<Reservation>,
    /// Each claimant's latest session, with the host that opened it and when.
    pub sessions: Vec<(SessionId, ClientName, Timestamp)>,
}

/// A pool, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView {
    /// Its id, with the current epoch where ids have one.
    pub id: PoolId,
    /// Who holds it.
    pub holders: Vec<HolderView>,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// The name by which it is asked for.
    pub name: Option<PoolName>,
    /// Labels given with the request.
    pub labels: Labels,
    /// When it was first claimed.
    pub since: Timestamp,
    /// It was restored, and gives nothing new yet.
    pub behind: bool,
    /// How its addresses are used.
    pub usage: Usage,
}

/// A claim on a pool, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderView {
    /// The host through which it was made or adopted.
    pub client: ClientName,
    /// The session.
    pub epoch: SessionId,
    /// The claim.
    pub claim: ClaimId,
    /// Since when it is held.
    pub since: Timestamp,
    /// In doubt.
    pub suspect: bool,
}

/// How the addresses are used from which a pool's dynamic requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// How many there are; the largest number where they are 2^128.
    pub size: u128,
    /// Held under the current epoch.
    pub held: u128,
    /// Held since an earlier epoch, and not claimed again.
    pub stale: u128,
    /// In doubt.
    pub suspect: u128,
    /// Released, and not given again yet.
    pub cooling: u128,
    /// Edges, reservations, and what is held or cooling under an overlapping prefix.
    pub reserved: u128,
}

impl Usage {
    /// What a dynamic request may still be given.
    pub const fn free(&self) -> u128 {
        let used = self.held + self.stale + self.suspect + self.cooling + self.reserved;
        self.size.saturating_sub(used)
    }
}

/// An address, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressView {
    /// The address.
    pub address: IpAddr,
    /// The pool under which it is claimed; the first over the prefix where it is not.
    pub pool: PoolId,
    /// What it is.
    pub state: AddressState,
    /// By whom and since when, or was until it was released.
    pub claim: Option<ClaimView>,
}

/// What an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressState {
    /// A dynamic request may be given it.
    Free,
    /// Claimed.
    Held,
    /// Claimed in an earlier epoch than its pool's, and not claimed again.
    Stale,
    /// Claimed, and in doubt.
    Suspect,
    /// Released at this time.
    Cooling {
        /// When it was released.
        at: Timestamp,
        /// It waits for an observation of the engine.
        unverified: bool,
    },
    /// Set aside by an operator.
    Reserved {
        /// What for.
        note: Text,
    },
    /// The network or broadcast address, or the subnet-router anycast address.
    Edge,
}

/// A claim, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    /// Identifies it.
    pub id: ClaimId,
    /// The session that made or adopted it.
    pub epoch: SessionId,
    /// Since when it is held.
    pub since: Timestamp,
    /// The host.
    pub client: ClientName,
    /// What for.
    pub kind: AddressKind,
    /// For whom, as far as the engine said.
    pub owner: Option<Owner>,
}

impl State {
    /// The tokens that may be used, and some whose time is over.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.all()
    }

    /// The token with a secret of this hash, unless its time is over by `now`.
    pub fn token(&self, hash: &TokenHash, now: Timestamp) -> Option<&Token> {
        self.tokens.by_hash(hash).filter(|token| !token.is_expired(now))
    }

    /// All spaces, by name.
    pub fn spaces(&self) -> impl Iterator<Item = SpaceView> {
        self.spaces.values().map(|space| self.space_view(space))
    }

    /// One space.
    pub fn space(&self, name: &SpaceName) -> Result<SpaceView, Rejection> {
        Ok(self.space_view(self.space_or_refuse(name)?))
    }

    /// The settings of a space: cheaper than [`State::space`].
    pub fn settings(&self, name: &SpaceName) -> Result<&SpaceSettings, Rejection> {
        Ok(&self.space_or_refuse(name)?.settings)
    }

    fn space_view(&self, space: &Space) -> SpaceView {
        let sessions = space.latest.values().filter_map(|id| {
            let session = space.sessions.get(id)?;
            Some((*id, self.client_name(session.client), session.opened))
        });
        SpaceView {
            name: space.name.clone(),
            settings: space.settings.clone(),
            behind: space.behind.is_some(),
            pools: space.pool_count() as u64,
            addresses: space.sets.values().map(|set| set.claims.len()).sum(),
            reservations: space.reservations.values().cloned().collect(),
            sessions: sessions.collect(),
        }
    }

    /// The latest session of the claimant that `client` belongs to; in an exclusive space it may
    /// have been opened through another host.
    pub fn latest_session(&self, space: &SpaceName, client: &ClientName) -> Option<SessionId> {
        let space = self.spaces.get(space)?;
        let claimant = match space.claimant(ClientNumber(0)) {
            None => None,
            Some(_) => Some(*self.client_numbers.get(client)?),
        };
        space.latest.get(&claimant).copied()
    }

    /// The host through which a session was opened, and when.
    pub fn session(&self, space: &SpaceName, id: SessionId) -> Option<(ClientName, Timestamp)> {
        let session = self.spaces.get(space)?.sessions.get(&id)?;
        Some((self.client_name(session.client), session.opened))
    }

    /// The pools of a space, in order of their prefixes.
    pub fn pools(&self, name: &SpaceName) -> Result<Vec<PoolView>, Rejection> {
        let space = self.space_or_refuse(name)?;
        let pools = space
            .sets
            .values()
            .flat_map(|set| set.pools.values().map(move |pool| self.pool_view(space, set, pool)));
        Ok(pools.collect())
    }

    /// The pools whose prefix overlaps another one.
    pub fn overlapping(&self, space: &SpaceName, prefix: Prefix) -> Vec<PoolId> {
        let space = self.spaces.get(space);
        let sets = space
            .into_iter()
            .flat_map(|space| space.all_overlapping(prefix).map(move |set| (space, set)));
        sets.flat_map(|(space, set)| set.pools.values().map(|p| space.pool_id(set.prefix, p)))
            .collect()
    }

    /// One pool.
    pub fn pool(&self, id: &PoolId) -> Result<PoolView, Rejection> {
        let (space, set, pool) = self.find_pool(id)?;
        Ok(self.pool_view(space, set, pool))
    }

    fn pool_view(&self, space: &Space, set: &AddressSet, pool: &Pool) -> PoolView {
        let holders = pool.holders.iter().map(|holding| HolderView {
            client: self.client_name(holding.client),
            epoch: holding.epoch,
            claim: holding.claim,
            since: holding.since,
            suspect: holding.suspect.is_some(),
        });
        PoolView {
            id: space.pool_id(set.prefix, pool),
            holders: holders.collect(),
            gateway: pool.gateway.map(|offset| set.prefix.address(offset)),
            name: pool.name.clone(),
            labels: pool.labels.clone(),
            since: pool.since,
            behind: pool.behind,
            usage: usage(space, set, pool.sub_pool),
        }
    }

    /// The claim that a release of the pool would end.
    pub fn pool_claim(&self, id: &PoolId, client: &ClientName) -> Result<ClaimId, Rejection> {
        let (space, _, pool) = self.find_pool(id)?;
        let holding = pool.holders.iter().find(|held| self.may_end(space, held.client, client));
        let unknown = || Rejection::UnknownPool { pool: Box::new(id.clone()) };
        holding.map(|holding| holding.claim).ok_or_else(unknown)
    }

    /// True if `client` may end what `holder` claimed; it need not have sent a command yet.
    fn may_end(&self, space: &Space, holder: ClientNumber, client: &ClientName) -> bool {
        space.claimant(holder).is_none() || self.client_numbers.get(client) == Some(&holder)
    }

    /// The claim that a release of the address would end (rule 6); `None` if there is none that the
    /// client may end under this pool id.
    pub fn address_claim(
        &self,
        id: &PoolId,
        client: &ClientName,
        address: IpAddr,
    ) -> Result<Option<ClaimId>, Rejection> {
        let (space, set, pool) = self.find_pool(id)?;
        let prefix = set.prefix;
        let offset = prefix.offset(address).ok_or(Rejection::OutOfRange { address, prefix })?;
        let claims = set.claims.get(offset).into_iter().flat_map(Claim::all);
        let own = claims.filter(|claim| claim.pool == pool.number).find(|claim| {
            self.may_end(space, claim.client, client)
                && id.epoch.is_none_or(|epoch| claim.epoch <= epoch)
        });
        Ok(own.map(|claim| claim.id))
    }

    /// The claimed and cooling addresses of a pool, in order; of all its pools where the prefix has
    /// several.
    pub fn addresses(&self, id: &PoolId) -> Result<Vec<AddressView>, Rejection> {
        let (space, set, _) = self.find_pool(id)?;
        let mut offsets: Vec<u128> = set.claims.iter().map(|(offset, _)| offset).collect();
        offsets.extend(set.cooling.iter().map(|(offset, _)| offset));
        offsets.sort_unstable();
        Ok(offsets.into_iter().map(|offset| self.address_view(space, set, offset)).collect())
    }

    /// What every space knows about an address: one view for each prefix that holds it.
    pub fn find(&self, address: IpAddr) -> Vec<AddressView> {
        let whole = Prefix::of(address, crate::Family::of(address).bits())
            .expect("a family has as many bits as it has");
        self.spaces
            .values()
            .flat_map(|space| space.all_overlapping(whole).map(move |set| (space, set)))
            .filter_map(|(space, set)| {
                Some(self.address_view(space, set, set.prefix.offset(address)?))
            })
            .collect()
    }

    fn address_view(&self, space: &Space, set: &AddressSet, offset: u128) -> AddressView {
        let address = set.prefix.address(offset);
        let cooling = set.cooling.get(offset);
        let claim = set.claims.get(offset).or_else(|| cooling.map(|cooling| &cooling.claim));
        let pool = claim
            .and_then(|claim| set.pool(claim.pool))
            .or_else(|| set.pools.values().next())
            .expect("a set has a pool");
        let state = match (cooling, claim) {
            (Some(cooling), _) => {
                AddressState::Cooling { at: cooling.at, unverified: cooling.unverified }
            }
            (None, Some(claim)) => claim_state(space, set, claim),
            (None, None) => match space.reservation(address) {
                _ if edges(set.prefix).any(|edge| edge == offset) => AddressState::Edge,
                Some(reserved) => AddressState::Reserved { note: reserved.note.clone() },
                None if set.taken.contains(offset) => AddressState::Held,
                None => AddressState::Free,
            },
        };
        let claim = claim.map(|claim| ClaimView {
            id: claim.id,
            epoch: claim.epoch,
            since: claim.since,
            client: self.client_name(claim.client),
            kind: claim.kind,
            owner: claim.owner().cloned(),
        });
        AddressView { address, pool: space.pool_id(set.prefix, pool), state, claim }
    }
}

fn claim_state(space: &Space, set: &AddressSet, claim: &Claim) -> AddressState {
    let holding = set.pool(claim.pool).and_then(|pool| space.holding(pool, claim.client));
    match holding {
        _ if claim.suspect => AddressState::Suspect,
        Some(holding) if claim.epoch < holding.epoch => AddressState::Stale,
        _ => AddressState::Held,
    }
}

fn usage(space: &Space, set: &AddressSet, sub_pool: Option<Prefix>) -> Usage {
    let range = set.range(sub_pool);
    let (first, last) = (*range.start(), *range.end());
    let mut usage = Usage { size: (last - first).saturating_add(1), ..Usage::default() };
    for (_, claim) in set.claims.within(range.clone()) {
        match claim_state(space, set, claim) {
            AddressState::Stale => usage.stale += 1,
            AddressState::Suspect => usage.suspect += 1,
            _ => usage.held += 1,
        }
    }
    usage.cooling = set.cooling.within(range.clone()).count() as u128;
    let own = usage.held + usage.stale + usage.suspect + usage.cooling;
    usage.reserved = set.taken.count(first, last) - own;
    usage
}
