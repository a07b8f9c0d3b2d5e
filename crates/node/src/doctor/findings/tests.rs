use super::super::observation::SwarmView;
use super::*;
use crate::api::types::{Count, Scope, Session, Space, Usage};

const HOST: &str = "h1";

fn space(name: &str, sharing: &str) -> Space {
    let session = Session { id: 9, host: HOST.into(), opened: String::new() };
    Space {
        name: name.into(),
        scope: Scope::Local,
        sharing: sharing.into(),
        ranges: Vec::new(),
        reuse_delay_ms: 0,
        apart: false,
        behind: false,
        pools: 0,
        addresses: 0,
        reservations: Vec::new(),
        sessions: vec![session],
    }
}

fn pool(space: &str, prefix: &str, session: u64) -> Pool {
    let holder =
        Holder { host: HOST.into(), session, claim: 10, since: "then".into(), suspect: false };
    let none = Count(0);
    Pool {
        id: format!("{space}/{prefix}"),
        space: space.into(),
        scope: Scope::Local,
        prefix: prefix.into(),
        sub_pool: None,
        name: None,
        gateway: None,
        since: "then".into(),
        behind: false,
        labels: BTreeMap::new(),
        holders: vec![holder],
        usage: Usage {
            size: none,
            free: none,
            held: none,
            stale: none,
            suspect: none,
            cooling: none,
            reserved: none,
        },
    }
}

fn address(pool: &Pool, address: &str, state: AddressState) -> Address {
    let claim = Claim {
        id: 11,
        session: 9,
        since: "then".into(),
        host: HOST.into(),
        kind: "endpoint".into(),
        owner: None,
        mac: None,
        labels: BTreeMap::new(),
    };
    Address {
        address: address.parse().unwrap(),
        pool: pool.id.clone(),
        space: pool.space.clone(),
        scope: pool.scope,
        state,
        released: None,
        unverified: None,
        note: None,
        claim: Some(claim),
    }
}

fn books(pools: Vec<Pool>, addresses: Vec<Address>, of_hosts: OfHosts) -> (Books, OfHosts) {
    let books = Books {
        host: HOST.into(),
        local_space: "L".into(),
        revisions: (0, 0),
        global_space: "G".into(),
        spaces: vec![space("L", "local"), space("G", "exclusive")],
        pools,
        addresses,
    };
    (books, of_hosts)
}

fn found((books, of_hosts): &(Books, OfHosts), seen: &Observation) -> BTreeSet<Finding> {
    compare(books, books, of_hosts, seen)
}

fn network(prefix: &str, uses: &[&str]) -> Network {
    let uses = uses.iter().map(|used| (used.parse().unwrap(), "endpoint e".to_owned()));
    Network {
        id: "1".into(),
        name: "net".into(),
        driver: "berth:latest".into(),
        ours: true,
        prefixes: vec![prefix.parse().unwrap()],
        uses: uses.collect(),
        ..Network::default()
    }
}

fn kinds(books: &(Books, OfHosts), seen: &Observation) -> Vec<(&'static str, bool)> {
    found(books, seen).iter().map(|found| (found.kind, found.fix.is_some())).collect()
}

fn unknown() -> OfHosts {
    Err("h3 is silent".to_owned())
}

#[test]
fn what_is_used_and_held_is_right() {
    let pool = pool("L", "10.1.0.0/24", 9);
    let held = address(&pool, "10.1.0.2", AddressState::Held);
    let seen = Observation {
        networks: vec![network("10.1.0.0/24", &["10.1.0.2"])],
        ..Observation::default()
    };
    assert_eq!(kinds(&books(vec![pool], vec![held], unknown()), &seen), []);
}

#[test]
fn only_what_is_in_doubt_is_to_be_freed() {
    let pool = pool("L", "10.1.0.0/24", 9);
    let addresses = vec![
        address(&pool, "10.1.0.2", AddressState::Held),
        address(&pool, "10.1.0.3", AddressState::Stale),
        address(&pool, "10.1.0.4", AddressState::Suspect),
        address(&pool, "10.1.0.5", AddressState::Cooling),
    ];
    let seen =
        Observation { networks: vec![network("10.1.0.0/24", &[])], ..Observation::default() };
    let found = kinds(&books(vec![pool], addresses, unknown()), &seen);
    assert_eq!(found, [("leak", true), ("leak", true), ("unseen", false)]);
}

#[test]
fn an_earlier_sessions_pool_is_a_leak_and_a_later_ones_is_not() {
    let pools = vec![pool("L", "10.1.0.0/24", 8), pool("L", "10.2.0.0/24", 9)];
    let found = kinds(&books(pools, Vec::new(), unknown()), &Observation::default());
    assert_eq!(found, [("leak", true), ("unseen", false)]);
}

#[test]
fn another_hosts_claims_are_not_this_ones_to_judge() {
    let mut pool = pool("L", "10.1.0.0/24", 8);
    pool.holders[0].host = "h2".into();
    assert_eq!(kinds(&books(vec![pool], Vec::new(), unknown()), &Observation::default()), []);
}

#[test]
fn what_is_used_and_not_held_is_missing() {
    let pool = pool("L", "10.1.0.0/24", 9);
    let networks =
        vec![network("10.1.0.0/24", &["10.1.0.2"]), network("10.9.0.0/24", &["10.9.0.2"])];
    let seen = Observation { networks, ..Observation::default() };
    let found = found(&books(vec![pool], Vec::new(), unknown()), &seen);
    let about: Vec<&str> = found.iter().map(|found| found.about.as_str()).collect();
    assert_eq!(about, ["10.1.0.2 in L", "10.9.0.0/24 in L"]);
    assert!(found.iter().all(|found| found.severity == Severity::Error));
}

#[test]
fn an_unknown_name_may_be_an_alias() {
    let mut network = network("10.1.0.0/24", &["10.1.0.2", "10.1.0.3"]);
    network.ours = false;
    let pool = pool("L", "10.1.0.0/24", 8);
    let held = address(&pool, "10.1.0.2", AddressState::Stale);
    let seen = Observation { networks: vec![network], ..Observation::default() };
    assert_eq!(kinds(&books(vec![pool], vec![held], unknown()), &seen), []);
}

#[test]
fn of_a_swarm_nothing_is_a_leak_until_all_hosts_told() {
    let pool = pool("G", "10.0.0.0/24", 9);
    let addresses = vec![
        address(&pool, "10.0.0.2", AddressState::Stale),
        address(&pool, "10.0.0.3", AddressState::Held),
    ];
    let networks = vec![network("10.0.0.0/24", &[])];
    let swarm = SwarmView { networks, hosts: vec![HOST.into()] };
    let plugins = vec!["berth:latest".to_owned()];
    let seen = Observation { swarm: Some(swarm), plugins, ..Observation::default() };
    let all = |of_hosts| books(vec![pool.clone()], addresses.clone(), of_hosts);
    assert_eq!(kinds(&all(unknown()), &seen), [("hidden", false)]);
    let balancers = ["10.0.0.2", "10.0.0.3"].map(|address| address.parse().unwrap());
    assert_eq!(kinds(&all(Ok(balancers.into())), &seen), []);
    let found = kinds(&all(Ok(BTreeSet::new())), &seen);
    assert_eq!(found, [("leak", true), ("unseen", false)]);
    // Without a manager's word nothing is told of a Swarm's space.
    assert_eq!(kinds(&all(unknown()), &Observation::default()), []);
}

#[test]
fn what_was_released_is_free_when_nothing_uses_it_and_all_was_seen() {
    let mut suspect = pool("G", "10.9.0.0/24", 9);
    suspect.holders[0].suspect = true;
    let pool = pool("G", "10.0.0.0/24", 9);
    let released = |text: &str, unverified: bool| Address {
        unverified: Some(unverified),
        ..address(&pool, text, AddressState::Cooling)
    };
    let addresses = vec![
        released("10.0.0.2", true),
        released("10.0.0.3", true),
        released("10.0.0.4", false),
        address(&pool, "10.0.0.5", AddressState::Held),
    ];
    let networks = vec![network("10.0.0.0/24", &["10.0.0.3"])];
    let swarm = SwarmView { networks, hosts: vec![HOST.into()] };
    let seen = Observation { swarm: Some(swarm), ..Observation::default() };
    let free = |of_hosts: OfHosts, seen: &Observation| -> Vec<String> {
        let pools = vec![pool.clone(), suspect.clone()];
        let (books, of_hosts) = books(pools, addresses.clone(), of_hosts);
        let free = released_unused(&books, &of_hosts, seen).into_iter();
        free.map(|fix| fix.address.map_or(fix.pool, |address| address.to_string())).collect()
    };
    assert_eq!(free(Ok(BTreeSet::new()), &seen), ["10.0.0.2", "G/10.9.0.0/24"]);
    let balancers = ["10.0.0.2", "10.9.0.7"].map(|address| address.parse().unwrap());
    assert!(free(Ok(balancers.into()), &seen).is_empty());
    assert!(free(unknown(), &seen).is_empty());
    assert!(free(Ok(BTreeSet::new()), &Observation::default()).is_empty());
}

#[test]
fn a_driver_without_its_tag_is_named() {
    let pool = pool("G", "10.0.0.0/24", 9);
    let mut network = network("10.0.0.0/24", &[]);
    network.driver = "berth".into();
    let swarm = SwarmView { networks: vec![network], hosts: vec![HOST.into()] };
    let plugins = vec!["berth:latest".to_owned()];
    let seen = Observation { swarm: Some(swarm), plugins, ..Observation::default() };
    let found = found(&books(vec![pool], Vec::new(), unknown()), &seen);
    let found: Vec<&Finding> = found.iter().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, "driver");
    assert!(found[0].detail.contains("--ipam-driver berth:latest"), "{}", found[0].detail);
}
