//! What one cluster exports, imported into another; and files that are wrong.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Output;

use berth_node::api::types::{Address, AddressState, Space};
use berth_tests::{Cluster, GLOBAL, LOCAL, Node, PATIENCE, eventually};
use ipamapi::constants::MAC_ADDRESS;
use ipamapi::remote::RetryPolicy;
use ipamapi::{
    AddressRequest, Ipam, IpamError, Options, PoolId, PoolRequest, RemoteIpam, RequestContext,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

const SUBNET: &str = "10.77.0.0/24";
const LAB: &str = "lab";
const LAB_SUBNET: &str = "10.88.0.0/24";
const GATEWAY: &str = "10.88.0.1";
const MAC: &str = "02:42:0a:4d:00:63";
/// Addresses of the large file, unless `ADDRESSES` says so.
const ADDRESSES: u32 = 10_000;

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn path(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}

async fn import(node: &Node, file: &Path, more: &[&str]) -> Output {
    node.run(&[&["import", file.to_str().unwrap()], more].concat()).await
}

async fn export(node: &Node) -> String {
    done(&node.run(&["export"]).await)
}

/// All that a cluster holds, whatever else it has decided since.
async fn content(node: &Node) -> String {
    export(node).await.split_once('\n').unwrap().1.to_owned()
}

/// An import is refused, for this reason.
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{why}: {output:?}");
    assert!(said.contains("BERTH-0121") && said.contains(why), "{why}: {said}");
}

/// The lines without ids, times, and how the addresses count: what an import keeps.
fn kept(export: &str) -> Vec<Value> {
    let without_epoch = |id: &Value| {
        let (head, rest) = id.as_str().unwrap().split_once('/').unwrap();
        json!(format!("{}/{rest}", head.split('~').next().unwrap()))
    };
    let of = |text: &str| {
        let mut line: Value = serde_json::from_str(text).unwrap();
        for field in ["read", "sessions", "since", "usage", "released"] {
            line.as_object_mut().unwrap().remove(field);
        }
        for id in ["id", "pool"] {
            if line.get(id).is_some() {
                line[id] = without_epoch(&line[id]);
            }
        }
        if let Some(holders) = line.get_mut("holders").and_then(Value::as_array_mut) {
            // They stand in the order in which the cluster first heard of them.
            holders.sort_by_key(|holder| holder["host"].to_string());
            for holder in holders {
                *holder = holder["host"].clone();
            }
        }
        if let Some(claim) = line.get_mut("claim").and_then(Value::as_object_mut) {
            claim.retain(|field, _| !matches!(field.as_str(), "id" | "session" | "since"));
        }
        line
    };
    export.lines().map(of).collect()
}

/// A client of a host's engine that says more than most.
struct Talker(RemoteIpam);

impl Talker {
    fn of(node: &Node) -> Self {
        Self(RemoteIpam::new(&node.plugin_socket).with_retry(RetryPolicy::NEVER))
    }

    async fn pool(&self, space: &str, pool: &str, options: Options) -> (PoolId, String) {
        let request = PoolRequest::parse(space, pool, "", false).unwrap().with_options(options);
        let given = self.0.request_pool(&RequestContext::in_process(), request).await.unwrap();
        (given.id, given.pool.to_string())
    }

    /// The lab's network of a name.
    async fn named(&self, name: &str) -> (PoolId, String) {
        let options = Options::new().with("berth.space", LAB).with("berth.network", name);
        self.pool(LOCAL, "", options).await
    }

    async fn with_mac(&self, pool: &PoolId, address: &str) -> Result<(), IpamError> {
        let (pool_id, address) = (pool.clone(), Some(address.parse().unwrap()));
        let options = Options::new().with(MAC_ADDRESS, MAC);
        let request = AddressRequest { pool_id, address, options };
        self.0.request_address(&RequestContext::in_process(), request).await.map(|_| ())
    }
}

/// What the old cluster's engines hold.
#[derive(Default)]
struct Held {
    swarm: BTreeSet<IpAddr>,
    six: BTreeSet<IpAddr>,
    of_server: BTreeSet<IpAddr>,
    of_agent: BTreeSet<IpAddr>,
    network: String,
}

async fn claim(cluster: &Cluster, agent: &Node) -> Held {
    let mut held = Held::default();
    let first = &cluster.nodes[0];
    done(&first.run(&["space", "create", LAB, "--shared", "--range", "10.60.0.0/16:24"]).await);
    let (manager, talker) = (first.engine(), Talker::of(first));
    manager.handshake().await.unwrap();
    let labels = Options::new().with("team", "a \"quoted\" one");
    let (pool, _) = talker.pool(GLOBAL, SUBNET, labels).await;
    manager.gateway(&pool, None).await.unwrap();
    for _ in 0..5 {
        held.swarm.insert(manager.address(&pool).await.unwrap());
    }
    talker.with_mac(&pool, "10.77.0.99").await.unwrap();
    let cooling = manager.exact(&pool, "10.77.0.150".parse().unwrap()).await.unwrap();
    manager.release(&pool, cooling).await.unwrap();
    // A part of a pool in which another one lies: it came later.
    manager.pool(GLOBAL, "10.78.1.0/24").await.unwrap();
    let part = manager.sub_pool(GLOBAL, "10.78.0.0/16", "10.78.5.0/24").await.unwrap().id;
    manager.address(&part).await.unwrap();
    let six = manager.pool(GLOBAL, "fd00:77::/64").await.unwrap().id;
    held.six.insert(manager.address(&six).await.unwrap());

    for (node, own) in [(first, &mut held.of_server), (agent, &mut held.of_agent)] {
        let engine = node.engine();
        engine.handshake().await.unwrap();
        let pool = engine.pool_of(LAB, LAB_SUBNET).await.unwrap().id;
        engine.gateway(&pool, Some(GATEWAY.parse().unwrap())).await.unwrap();
        for _ in 0..4 {
            own.insert(engine.address(&pool).await.unwrap());
        }
    }
    held.network = Talker::of(agent).named("web").await.1;
    let reserve = ["pool", "reserve", GLOBAL, "10.77.0.2-10.77.0.9", "--note", "came later"];
    done(&first.run(&reserve).await);
    done(&first.run(&["pool", "reserve", LAB, "10.88.0.250", "--note", "all", "--common"]).await);
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_moves_and_its_engines_keep_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "berth.jsonl");
    let old = Cluster::start(1).await;
    let agent = old.agent("w1");
    agent.ready().await;
    let held = claim(&old, &agent).await;
    let exported = export(&old.nodes[0]).await;
    fs::write(&file, &exported).unwrap();

    let new = Cluster::start(3).await;
    let before = content(&new.nodes[0]).await;
    let said = done(&import(&new.nodes[1], &file, &["--dry-run"]).await);
    assert!(said.starts_with("can be imported: 2 spaces, 2 reservations, 6 pools, "), "{said}");
    assert_eq!(content(&new.nodes[0]).await, before, "a dry run changes nothing");
    let said = done(&import(&new.nodes[1], &file, &[]).await);
    assert!(said.contains("1 that cool") && !said.contains("left out"), "{said}");
    let imported = export(&new.nodes[2]).await;
    for (new, old) in kept(&imported).into_iter().zip(kept(&exported)) {
        assert_eq!(new, old);
    }
    assert_eq!(imported.lines().count(), exported.lines().count());

    let before = content(&new.nodes[0]).await;
    refused(&import(&new.nodes[0], &file, &[]).await, GLOBAL);
    assert_eq!(content(&new.nodes[0]).await, before, "a second import changes nothing");
    drop(old);
    the_swarm_goes_on(&new, &held).await;
    the_lab_goes_on(&new, &held).await;
    new.agree().await;
}

/// A manager claims what it holds; what it does not claim is stale, and nobody's.
async fn the_swarm_goes_on(new: &Cluster, held: &Held) {
    let manager = new.nodes[1].engine();
    manager.handshake().await.unwrap();
    let pool = manager.pool(GLOBAL, SUBNET).await.unwrap().id;
    let mut all = held.swarm.clone();
    let lost = all.pop_last().unwrap();
    for address in &all {
        assert_eq!(manager.exact(&pool, *address).await.unwrap(), *address);
        manager.exact(&pool, *address).await.unwrap_err();
    }
    let known: Vec<Address> = new.nodes[0].addresses(pool.as_str()).await;
    let stale = |address: &&Address| address.state == AddressState::Stale;
    assert!(known.iter().filter(stale).any(|address| address.address == lost));
    let with_mac = |address: &Address| address.claim.as_ref().is_some_and(|c| c.mac.is_some());
    assert!(known.iter().any(with_mac), "{known:?}");
    all.extend(known.iter().map(|address| address.address));
    for _ in 0..100 {
        let given = manager.address(&pool).await.unwrap();
        assert!(all.insert(given), "{given} was imported");
    }
    let six = manager.pool(GLOBAL, "fd00:77::/64").await.unwrap().id;
    assert!(!held.six.contains(&manager.address(&six).await.unwrap()));
    let another = manager.pool(GLOBAL, "").await.unwrap();
    assert!(!another.pool.to_string().starts_with("10.77.0."), "{another:?}");
}

/// Each host claims its own, and none another one's.
async fn the_lab_goes_on(new: &Cluster, held: &Held) {
    let agent = new.agent("w1");
    agent.ready().await;
    let (server, worker) = (new.nodes[0].engine(), agent.engine());
    let mut all: BTreeSet<IpAddr> = held.of_server.union(&held.of_agent).copied().collect();
    for (engine, own, other) in
        [(&server, &held.of_server, &held.of_agent), (&worker, &held.of_agent, &held.of_server)]
    {
        engine.handshake().await.unwrap();
        let pool = engine.pool_of(LAB, LAB_SUBNET).await.unwrap().id;
        engine.gateway(&pool, Some(GATEWAY.parse().unwrap())).await.unwrap();
        for address in other {
            engine.exact(&pool, *address).await.unwrap_err();
        }
        for address in own {
            assert_eq!(engine.exact(&pool, *address).await.unwrap(), *address);
        }
        for _ in 0..10 {
            let given = engine.address(&pool).await.unwrap();
            assert!(all.insert(given), "{given} was imported");
        }
    }
    // A network that a third host makes by its name is the one that was imported.
    let third = Talker::of(&new.nodes[2]);
    third.0.capability(&RequestContext::in_process()).await.unwrap();
    assert_eq!(third.named("web").await.1, held.network);
}

/// What makes a file wrong.
type Change = &'static dyn Fn(&mut Vec<Value>);

/// An export that no cluster made.
struct File(Vec<Value>);

impl File {
    /// A pool of a host in an exclusive space, and its first addresses.
    fn new(space: &str, host: &str, pool: &str, addresses: u32) -> Self {
        let network = pool.split('/').next().unwrap().parse::<Ipv4Addr>().unwrap();
        let id = format!("{space}~7/{pool}");
        let since = "2026-01-01T00:00:00Z";
        let mut lines = vec![
            json!({"type": "export", "version": 1, "read": null}),
            json!({"type": "space", "name": space, "scope": "global", "sharing": "exclusive",
                   "ranges": [{"base": "10.0.0.0/8", "length": 24}], "reuse_delay_ms": 60_000,
                   "apart": true, "pools": 1, "addresses": addresses, "reservations": [],
                   "sessions": [{"id": 7, "host": host, "opened": since}]}),
            json!({"type": "reservation", "space": space, "first": "10.200.0.1",
                   "last": "10.200.0.9", "note": "machines", "common": false}),
            json!({"type": "pool", "id": id, "space": space, "scope": "global", "prefix": pool,
                   "sub_pool": null, "name": null, "gateway": null, "since": since,
                   "behind": false, "labels": {},
                   "holders": [{"host": host, "session": 7, "claim": 8, "since": since,
                                "suspect": false}],
                   "usage": {"size": "0", "free": "0", "held": "0", "stale": "0",
                             "suspect": "0", "cooling": "0", "reserved": "0"}}),
        ];
        let address = |number: u32| {
            let address = Ipv4Addr::from_bits(network.to_bits() + number);
            json!({"type": "address", "address": address, "pool": id, "space": space,
                   "scope": "global", "state": "held",
                   "claim": {"id": 8 + number, "session": 7, "since": since, "host": host,
                             "kind": "endpoint", "owner": format!("container-{number}")}})
        };
        lines.extend((1..=addresses).map(address));
        lines.push(json!({"type": "end", "lines": lines.len()}));
        Self(lines)
    }

    /// The same, with something else in it.
    fn with(&self, change: impl FnOnce(&mut Vec<Value>)) -> Self {
        let mut lines = self.0.clone();
        change(&mut lines);
        Self(lines)
    }

    fn text(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(Value::to_string).collect();
        lines.join("\n") + "\n"
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_wrong_changes_nothing() {
    const FIRST_ADDRESS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let at = path(&dir, "wrong.jsonl");
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let before = content(node).await;
    let file = File::new("swarm", "w1", SUBNET, 4);
    let whole = file.text();
    let mut wrong: Vec<(String, &str)> = Vec::new();
    for (cut, _) in whole.match_indices('\n') {
        wrong.push((whole[..cut].to_owned(), "line"));
        if cut + 1 < whole.len() {
            wrong.push((whole[..=cut].to_owned(), "cut"));
        }
    }
    wrong.push((String::new(), "cut"));
    wrong.push((whole.clone() + &whole, "ends"));
    let changes: [(&str, Change); 13] = [
        ("version 2", &|lines| lines[0]["version"] = json!(2)),
        ("there twice", &|lines| lines[5]["address"] = lines[4]["address"].clone()),
        ("not in 10.77.0.0/24", &|lines| lines[5]["address"] = json!("10.78.0.1")),
        ("no line before", &|lines| lines[4]["pool"] = json!("swarm~7/10.79.0.0/24")),
        ("no line before", &|lines| lines.swap(3, 4)),
        ("no line before", &|lines| lines[2]["space"] = json!("another")),
        ("host's own", &|lines| lines[1]["scope"] = json!("local")),
        ("restored", &|lines| lines[1]["behind"] = json!(true)),
        ("should be before", &|lines| {
            lines.remove(FIRST_ADDRESS);
        }),
        ("no kind", &|lines| lines[4]["claim"]["kind"] = json!("friend")),
        ("unknown variant", &|lines| lines[4]["type"] = json!("container")),
        ("control", &|lines| lines[4]["claim"]["owner"] = json!("a\nb")),
        ("overlaps", &|lines| {
            let mut pool = lines[3].clone();
            pool["id"] = json!("swarm~7/10.77.0.0/16");
            pool["prefix"] = json!("10.77.0.0/16");
            lines.insert(3, pool);
            let end = lines.len() - 1;
            lines[end]["lines"] = json!(end);
        }),
    ];
    for (why, change) in changes {
        wrong.push((file.with(change).text(), why));
    }
    wrong.push((File::new(LOCAL, "w1", SUBNET, 1).text(), "this host's own"));
    for (text, why) in wrong {
        fs::write(&at, &text).unwrap();
        refused(&import(node, &at, &[]).await, why);
    }
    assert_eq!(content(node).await, before, "nothing was changed");

    fs::write(&at, &whole).unwrap();
    let agent = cluster.agent("w1");
    agent.ready().await;
    let asked_of_an_agent = import(&agent, &at, &[]).await;
    assert!(!asked_of_an_agent.status.success(), "{asked_of_an_agent:?}");
    eventually("the agent holds its name", async || {
        let tried = import(node, &at, &["--dry-run"]).await;
        (!tried.status.success()).then_some(())
    })
    .await;
    refused(&import(node, &at, &[]).await, "w1 is held by the process");
    assert_eq!(content(node).await, before, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_addresses_are_imported() {
    let number = |text: String| text.replace('_', "").parse().unwrap();
    let addresses = std::env::var("ADDRESSES").map_or(ADDRESSES, number);
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "many.jsonl");
    fs::write(&file, File::new(GLOBAL, "n1", "10.64.0.0/10", addresses).text()).unwrap();
    let cluster = Cluster::start(3).await;
    let follower = (cluster.leader().await + 1) % 3;
    let node = &cluster.nodes[follower];
    let as_bearer = async |role: &str| {
        let token = path(&dir, role);
        fs::write(&token, done(&node.run(&["token", "create", role]).await)).unwrap();
        import(node, &file, &["--token-file", token.to_str().unwrap()]).await
    };
    let may_only_read = as_bearer("read").await;
    let said = String::from_utf8_lossy(&may_only_read.stderr).into_owned();
    assert!(said.contains("BERTH-0151"), "{said}");
    let began = Instant::now();
    let said = done(&as_bearer("admin").await);
    println!("{addresses} addresses in {:?}: {said}", began.elapsed());
    assert!(said.contains(&format!("1 pools, {addresses} addresses")), "{said}");
    cluster.agree().await;
    // The first host that asks is the next manager; the address is behind all that were imported.
    let manager = cluster.nodes[0].engine();
    manager.handshake().await.unwrap();
    let pool = manager.pool(GLOBAL, "10.64.0.0/10").await.unwrap().id;
    let next = Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 0).to_bits() + addresses + 1);
    assert_eq!(manager.address(&pool).await.unwrap(), IpAddr::V4(next));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_node_dies_is_finished_on_another() {
    const ADDRESSES: u32 = 50_000;
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "cut.jsonl");
    fs::write(&file, File::new(GLOBAL, "n1", "10.64.0.0/10", ADDRESSES).text()).unwrap();
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let (dies, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let importing = cluster.nodes[dies].berth(&["import", file.to_str().unwrap()]).output();
    let begun = async {
        eventually("the space is closed", async || {
            let space: Space = cluster.nodes[other].ask(&["space", "show", GLOBAL]).await;
            (space.pools > 0 && space.reservations.len() == 2).then_some(())
        })
        .await;
        cluster.nodes[dies].signal(Signal::KILL);
    };
    let (broken, ()) = tokio::join!(importing, begun);
    let broken = broken.unwrap();
    assert_eq!(broken.status.code(), Some(3), "its outcome is not known: {broken:?}");
    cluster.nodes[dies].ended(PATIENCE).await;

    let node = &cluster.nodes[other];
    refused(&import(node, &file, &[]).await, "--resume");
    let manager = node.engine();
    let said = done(&import(node, &file, &["--resume"]).await);
    assert!(said.contains(&format!("1 pools, {ADDRESSES} addresses")), "{said}");
    let space: Space = node.ask(&["space", "show", GLOBAL]).await;
    assert_eq!((space.addresses, space.reservations.len()), (u64::from(ADDRESSES), 1));
    manager.handshake().await.unwrap();
    let pool = manager.pool(GLOBAL, "10.64.0.0/10").await.unwrap().id;
    let next = Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 0).to_bits() + ADDRESSES + 1);
    assert_eq!(manager.address(&pool).await.unwrap(), IpAddr::V4(next));
    cluster.start_stopped();
    cluster.ready().await;
    cluster.agree().await;
}
