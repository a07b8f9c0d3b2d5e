//! A space: its pools, their addresses, and the sessions of its claimants.

mod claims;
mod reuse;
mod taken;

use alloc::collections::BTreeMap;
use core::net::IpAddr;

pub(crate) use taken::overlap;

use crate::address_set::AddressSet;
use crate::claim::{Claim, ClientNumber};
use crate::limits::SESSIONS_PER_SPACE_MAX;
use crate::names::{PoolName, SpaceName};
use crate::pool::{Holding, Pool};
use crate::range_set::RangeSet;
use crate::session::Session;
use crate::settings::{Reservation, Sharing, SpaceSettings};
use crate::{Family, PoolId, Prefix, Revision, SessionId};

/// An address space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) name: SpaceName,
    pub(crate) settings: SpaceSettings,
    /// By prefix; each has at least one pool.
    pub(crate) sets: BTreeMap<Prefix, AddressSet>,
    /// By first address; they do not overlap.
    pub(crate) reservations: BTreeMap<IpAddr, Reservation>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Each claimant's latest session.
    pub(crate) latest: BTreeMap<Claimant, SessionId>,
    /// Pools of a shared space that are asked for by name.
    pub(crate) named: BTreeMap<(PoolName, Family), Prefix>,
    /// It was restored at this revision, and may lack pools that were given from it: it gives no
    /// automatic ones, and new ones give nothing.
    pub(crate) behind: Option<Revision>,
    /// Numbers of all addresses in pools: derived from `sets`.
    pub(crate) covered: BTreeMap<Family, RangeSet>,
    /// What `sets` and `reservations` take in a snapshot, at most: derived from them.
    pub(crate) bytes: u64,
}

/// Who claims, as far as rules go: one host of a shared space; all hosts together in any other.
pub(crate) type Claimant = Option<ClientNumber>;

impl Space {
    pub(crate) fn new(name: SpaceName, settings: SpaceSettings) -> Self {
        Self {
            name,
            settings,
            sets: BTreeMap::new(),
            reservations: BTreeMap::new(),
            sessions: BTreeMap::new(),
            latest: BTreeMap::new(),
            named: BTreeMap::new(),
            behind: None,
            covered: [Family::V4, Family::V6].map(|family| (family, RangeSet::default())).into(),
            bytes: 0,
        }
    }

    /// As whom `client` claims.
    pub(crate) fn claimant(&self, client: ClientNumber) -> Claimant {
        (self.settings.sharing == Sharing::Shared).then_some(client)
    }

    /// True if what `holder` claimed is `client`'s to adopt and to release.
    pub(crate) fn same_claimant(&self, holder: ClientNumber, client: ClientNumber) -> bool {
        self.claimant(holder) == self.claimant(client)
    }

    /// Records a session; the oldest is forgotten when there are too many.
    pub(crate) fn open_session(&mut self, id: SessionId, session: Session) {
        self.latest.insert(self.claimant(session.client), id);
        self.sessions.insert(id, session);
        if self.sessions.len() > SESSIONS_PER_SPACE_MAX {
            let superseded = |(id, session): (&SessionId, &Session)| {
                let latest = self.latest.get(&self.claimant(session.client));
                (latest != Some(id)).then_some(*id)
            };
            if let Some(oldest) = self.sessions.iter().find_map(superseded) {
                self.sessions.remove(&oldest);
            }
        }
    }

    /// The id of a pool: in an exclusive space it carries the epoch.
    pub(crate) fn pool_id(&self, prefix: Prefix, pool: &Pool) -> PoolId {
        let exclusive = self.settings.sharing == Sharing::Exclusive;
        PoolId {
            space: self.name.clone(),
            epoch: pool.holders.first().map(|holding| holding.epoch).filter(|_| exclusive),
            prefix,
            sub_pool: pool.sub_pool,
        }
    }

    /// It holds all that it should.
    pub(crate) fn resume(&mut self) {
        self.behind = None;
        let pools = self.sets.values_mut().flat_map(|set| set.pools.values_mut());
        pools.for_each(|pool| pool.behind = false);
    }

    /// How many pools there are.
    pub(crate) fn pool_count(&self) -> usize {
        self.sets.values().map(|set| set.pools.len()).sum()
    }

    /// The sets whose prefix overlaps `prefix`.
    pub(crate) fn all_overlapping(&self, prefix: Prefix) -> impl Iterator<Item = &AddressSet> {
        (0..prefix.length())
            .filter_map(move |length| self.sets.get(&prefix.shortened(length)?))
            .chain(self.inside(prefix))
    }

    /// Sets whose prefix lies inside `prefix`, or is the same.
    fn inside(&self, prefix: Prefix) -> impl Iterator<Item = &AddressSet> {
        self.sets
            .range(prefix..)
            .take_while(move |(other, _)| prefix.overlaps(**other))
            .map(|(_, set)| set)
            .filter(move |set| prefix.contains(set.prefix))
    }

    /// The reservation that holds `address`.
    pub(crate) fn reservation(&self, address: IpAddr) -> Option<&Reservation> {
        let (_, reservation) = self.reservations.range(..=address).next_back()?;
        (reservation.first..=reservation.last).contains(&address).then_some(reservation)
    }

    /// A claim on `address` under another prefix than `prefix`.
    pub(crate) fn claim_elsewhere(&self, prefix: Prefix, address: IpAddr) -> Option<&Claim> {
        let set = self.sets.get(&prefix)?;
        set.related.iter().find_map(|other| {
            let other = self.sets.get(other)?;
            other.claims.get(other.prefix.offset(address)?)
        })
    }

    /// The claim of a client's claimant on a pool.
    pub(crate) fn holding<'a>(&self, pool: &'a Pool, client: ClientNumber) -> Option<&'a Holding> {
        pool.holders.iter().find(|holding| self.same_claimant(holding.client, client))
    }
}
