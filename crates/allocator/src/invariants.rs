//! What is true of every state, as functions. Tests ask after each step; a restored snapshot must
//! pass as well.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use core::fmt::Display;
use core::net::IpAddr;

use crate::address_set::{AddressSet, edges};
use crate::claim::{Claim, ClientNumber};
use crate::pool::Holding;
use crate::settings::Sharing;
use crate::space::{Claimant, Space};
use crate::{Prefix, SessionId, State};

/// An invariant that does not hold: a defect, or a damaged snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what} in space {space}")]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// Where.
    pub space: String,
    /// What was found.
    pub what: String,
}

type Check = Result<(), Violation>;

impl State {
    /// Checks every invariant. Costs as much as the state is large.
    pub fn check(&self) -> Check {
        clients_are_of_the_past(self)?;
        bytes_are_counted(self)?;
        self.spaces.values().try_for_each(|space| {
            settings_hold(space)?;
            sessions_are_true(self, space)?;
            reservations_are_apart(space)?;
            names_are_true(space)?;
            no_address_held_twice(space)?;
            cooling_is_held_nowhere(space)?;
            for (prefix, set) in &space.sets {
                claims_are_inside(space, *prefix, set)?;
                claims_have_a_holder(space, set)?;
                ids_are_of_the_past(self, space, set)?;
                clients_exist(self, space, set)?;
                pools_have_holders(space, set)?;
                edges_belong_to_nobody(space, set)?;
                taken_is_true(space, *prefix, set)?;
            }
            overlaps_come_from_sub_pools(space)
        })
    }
}

fn broken<What: Display>(invariant: &'static str, space: &Space, what: What) -> Check {
    Err(Violation { invariant, space: space.name.to_string(), what: what.to_string() })
}

/// A1: an address has one claimant, under whatever prefix; in a shared space each host once.
fn no_address_held_twice(space: &Space) -> Check {
    let mut held: BTreeMap<(IpAddr, Option<ClientNumber>), Prefix> = BTreeMap::new();
    for set in space.sets.values() {
        for (offset, first) in set.claims.iter() {
            if offset > set.prefix.last_offset() {
                continue;
            }
            let address = set.prefix.address(offset);
            for claim in first.all() {
                if held.insert((address, space.claimant(claim.client)), set.prefix).is_some() {
                    return broken("A1 one holder an address", space, address);
                }
            }
            let sharing = !first.sharers().is_empty();
            if sharing && space.settings.sharing != Sharing::Shared {
                return broken("A1 one holder an address", space, address);
            }
        }
    }
    Ok(())
}

/// A1: an address that cools is held nowhere, and cools once.
fn cooling_is_held_nowhere(space: &Space) -> Check {
    for (prefix, set) in &space.sets {
        let offsets = set.cooling.iter().map(|(offset, _)| offset);
        for offset in offsets.filter(|offset| *offset <= prefix.last_offset()) {
            let address = prefix.address(offset);
            let twice = set.related.iter().filter_map(|other| space.sets.get(other)).any(|other| {
                let there = other.prefix.offset(address);
                there.is_some_and(|offset| other.cooling.get(offset).is_some())
            });
            if twice || space.claim_elsewhere(*prefix, address).is_some() {
                return broken("A1 held or cooling, once", space, address);
            }
        }
    }
    Ok(())
}

/// A2: claims and cooling addresses lie inside their prefix, and no address is both.
fn claims_are_inside(space: &Space, prefix: Prefix, set: &AddressSet) -> Check {
    let claims = set.claims.iter().map(|(offset, _)| offset);
    let mut offsets = claims.chain(set.cooling.iter().map(|(offset, _)| offset));
    if offsets.any(|offset| offset > prefix.last_offset()) {
        return broken("A2 claims inside their prefix", space, prefix);
    }
    match set.cooling.iter().find(|(offset, _)| set.claims.get(*offset).is_some()) {
        Some((offset, _)) => broken("A2 held or cooling", space, prefix.address(offset)),
        None => Ok(()),
    }
}

/// A2: a claim's pool exists and its claimant holds it.
fn claims_have_a_holder(space: &Space, set: &AddressSet) -> Check {
    let orphan = |claim: &&Claim| {
        set.pool(claim.pool).and_then(|pool| space.holding(pool, claim.client)).is_none()
    };
    match set.claims.iter().find(|(_, first)| first.all().any(|claim| orphan(&claim))) {
        Some((offset, _)) => {
            broken("A2 claims under a held pool", space, set.prefix.address(offset))
        }
        None => Ok(()),
    }
}

/// A8: ids come from commands that were executed, and no claim is of a later epoch than its pool.
fn ids_are_of_the_past(state: &State, space: &Space, set: &AddressSet) -> Check {
    let now = state.revision.get();
    let held = |held: &Holding| held.claim.get() <= now && held.epoch.get() <= now;
    let pools = set.pools.values().flat_map(|pool| &pool.holders).all(held);
    let claims = set.claims.iter().flat_map(|(_, first)| first.all()).all(|claim| {
        let pool = set.pool(claim.pool).and_then(|pool| space.holding(pool, claim.client));
        claim.id.get() <= now && pool.is_some_and(|pool| claim.epoch <= pool.epoch)
    });
    let cooling = set.cooling.iter().all(|(_, entry)| {
        entry.released.get() <= now && entry.claim.id.get() <= now && entry.claim.epoch.get() <= now
    });
    if pools && claims && cooling {
        Ok(())
    } else {
        broken("A8 ids of the past", space, set.prefix)
    }
}

/// A8: so do incarnations; and there are revisions left for all commands to come.
fn clients_are_of_the_past(state: &State) -> Check {
    let mut incarnations = state.clients.iter().map(|client| client.incarnation.get());
    let now = state.revision.get();
    let restored = state.spaces.values().filter_map(|space| space.behind).chain(state.behind);
    let restored = restored.map(crate::Revision::get).all(|revision| revision <= now);
    let tokens = state.tokens().all(|token| token.id.get() <= now);
    let past = restored && tokens;
    if now <= State::REVISION_MAX && past && incarnations.all(|incarnation| incarnation <= now) {
        return Ok(());
    }
    let invariant = "A8 ids of the past";
    Err(Violation { invariant, space: "all spaces".to_string(), what: state.revision.to_string() })
}

/// What the state takes is known exactly, without a look at all of it.
fn bytes_are_counted(state: &State) -> Check {
    if let Some(space) = state.spaces.values().find(|space| space.bytes != space.counted()) {
        return broken("bytes are counted", space, space.bytes);
    }
    if state.bytes == state.spaces.values().map(|space| space.bytes).sum::<u64>() {
        return Ok(());
    }
    let (invariant, space) = ("bytes are counted", "all spaces".to_string());
    Err(Violation { invariant, space, what: state.bytes.to_string() })
}

fn settings_hold(space: &Space) -> Check {
    space.settings.check().or_else(|error| broken("settings hold", space, error))
}

/// Every claimant's latest session is remembered, and none is of the future.
fn sessions_are_true(state: &State, space: &Space) -> Check {
    let latest = |(claimant, id): (&Claimant, &SessionId)| {
        let session = space.sessions.get(id);
        session.is_some_and(|session| space.claimant(session.client) == *claimant)
    };
    let past = space.sessions.keys().all(|id| id.get() <= state.revision.get());
    if past && space.latest.iter().all(latest) {
        Ok(())
    } else {
        broken("sessions are true", space, space.sessions.len())
    }
}

/// Reservations are ranges of one family, in order, and none overlaps another.
fn reservations_are_apart(space: &Space) -> Check {
    let mut end: Option<IpAddr> = None;
    for (first, reserved) in &space.reservations {
        let one_family = first.is_ipv4() == reserved.last.is_ipv4();
        let in_order = *first == reserved.first && *first <= reserved.last;
        if !one_family || !in_order || end.replace(reserved.last) >= Some(*first) {
            return broken("reservations are apart", space, first);
        }
    }
    Ok(())
}

/// A name leads to the pool that carries it.
fn names_are_true(space: &Space) -> Check {
    for ((name, family), prefix) in &space.named {
        let pool = space.sets.get(prefix).and_then(|set| set.pools.get(&None));
        if prefix.family() != *family || pool.and_then(|pool| pool.name.as_ref()) != Some(name) {
            return broken("names are true", space, name);
        }
    }
    Ok(())
}

/// Every client that a claim names is in the table.
fn clients_exist(state: &State, space: &Space, set: &AddressSet) -> Check {
    let claims = set.claims.iter().flat_map(|(_, first)| first.all());
    let cooling = set.cooling.iter().flat_map(|(_, entry)| entry.claim.all());
    let named = claims.chain(cooling).map(|claim| claim.client);
    let holders = set.pools.values().flat_map(|pool| &pool.holders).map(|held| held.client);
    let sessions = space.sessions.values().map(|session| session.client);
    match named.chain(holders).chain(sessions).find(|number| state.client(*number).is_none()) {
        Some(number) => broken("clients exist", space, number.0),
        None => Ok(()),
    }
}

/// A pool is held, by one claimant unless its space is shared, and its sub-pool lies inside.
fn pools_have_holders(space: &Space, set: &AddressSet) -> Check {
    if set.pools.is_empty() {
        return broken("a prefix has pools", space, set.prefix);
    }
    let mut numbers = BTreeSet::new();
    for (sub_pool, pool) in &set.pools {
        let mut last = None;
        let ordered = pool.holders.iter().all(|held| last.replace(held.client) < Some(held.client));
        let number = match space.settings.sharing {
            Sharing::Shared => ordered && !pool.holders.is_empty(),
            _ => pool.holders.len() == 1,
        };
        let inside = sub_pool.is_none_or(|sub_pool| set.prefix.contains(sub_pool));
        let gateway = pool.gateway.is_none_or(|gateway| gateway <= set.prefix.last_offset());
        let unique = numbers.insert(pool.number);
        if !number
            || !inside
            || !gateway
            || !unique
            || *sub_pool != pool.sub_pool
            || pool.number.0 >= set.next_pool
        {
            return broken("pools are held", space, set.prefix);
        }
    }
    Ok(())
}

/// A2: network, broadcast and anycast addresses are nobody's.
fn edges_belong_to_nobody(space: &Space, set: &AddressSet) -> Check {
    match edges(set.prefix).find(|edge| set.claims.get(*edge).is_some()) {
        Some(edge) => broken("A2 edges belong to nobody", space, set.prefix.address(edge)),
        None => Ok(()),
    }
}

/// A3: what a dynamic request may not be given is known exactly.
fn taken_is_true(space: &Space, prefix: Prefix, set: &AddressSet) -> Check {
    if space.taken_within(set, &(0..=prefix.last_offset())) == set.taken {
        Ok(())
    } else {
        broken("A3 free is what nobody has", space, prefix)
    }
}

/// A4: pools overlap only where a sub-pool was asked for, as in libnetwork (contract of
/// `RequestPool`, moby#46756).
fn overlaps_come_from_sub_pools(space: &Space) -> Check {
    let alone = |set: &&AddressSet| {
        !set.related.is_empty() && set.pools.values().all(|pool| pool.sub_pool.is_none())
    };
    for set in space.sets.values().filter(alone) {
        // It came first, and those that overlap it came with a sub-pool.
        let with_sub_pool = |other: &Prefix| {
            space.sets.get(other).is_some_and(|o| o.pools.values().any(|p| p.sub_pool.is_some()))
        };
        if !set.related.iter().all(with_sub_pool) {
            return broken("A4 no overlap without a sub-pool", space, set.prefix);
        }
    }
    Ok(())
}
