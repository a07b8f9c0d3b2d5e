//! What no engine sends to its plugin.

use berth_tests::{Cluster, GLOBAL, LOCAL, Node, request};
use ipamapi::AllocatedPool;
use ipamapi::constants::{RELEASE_ADDRESS, RELEASE_POOL, REQUEST_ADDRESS, REQUEST_POOL};
use serde_json::{Value, json};

const CHANGING: [&str; 4] = [REQUEST_POOL, RELEASE_POOL, REQUEST_ADDRESS, RELEASE_ADDRESS];
/// What is asked for and not there.
const NOWHERE: &str = "198.51.100.9";

/// A node with a pool and an address in each space, all of which must still be there at the end.
struct Target {
    cluster: Cluster,
    local: AllocatedPool,
    global: AllocatedPool,
}

impl Target {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let engine = cluster.nodes[0].engine();
        engine.handshake().await.unwrap();
        let local = engine.pool(LOCAL, "172.30.0.0/16").await.unwrap();
        let global = engine.pool(GLOBAL, "10.9.0.0/16").await.unwrap();
        for pool in [&local, &global] {
            let first = engine.address(&pool.id).await.unwrap();
            assert!(first.to_string().ends_with(".0.1"));
        }
        Self { cluster, local, global }
    }

    fn node(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    /// All that the node holds.
    async fn content(&self) -> Vec<Value> {
        let mut content = Vec::new();
        for what in ["space", "pool", "address"] {
            content.push(self.node().ask(&[what, "ls"]).await);
        }
        content
    }

    /// Sends each body, which must be refused with one clear text.
    async fn refuses(&self, requests: &[(&str, Vec<u8>)], statuses: &[u16]) {
        let before = self.content().await;
        let mut failures = Vec::new();
        for (method, body) in requests {
            let shown: String = String::from_utf8_lossy(body).chars().take(120).collect();
            let (status, answer) = self.node().raw().await.call(method, body).await.unwrap();
            let error = answer["Err"].as_str().unwrap_or_default();
            let clear = !error.is_empty() && answer["Err"] == answer["Error"];
            if !statuses.contains(&status) || !clear {
                failures.push(format!("{method} {shown}: {status} {answer}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert_eq!(self.content().await, before, "something was changed");
        self.still_serves().await;
    }

    async fn still_serves(&self) {
        let engine = self.node().engine();
        for pool in [&self.local, &self.global] {
            let given = engine.address(&pool.id).await.unwrap();
            engine.release(&pool.id, given).await.unwrap();
        }
    }
}

/// Requests made of a method and an object.
fn requests(of: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<(&'static str, Vec<u8>)> {
    of.into_iter().map(|(method, body)| (method, body.to_string().into_bytes())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_request() {
    let target = Target::start().await;
    let open = "[".repeat(100_000);
    let closed = format!("{open}{}", "]".repeat(100_000));
    let bodies = [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{",
        "{}{}",
        "nonsense",
        "{'PoolID':'x'}",
        &open,
        &format!(r#"{{"Options":{closed},"PoolID":"x","AddressSpace":"x"}}"#),
        r#"{"PoolID":5,"AddressSpace":5}"#,
        r#"{"PoolID":["x"],"AddressSpace":{}}"#,
        r#"{"PoolID":"\ud800","AddressSpace":"\ud800"}"#,
        r#"{"PoolID":"x","AddressSpace":"x","Options":"no map","Address":false,"Pool":1}"#,
    ];
    let mut all: Vec<_> = CHANGING
        .into_iter()
        .flat_map(|method| bodies.map(|body| (method, body.as_bytes().to_vec())))
        .collect();
    all.extend(CHANGING.map(|method| (method, b"{\"PoolID\":\"\xff\"}".to_vec())));
    let before = target.node().fingerprint().await;
    target.refuses(&all, &[400]).await;
    let after = target.node().fingerprint().await;
    // The last request of all served, twice: an address taken and given back.
    assert_eq!(after.revision, before.revision + 2, "a malformed body reached the state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_too_large() {
    let target = Target::start().await;
    let before = target.content().await;
    let huge = format!(r#"{{"AddressSpace":"{GLOBAL}","Pool":"{}"}}"#, "1".repeat(16 << 20));
    for method in CHANGING {
        let mut connection = target.node().raw().await;
        // It may be refused, and the connection closed, before all of it is sent.
        let sent = connection.send(&request(method, huge.as_bytes())).await;
        match connection.answer().await {
            Ok((status, answer)) => assert_eq!(status, 413, "{method}: {answer}"),
            Err(error) => assert!(sent.is_err(), "{method}: taken whole, then {error}"),
        }
    }
    assert_eq!(target.content().await, before, "something was changed");
    target.still_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_that_cannot_be() {
    let target = Target::start().await;
    let long = "a".repeat(100_000);
    let spaces =
        ["", "Nowhere", "../LocalDefault", "LocalDefault\0", "LocalDefault/..", "~", &long];
    let mut all: Vec<(&str, Value)> = Vec::new();
    for space in spaces {
        all.push((REQUEST_POOL, json!({"AddressSpace": space, "Pool": "10.200.0.0/24"})));
        all.push((REQUEST_POOL, json!({"AddressSpace": space})));
    }
    for (pool, sub) in [
        ("10.200.0.0/33", ""),
        ("10.200.0.0/-1", ""),
        ("10.200.0.0/", ""),
        ("10.200.0.0", ""),
        ("10.200.0/24", ""),
        ("10.200.0.0.0/24", ""),
        ("300.0.0.0/8", ""),
        ("0x0a.0.0.0/8", ""),
        (" 10.200.0.0/24", ""),
        ("10.200.0.0/24\0", ""),
        ("10.200.0.0/24/25", ""),
        ("fd00::/129", ""),
        ("fd00::1::/64", ""),
        ("fe80::%eth0/64", ""),
        ("../../etc/passwd", ""),
        ("0.0.0.0/150", ""),
        ("", "10.200.0.0/24"),
        ("10.200.0.0/24", "10.201.0.0/25"),
        ("10.200.0.0/24", "fd00::/64"),
        ("fd00::/64", "10.200.0.0/24"),
        ("10.200.0.0/24", "nonsense"),
        ("10.9.128.0/17", ""),
    ] {
        for space in [LOCAL, GLOBAL] {
            // In the local space nothing overlaps the last one.
            if !(space == LOCAL && pool == "10.9.128.0/17") {
                let body = json!({"AddressSpace": space, "Pool": pool, "SubPool": sub});
                all.push((REQUEST_POOL, body));
            }
        }
    }
    for options in [
        json!({"berth.space": "../GlobalDefault"}),
        json!({"berth.space": "Nowhere"}),
        json!({"berth.network": "a\0b"}),
        json!({"berth.network": "../../x\u{7}"}),
        json!({"k": "a\0b"}),
        json!({"k": long}),
        json!({"k": 5}),
    ] {
        all.push((REQUEST_POOL, json!({"AddressSpace": LOCAL, "Options": options})));
    }
    target.refuses(&requests(all), &[400, 403, 404, 409, 422]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_bits_are_masked() {
    let target = Target::start().await;
    let engine = target.node().engine();
    for (space, id) in [(LOCAL, "LocalDefault/10.201.0.0/16"), (GLOBAL, "GlobalDefault~")] {
        let before = target.content().await;
        let pool = engine.pool(space, "10.201.2.3/16").await.unwrap();
        assert_eq!(pool.pool.to_string(), "10.201.0.0/16");
        assert!(pool.id.as_str().starts_with(id), "{}", pool.id);
        engine.release_pool(&pool.id).await.unwrap();
        assert_eq!(target.content().await, before);
    }
}

/// Ids under which nothing was given.
fn forged(target: &Target) -> Vec<String> {
    let global = target.global.id.as_str();
    let (_, epoch) = global.split_once('~').unwrap();
    let (epoch, prefix) = epoch.split_once('/').unwrap();
    let later = epoch.parse::<u64>().unwrap() + 1;
    let mut forged = [
        "",
        "x",
        "/",
        "~",
        "..",
        "../../../etc/passwd",
        "\0",
        "GlobalDefault",
        "GlobalDefault/",
        "LocalDefault/172.30.0.0/16\0",
        "LocalDefault/172.30.0.0/16/",
        "LocalDefault/172.30.0.0/16/172.30.0.0/24/172.30.0.0/25",
        "LocalDefault/172.30.0.0/16/172.30.7.0/24",
        "LocalDefault/172.30.0.1/16",
        "LocalDefault/172.31.0.0/16",
        "LocalDefault/10.9.0.0/16",
        "LocalDefault~1/172.30.0.0/16",
        "GlobalDefault/172.30.0.0/16",
        "Nowhere/172.30.0.0/16",
        "../LocalDefault/172.30.0.0/16",
    ]
    .map(str::to_owned)
    .to_vec();
    forged.extend([
        format!("GlobalDefault~{later}/{prefix}"),
        format!("GlobalDefault~0{epoch}/{prefix}"),
        format!("GlobalDefault~-{epoch}/{prefix}"),
        format!("GlobalDefault~18446744073709551616/{prefix}"),
        format!("GlobalDefault~{epoch}~{epoch}/{prefix}"),
        format!("GlobalDefault~/{prefix}"),
        format!("{global}/{}", "9".repeat(100_000)),
        "~".repeat(100_000),
    ]);
    forged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_ids_that_were_never_given() {
    let target = Target::start().await;
    let forged = forged(&target);
    let all = forged.iter().flat_map(|id| {
        [
            (REQUEST_ADDRESS, json!({"PoolID": id, "Address": ""})),
            (REQUEST_ADDRESS, json!({"PoolID": id, "Address": "172.30.0.9"})),
            (RELEASE_ADDRESS, json!({"PoolID": id, "Address": "172.30.0.1"})),
            (RELEASE_ADDRESS, json!({"PoolID": id, "Address": "10.9.0.1"})),
            (RELEASE_POOL, json!({"PoolID": id})),
        ]
    });
    target.refuses(&requests(all), &[400, 403, 404, 409]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_cannot_be() {
    let target = Target::start().await;
    let mut all = Vec::new();
    for id in [target.local.id.as_str(), target.global.id.as_str()] {
        for address in
            [NOWHERE, "fd00::1", "256.0.0.1", "10.9.0", "x", "../1", "10.9.0.9\0", "::ffff:1.2.3.4"]
        {
            all.push((REQUEST_ADDRESS, json!({"PoolID": id, "Address": address})));
            all.push((RELEASE_ADDRESS, json!({"PoolID": id, "Address": address})));
        }
        all.push((RELEASE_ADDRESS, json!({"PoolID": id, "Address": ""})));
        for options in [json!({"berth.key": "a\0b"}), json!({"berth.key": 7}), json!([1])] {
            all.push((REQUEST_ADDRESS, json!({"PoolID": id, "Address": "", "Options": options})));
        }
    }
    target.refuses(&requests(all), &[400, 403, 404, 409]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_do_not_exist() {
    let target = Target::start().await;
    let all = ["IpamDriver.Nothing", "NetworkDriver.CreateNetwork", "..", "%00"]
        .map(|method| (method, b"{}".to_vec()));
    target.refuses(&all, &[404]).await;
}
