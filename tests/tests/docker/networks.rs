//! Networks of all kinds, and their containers: what the engine shows is what Berth holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use berth_node::api::types::{Address, AddressState};
use berth_tests::{Cluster, LOCAL, eventually};
use serde_json::Value;

use crate::daemon::{Engine, may_start};
use crate::doctor::doctor;

/// Given with `--aux-address`, and seen by no container.
const AUXILIARY: &str = "10.88.5.9";

/// The engine of a host of the cluster.
struct Host {
    cluster: Cluster,
    engine: Engine,
}

impl Host {
    async fn start() -> Self {
        let cluster = Cluster::start(3).await;
        let engine = Engine::start(&cluster.nodes[0].plugin_socket).await;
        Self { cluster, engine }
    }

    async fn network(&self, name: &str, arguments: &[&str]) -> Result<String, String> {
        let create = ["network", "create", "--ipam-driver", self.engine.driver()];
        self.engine.try_docker(&[&create, arguments, &[name]].concat()).await
    }

    async fn container(
        &self,
        name: &str,
        network: &str,
        arguments: &[&str],
    ) -> Result<String, String> {
        // Nobody waits for a shell that ignores signals.
        let run = ["run", "--detach", "--stop-signal=KILL", "--name", name, "--network", network];
        let sleep = ["busybox", "sleep", "infinity"];
        self.engine.try_docker(&[&run, arguments, &sleep].concat()).await
    }

    /// An address of a running container.
    async fn address(&self, container: &str, field: &str) -> IpAddr {
        let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{field}}}}}{{{{end}}}}");
        let text = self.engine.docker(&["inspect", "--format", &format, container]).await;
        text.parse().unwrap_or_else(|_| panic!("{container} has no {field}: {text:?}"))
    }

    /// Addresses of all running containers and of their gateways, as the engine has them.
    async fn shown(&self) -> BTreeSet<IpAddr> {
        let fields = ["IPAddress", "Gateway", "GlobalIPv6Address", "IPv6Gateway"];
        let mut shown = BTreeSet::new();
        for container in self.engine.containers().await {
            let networks = container["NetworkSettings"]["Networks"].as_object().unwrap().clone();
            for network in networks.values() {
                let texts = fields.iter().filter_map(|field| network[field].as_str());
                let given = texts.filter(|text| !text.is_empty());
                shown.extend(given.map(|text| text.parse::<IpAddr>().unwrap()));
            }
        }
        shown
    }

    /// Addresses that Berth holds for this host.
    async fn held(&self) -> BTreeSet<IpAddr> {
        let all: Vec<Address> = self.cluster.nodes[0].ask(&["address", "ls"]).await;
        let held = all.into_iter().filter(|address| address.space == LOCAL);
        let held = held.inspect(|address| assert_eq!(address.state, AddressState::Held));
        held.map(|address| address.address).collect()
    }

    /// Waits until Berth holds what the engine shows, and nothing else.
    async fn agree(&self) {
        let mut last = (BTreeSet::new(), BTreeSet::new());
        let what = "Berth holds what the engine shows";
        let agree = async || {
            let mut shown = self.shown().await;
            shown.insert(AUXILIARY.parse().unwrap());
            last = (shown, self.held().await);
            (last.0 == last.1).then_some(())
        };
        eventually(what, agree).await;
        let found = doctor(&self.cluster, &self.engine, &[]).await;
        assert_eq!(found, (Some(0), BTreeSet::new()), "the doctor finds what is not so");
    }

    async fn running(&self) -> usize {
        self.engine.containers().await.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_engine_shows_is_what_berth_holds() {
    if !may_start() {
        return;
    }
    let mut host = Host::start().await;
    make_networks(&host).await;
    refuse_what_is_taken(&host).await;
    run_containers(&host).await;
    host.agree().await;

    // A container that stops gives its address back, and gets one when it starts.
    host.engine.docker(&["stop", "--time", "0", "auto-1"]).await;
    host.agree().await;
    host.engine.docker(&["start", "auto-1"]).await;
    host.engine.docker(&["restart", "--time", "0", "dual-1"]).await;
    host.agree().await;

    // The engine does not notice that its node was restarted.
    let node = &mut host.cluster.nodes[0];
    node.kill().await;
    node.start();
    node.ready().await;
    host.engine.docker(&["restart", "--time", "0", "ranged-1"]).await;
    host.agree().await;

    let mut before = pools(&host).await;
    for crash in [false, true, true] {
        if crash {
            host.engine.kill().await;
        } else {
            host.engine.stop().await;
        }
        host.engine.begin().await;
        // All were told to restart always, but one.
        eventually("the containers are back", async || (host.running().await == 6).then_some(()))
            .await;
        host.agree().await;
        let after = pools(&host).await;
        assert!(after.keys().eq(before.keys()), "{after:?} instead of {before:?}");
        let adopted = after.iter().all(|(pool, session)| *session > before[pool]);
        assert!(adopted, "not claimed again: {after:?} after {before:?}");
        before = after;
        host.engine.docker(&["start", "once"]).await;
        host.agree().await;
    }
    assert_eq!(host.address("fixed", "IPAddress").await.to_string(), "10.88.0.50");

    remove_everything(&host).await;
    assert_eq!(host.held().await, BTreeSet::new());
    assert_eq!(host.cluster.nodes[0].pools().await, []);
}

/// All pools, and the session in which the engine last claimed each.
async fn pools(host: &Host) -> BTreeMap<String, u64> {
    let pools = host.cluster.nodes[0].pools().await;
    let sessions = pools.into_iter().map(|pool| {
        let [holder] = pool.holders.as_slice() else { panic!("{pool:?} has other holders") };
        (pool.id, holder.session)
    });
    sessions.collect()
}

async fn make_networks(host: &Host) {
    let ranged = [
        "--subnet=10.88.0.0/16",
        "--ip-range=10.88.5.0/24",
        "--gateway=10.88.0.254",
        &format!("--aux-address=router={AUXILIARY}"),
    ];
    let dual = ["--ipv6", "--subnet=10.89.0.0/24", "--subnet=fd00:be27:2::/64"];
    for (name, arguments) in [
        ("auto", &[] as &[&str]),
        ("ranged", &ranged),
        ("dual", &dual),
        ("six", &["--ipv6", "--subnet=fd00:be27:1::/64"]),
        ("auto-six", &["--ipv6"]),
    ] {
        host.network(name, arguments).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

async fn refuse_what_is_taken(host: &Host) {
    let refused = host.network("again", &["--subnet=10.88.0.0/16"]).await.unwrap_err();
    assert!(refused.contains("Pool overlaps with other one on this address space"), "{refused}");
    let refused = host.network("part", &["--subnet=10.88.128.0/17"]).await.unwrap_err();
    assert!(refused.contains("Pool overlaps with other one on this address space"), "{refused}");
    let refused = host.network("gate", &["--subnet=10.90.0.0/24", "--gateway=10.91.0.1"]).await;
    assert!(refused.is_err(), "a gateway outside its subnet");
    host.container("taken", "ranged", &[&format!("--ip={AUXILIARY}")]).await.map_or_else(
        |refused| assert!(refused.contains("Address already in use"), "{refused}"),
        |_| panic!("the auxiliary address was given to a container"),
    );
    host.engine.docker(&["rm", "taken"]).await;
}

async fn run_containers(host: &Host) {
    let always = "--restart=always";
    for (name, network, arguments) in [
        ("auto-1", "auto", &[always] as &[&str]),
        ("ranged-1", "ranged", &[always]),
        ("fixed", "ranged", &[always, "--ip=10.88.0.50"]),
        ("dual-1", "dual", &[always, "--ip6=fd00:be27:2::77"]),
        ("six-1", "six", &[always]),
        ("auto-six-1", "auto-six", &[always]),
        ("once", "auto", &[]),
    ] {
        host.container(name, network, arguments)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let ranged = host.address("ranged-1", "IPAddress").await.to_string();
    assert!(ranged.starts_with("10.88.5."), "{ranged} is not of its --ip-range");
    assert_eq!(host.address("ranged-1", "Gateway").await.to_string(), "10.88.0.254");
    assert_eq!(host.address("fixed", "IPAddress").await.to_string(), "10.88.0.50");
    assert_eq!(host.address("dual-1", "GlobalIPv6Address").await.to_string(), "fd00:be27:2::77");
    for name in ["six-1", "auto-six-1"] {
        assert!(host.address(name, "GlobalIPv6Address").await.is_ipv6());
    }
    let ping = ["exec", "auto-1", "ping", "-c1", "-w5", "once"];
    host.engine.docker(&ping).await;
}

async fn remove_everything(host: &Host) {
    let containers: Vec<Value> = host.engine.containers().await;
    for container in containers {
        let id = container["Id"].as_str().unwrap().to_owned();
        host.engine.docker(&["rm", "--force", &id]).await;
    }
    for network in ["auto", "ranged", "dual", "six", "auto-six"] {
        host.engine.docker(&["network", "rm", network]).await;
    }
}
