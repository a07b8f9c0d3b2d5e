//! Everything that a state shows, as the model has it (A3, A7): to be compared after a step.

use std::net::IpAddr;

use berth_allocator::{
    AddressState, AddressView, ClaimId, ClaimView, ClientName, HolderView, Labels, PoolId,
    PoolView, Reservation, SessionId, Sharing, SpaceName, SpaceView, State, Timestamp, Usage,
};

use super::address::is_edge;
use super::model::{Claim, Model, Pool, addresses};
use crate::world::{name, space as space_name};

/// Compares all that is shown of a space.
pub(super) fn agree(model: &Model, state: &State, space: &str) -> Result<(), String> {
    let named = space_name(space);
    same("space", &state.space(&named), &Ok(model.space_view(&named)))?;
    let pools = model.pools_of(space);
    let views = pools.iter().map(|pool| model.pool_view(pool)).collect();
    same("pools", &state.pools(&named), &Ok(views))?;
    let clients: Vec<ClientName> = model.clients().into_iter().map(name).collect();
    for pool in pools {
        let id = model.pool_id(pool);
        let views = state.addresses(&id);
        same("addresses", &views, &Ok(model.address_views(pool)))?;
        for view in views.into_iter().flatten() {
            for client in &clients {
                let claim = state.address_claim(&id, client, view.address);
                let expected = model.claim_to_end(&id, pool, client.as_str(), view.address);
                same("claim to end", &claim, &Ok(expected))?;
            }
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} differs\nfound {found:#?}\nexpected {expected:#?}"))
}

impl Model {
    /// Who has ever opened a session, in order of their registration.
    fn clients(&self) -> Vec<&str> {
        let mut clients: Vec<&str> = self.sessions.iter().map(|s| s.client.as_str()).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    fn space_view(&self, named: &SpaceName) -> SpaceView {
        let space = named.as_str();
        let mut held: Vec<_> = self
            .claims
            .iter()
            .filter(|c| c.space == space)
            .map(|c| (c.prefix, c.address))
            .collect();
        held.sort_unstable();
        held.dedup();
        let mut reserved: Vec<_> =
            self.reserved.iter().filter(|r| r.space.as_str() == space).collect();
        reserved.sort_by_key(|reserved| reserved.first);
        let reservations = reserved.into_iter().map(|reserved| Reservation {
            first: reserved.first,
            last: reserved.last,
            note: reserved.note.clone(),
            common: reserved.common,
        });
        let mut latest: Vec<u64> =
            self.clients().into_iter().filter_map(|client| self.latest(space, client)).collect();
        latest.dedup();
        let sessions = latest.into_iter().map(|id| {
            let session = self.sessions.iter().find(|s| s.id == id).expect("it is the latest");
            (SessionId::new(id), name(&session.client), Timestamp::new(session.opened))
        });
        SpaceView {
            name: named.clone(),
            settings: self.settings(space).expect("it exists").clone(),
            behind: self.restored(space).is_some(),
            pools: self.pools_of(space).len() as u64,
            addresses: held.len() as u64,
            reservations: reservations.collect(),
            sessions: sessions.collect(),
        }
    }

    fn pools_of(&self, space: &str) -> Vec<&Pool> {
        let mut pools: Vec<_> = self.pools.iter().filter(|pool| pool.space == space).collect();
        pools.sort_by_key(|pool| (pool.prefix, pool.part));
        pools
    }

    fn pool_id(&self, pool: &Pool) -> PoolId {
        let exclusive = self.sharing(&pool.space) == Sharing::Exclusive;
        let hold = self.holds.iter().find(|hold| hold.pool == pool.made).filter(|_| exclusive);
        PoolId {
            space: space_name(&pool.space),
            epoch: hold.map(|hold| SessionId::new(hold.epoch)),
            prefix: pool.prefix,
            sub_pool: pool.part,
        }
    }

    fn pool_view(&self, pool: &Pool) -> PoolView {
        let mut holds: Vec<_> = self.holds.iter().filter(|hold| hold.pool == pool.made).collect();
        holds.sort_by_key(|hold| &hold.client);
        let holders = holds.into_iter().map(|hold| HolderView {
            client: name(&hold.client),
            epoch: SessionId::new(hold.epoch),
            claim: ClaimId::new(hold.id),
            since: Timestamp::new(hold.since),
            suspect: hold.suspect.is_some(),
        });
        PoolView {
            id: self.pool_id(pool),
            holders: holders.collect(),
            gateway: pool.gateway,
            name: pool.name.clone(),
            labels: Labels::default(),
            since: Timestamp::new(pool.since),
            behind: pool.behind,
            usage: self.usage(pool),
        }
    }

    /// Each address of the pool is one thing (A3).
    fn usage(&self, pool: &Pool) -> Usage {
        let mut usage = Usage::default();
        for address in addresses(pool.part.unwrap_or(pool.prefix)) {
            usage.size += 1;
            let here = |claim: &Claim| claim.prefix == pool.prefix;
            match self.held(&pool.space, address).next() {
                Some(claim) if here(claim) => match self.claim_state(claim) {
                    AddressState::Stale => usage.stale += 1,
                    AddressState::Suspect => usage.suspect += 1,
                    _ => usage.held += 1,
                },
                Some(_) => usage.reserved += 1,
                None => match self.cools(&pool.space, address) {
                    Some(cooling) if here(&cooling.claim) => usage.cooling += 1,
                    Some(_) => usage.reserved += 1,
                    None if is_edge(pool.prefix, address) => usage.reserved += 1,
                    None if self.reservation(&pool.space, address).is_some() => usage.reserved += 1,
                    None => {}
                },
            }
        }
        usage
    }

    fn claim_state(&self, claim: &Claim) -> AddressState {
        let hold = self
            .pools
            .iter()
            .find(|p| p.made == claim.pool)
            .and_then(|pool| self.hold(pool, &claim.client));
        match hold {
            _ if claim.suspect => AddressState::Suspect,
            Some(hold) if claim.epoch < hold.epoch => AddressState::Stale,
            _ => AddressState::Held,
        }
    }

    /// What is claimed or cools over the pool's prefix, in order.
    fn address_views(&self, pool: &Pool) -> Vec<AddressView> {
        let here = |claim: &Claim| claim.space == pool.space && claim.prefix == pool.prefix;
        let mut views = Vec::new();
        for address in addresses(pool.prefix) {
            if let Some(claim) = self.held(&pool.space, address).find(|claim| here(claim)) {
                views.push(self.address_view(claim, self.claim_state(claim)));
            } else if let Some(cooling) = self.cools(&pool.space, address)
                && here(&cooling.claim)
            {
                let (at, unverified) = (Timestamp::new(cooling.at), cooling.unverified);
                views.push(
                    self.address_view(&cooling.claim, AddressState::Cooling { at, unverified }),
                );
            }
        }
        views
    }

    fn address_view(&self, claim: &Claim, state: AddressState) -> AddressView {
        let pools = self.pools_of(&claim.space);
        let mut over = pools.iter().filter(|pool| pool.prefix == claim.prefix);
        let first = over.clone().next();
        let pool = over.find(|pool| pool.made == claim.pool).or(first).expect("a prefix has pools");
        AddressView {
            address: claim.address,
            pool: self.pool_id(pool),
            state,
            claim: Some(ClaimView {
                id: ClaimId::new(claim.id),
                epoch: SessionId::new(claim.epoch),
                since: Timestamp::new(claim.since),
                client: name(&claim.client),
                kind: claim.kind,
                owner: None,
            }),
        }
    }

    /// The claim that a client's release of the address would end.
    fn claim_to_end(
        &self,
        id: &PoolId,
        pool: &Pool,
        client: &str,
        address: IpAddr,
    ) -> Option<ClaimId> {
        let epoch = id.epoch.map_or(u64::MAX, SessionId::get);
        self.held(&pool.space, address)
            .filter(|claim| claim.pool == pool.made && claim.epoch <= epoch)
            .find(|claim| self.same(&pool.space, &claim.client, client))
            .map(|claim| ClaimId::new(claim.id))
    }
}
