//! From the allocator's words to the API's.

use std::collections::BTreeMap;

use berth_allocator::{
    self as allocator, AddressKind, AddressView, ClaimView, HolderView, Labels, PoolView, Sharing,
    SpaceView, Timestamp,
};

use super::types::{
    Address, AddressState, Claim, Count, Fingerprint, Holder, Pool, Range, Reservation, Scope,
    Session, Space, Usage,
};

/// A time, as RFC 3339 has it; the last one that can be told where it lies beyond.
pub(super) fn system_time(at: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The same, of the state machine's times.
pub(crate) fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.get()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}

pub(super) fn fingerprint(told: berth_replication::Fingerprint) -> Fingerprint {
    Fingerprint {
        applied: told.applied.get(),
        revision: told.revision.get(),
        value: format!("{:016x}", told.value),
    }
}

fn labels(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

pub(crate) fn space(scope: Scope, view: SpaceView) -> Space {
    let SpaceView { name, settings, behind, pools, addresses, reservations, sessions } = view;
    let sharing = match settings.sharing {
        Sharing::Exclusive => "exclusive",
        Sharing::Shared => "shared",
        Sharing::Local => "local",
    };
    let range =
        |range: &allocator::PoolRange| Range { base: range.base.to_string(), length: range.length };
    let reservation = |reserved: allocator::Reservation| Reservation {
        first: reserved.first,
        last: reserved.last,
        note: reserved.note.to_string(),
        common: reserved.common,
    };
    let session = |(id, host, opened): (allocator::SessionId, allocator::ClientName, _)| Session {
        id: id.get(),
        host: host.to_string(),
        opened: time(opened),
    };
    Space {
        name: name.to_string(),
        scope,
        sharing: sharing.to_owned(),
        ranges: settings.ranges.iter().map(range).collect(),
        reuse_delay_ms: settings.reuse_delay.get(),
        apart: settings.apart,
        behind,
        pools,
        addresses,
        reservations: reservations.into_iter().map(reservation).collect(),
        sessions: sessions.into_iter().map(session).collect(),
    }
}

pub(crate) fn pool(scope: Scope, view: PoolView) -> Pool {
    let holder = |holder: HolderView| Holder {
        host: holder.client.to_string(),
        session: holder.epoch.get(),
        claim: holder.claim.get(),
        since: time(holder.since),
        suspect: holder.suspect,
    };
    Pool {
        id: view.id.to_string(),
        space: view.id.space.to_string(),
        scope,
        prefix: view.id.prefix.to_string(),
        sub_pool: view.id.sub_pool.map(|sub_pool| sub_pool.to_string()),
        name: view.name.map(|name| name.to_string()),
        gateway: view.gateway,
        since: time(view.since),
        behind: view.behind,
        labels: labels(&view.labels),
        holders: view.holders.into_iter().map(holder).collect(),
        usage: usage(&view.usage),
    }
}

fn usage(usage: &allocator::Usage) -> Usage {
    Usage {
        size: Count(usage.size),
        free: Count(usage.free()),
        held: Count(usage.held),
        stale: Count(usage.stale),
        suspect: Count(usage.suspect),
        cooling: Count(usage.cooling),
        reserved: Count(usage.reserved),
    }
}

pub(crate) fn address(scope: Scope, view: AddressView) -> Address {
    use berth_allocator::AddressState as Seen;
    let (mut released, mut unverified, mut note) = (None, None, None);
    let state = match view.state {
        Seen::Free => AddressState::Free,
        Seen::Held => AddressState::Held,
        Seen::Stale => AddressState::Stale,
        Seen::Suspect => AddressState::Suspect,
        Seen::Edge => AddressState::Edge,
        Seen::Cooling { at, unverified: waits } => {
            (released, unverified) = (Some(time(at)), Some(waits));
            AddressState::Cooling
        }
        Seen::Reserved { note: reason } => {
            note = Some(reason.to_string());
            AddressState::Reserved
        }
    };
    Address {
        address: view.address,
        pool: view.pool.to_string(),
        space: view.pool.space.to_string(),
        scope,
        state,
        released,
        unverified,
        note,
        claim: view.claim.map(claim),
    }
}

fn claim(view: ClaimView) -> Claim {
    let kind = match view.kind {
        AddressKind::Endpoint => "endpoint",
        AddressKind::Gateway => "gateway",
        AddressKind::Auxiliary => "auxiliary",
    };
    let owner = view.owner.unwrap_or_default();
    Claim {
        id: view.id.get(),
        session: view.epoch.get(),
        since: time(view.since),
        host: view.client.to_string(),
        kind: kind.to_owned(),
        owner: owner.name.map(|name| name.to_string()),
        mac: owner.mac.map(|mac| mac.to_string()),
        labels: labels(&owner.labels),
    }
}
