//! An import that breaks off after any of its commands: nothing is given away, and it can be finished.

use std::collections::BTreeMap;

use berth_allocator::{
    AddressKind, AddressState, Batch, ClientName, Command, Envelope, Incarnation, Labels, Millis,
    OpenSession, Order, PoolId, Register, RequestAddress, RequestPool, Response, Sequence,
    SpaceName, SpaceSettings, State, Text, Timestamp, WantedPool,
};
use serde_json::json;

use super::steps::{Executor, Outcome};
use super::{Found, Plan, Reader, Rehearsal, carry_out};
use crate::api::Problem;
use crate::code::Code;

const SWARM: &str = "swarm";
const LAB: &str = "lab";

/// A rehearsal that ends after some commands.
struct Cut {
    inner: Rehearsal,
    left: usize,
}

impl Executor for Cut {
    async fn execute(
        &mut self,
        client: Option<&ClientName>,
        commands: Vec<Command>,
    ) -> Result<Vec<Outcome>, Problem> {
        let cut = || Problem::new(Code::OutcomeUnknown, "cut");
        self.left = self.left.checked_sub(1).ok_or_else(cut)?;
        self.inner.execute(client, commands).await
    }
}

fn plan() -> Plan {
    let since = "2026-01-01T00:00:00Z";
    let space = |name: &str, sharing: &str| {
        json!({"type": "space", "name": name, "scope": "global", "sharing": sharing,
               "ranges": [{"base": "10.0.0.0/8", "length": 24}], "reuse_delay_ms": 60_000,
               "apart": true, "pools": 1, "addresses": 1, "reservations": [], "sessions": []})
    };
    let pool = |id: &str, name: Option<&str>, hosts: &[&str]| {
        let (space, prefix) = id.split_once('/').unwrap();
        let holder = |host: &&str| json!({"host": host, "session": 1, "claim": 1, "since": since, "suspect": false});
        let holders: Vec<_> = hosts.iter().map(holder).collect();
        json!({"type": "pool", "id": id, "space": space, "scope": "global", "prefix": prefix,
               "sub_pool": null, "name": name, "gateway": null, "since": since, "behind": false,
               "labels": {}, "holders": holders,
               "usage": {"size": "0", "free": "0", "held": "0", "stale": "0", "suspect": "0",
                         "cooling": "0", "reserved": "0"}})
    };
    let address = |pool: &str, address: &str, host: &str, state: &str| {
        let space = pool.split('/').next().unwrap();
        json!({"type": "address", "address": address, "pool": pool, "space": space,
               "scope": "global", "state": state, "unverified": state == "cooling",
               "claim": {"id": 1, "session": 1, "since": since, "host": host,
                         "kind": "endpoint"}})
    };
    let mut lines = vec![
        json!({"type": "export", "version": 1, "read": null}),
        space(LAB, "shared"),
        pool("lab/10.8.0.0/24", Some("web"), &["a", "b"]),
        pool("lab/10.9.0.0/24", None, &["a", "b"]),
        address("lab/10.8.0.0/24", "10.8.0.1", "b", "held"),
        address("lab/10.9.0.0/24", "10.9.0.1", "a", "held"),
        address("lab/10.9.0.0/24", "10.9.0.2", "b", "stale"),
        address("lab/10.9.0.0/24", "10.9.0.3", "c", "cooling"),
        space(SWARM, "exclusive"),
        json!({"type": "reservation", "space": SWARM, "first": "10.7.0.1", "last": "10.7.0.3",
               "note": "", "common": false}),
        pool("swarm/10.7.0.0/24", None, &["a"]),
        address("swarm/10.7.0.0/24", "10.7.0.2", "b", "held"),
        address("swarm/10.7.0.0/24", "10.7.0.4", "a", "cooling"),
    ];
    lines.push(json!({"type": "end", "lines": lines.len()}));
    let mut reader = Reader::default();
    for line in lines {
        reader.feed(format!("{line}\n").as_bytes()).unwrap();
    }
    reader.finish().unwrap()
}

fn name(text: &str) -> SpaceName {
    SpaceName::new(text).unwrap()
}

fn host(text: &str) -> ClientName {
    ClientName::new(text).unwrap()
}

/// A state with an empty space, as a new cluster's.
fn new_cluster() -> State {
    let mut state = State::new();
    let (incarnation, instance) = (Incarnation::new(1), 7);
    let register =
        Register { instance, address: Text::new("here").unwrap(), lease: Millis::new(0) };
    let settings = SpaceSettings::exclusive(None);
    let create = Command::CreateSpace { name: name(SWARM), settings };
    let envelope = |sequence, command| {
        let (client, sequence) = (host("api"), Sequence::new(sequence));
        Envelope { client, incarnation, sequence, heard: sequence, command }
    };
    let commands = vec![envelope(0, Command::Register(register)), envelope(1, create)];
    let answers = state.apply(&Batch { at: Timestamp::new(1), commands });
    assert!(answers.iter().all(|answer| answer.outcome.is_ok()), "{answers:?}");
    state
}

fn found(state: &State) -> BTreeMap<SpaceName, Found> {
    state.spaces().map(|space| (space.name.clone(), Found::of(&space))).collect()
}

/// What an import is to leave.
fn held(state: &State) -> Vec<String> {
    let mut all = Vec::new();
    for space in state.spaces() {
        all.push(format!("{} {:?} {:?}", space.name, space.settings, space.reservations));
        for pool in state.pools(&space.name).unwrap() {
            let holders: Vec<_> = pool.holders.iter().map(|it| it.client.to_string()).collect();
            all.push(format!("{}/{} {:?} {holders:?}", space.name, pool.id.prefix, pool.name));
            for address in state.addresses(&pool.id).unwrap() {
                let cooling = match address.state {
                    AddressState::Held => None,
                    AddressState::Cooling { unverified, .. } => Some(unverified),
                    other => panic!("{} is {other:?}", address.address),
                };
                let client = address.claim.unwrap().client;
                all.push(format!("{} {client} cooling: {cooling:?}", address.address));
            }
        }
    }
    all
}

/// What an engine of a host is given that asks for an automatic pool, and for any address of this one.
async fn asked(mut rehearsal: Rehearsal, space: &str, of: &str, prefix: &str) -> [Outcome; 2] {
    let (space, of) = (name(space), host(of));
    let known = rehearsal.state().latest_session(&space, &of);
    let open = Command::OpenSession(OpenSession { space: space.clone(), known });
    let opened = rehearsal.execute(Some(&of), vec![open]).await.unwrap().remove(0);
    let Ok(Response::SessionOpened(session)) = opened else { return [opened.clone(), opened] };
    let pool = |wanted| {
        let (space, labels) = (space.clone(), Labels::default());
        Command::RequestPool(RequestPool { space, session, wanted, labels })
    };
    let prefix = prefix.parse().unwrap();
    let automatic = WantedPool::Automatic {
        family: berth_allocator::Family::V4,
        length: None,
        exclude: vec![],
        name: None,
    };
    let any = RequestAddress {
        pool: PoolId { space: space.clone(), epoch: None, prefix, sub_pool: None },
        address: None,
        kind: AddressKind::Endpoint,
        order: Order::First,
        key: None,
        owner: None,
        unverified: true,
    };
    let exact = pool(WantedPool::Exact { prefix, sub_pool: None });
    let commands = vec![pool(automatic), exact, Command::RequestAddress(any)];
    let mut outcomes = rehearsal.execute(Some(&of), commands).await.unwrap();
    [outcomes.remove(0), outcomes.remove(1)]
}

#[tokio::test]
async fn an_import_that_breaks_off_gives_nothing_away_and_can_be_finished() {
    let plan = plan();
    assert_eq!((plan.counts().left_out, plan.counts().cooling), (1, 1));
    let new = || Rehearsal::new(new_cluster(), host("api"), Timestamp::new(2));
    let mut whole = Cut { inner: new(), left: usize::MAX };
    let start = found(whole.inner.state());
    carry_out(&plan, &start, &mut whole).await.unwrap();
    let commands = usize::MAX - whole.left;
    let wanted = held(whole.inner.state());
    let [pool, address] = asked(whole.inner.clone(), SWARM, "a", "10.7.0.0/24").await;
    assert!(pool.is_ok(), "{pool:?}");
    // All before it are reserved or held, or cool.
    let Ok(Response::Address(grant)) = address else { panic!("{address:?}") };
    assert_eq!(grant.address.to_string(), "10.7.0.5");
    assert!(commands > 8, "{commands}");

    for left in 1..commands {
        let mut cut = Cut { inner: new(), left };
        carry_out(&plan, &start, &mut cut).await.unwrap_err();
        for (space, of, prefix) in
            [(SWARM, "a", "10.7.0.0/24"), (LAB, "a", "10.9.0.0/24"), (LAB, "b", "10.8.0.0/24")]
        {
            let closed = found(cut.inner.state());
            assert!(matches!(closed[&name(space)], Found::Closed(_)), "{left}: {closed:?}");
            // An automatic pool keeps clear of the reservation, before there are no ranges.
            for outcome in asked(cut.inner.clone(), space, of, prefix).await {
                assert!(outcome.is_err(), "{space}, cut after {left}: {outcome:?}");
            }
        }
        let now = found(cut.inner.state());
        carry_out(&plan, &now, &mut cut.inner).await.unwrap();
        assert_eq!(held(cut.inner.state()), wanted, "cut after {left}");
    }
}
