//! Whatever arrives gets one clear error, and changes nothing.

use ipamapi::ServerConfig;

use crate::gate::Plugin;
use crate::raw::Raw;

const CHANGING: [&str; 4] = [
    "IpamDriver.RequestPool",
    "IpamDriver.ReleasePool",
    "IpamDriver.RequestAddress",
    "IpamDriver.ReleaseAddress",
];

/// Sends each body to each method over one connection: none may end it.
async fn all_refused(methods: &[&str], bodies: &[&str], status: u16) {
    let plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    for method in methods {
        for body in bodies {
            let answer = engine.call(method, body).await;
            let shown: String = body.chars().take(80).collect();
            assert_eq!(answer.status, status, "{method} {shown}: {answer:?}");
            assert!(!answer.error().is_empty(), "{method} {shown}");
        }
    }
    assert_eq!(plugin.gate.changes(), 0, "the driver was never asked");
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let nested = "[".repeat(100_000);
    let closed = format!("{nested}{}", "]".repeat(100_000));
    let objects = r#"{"PoolID":"#.repeat(20_000);
    let inside = format!(r#"{{"PoolID":"p","Address":"10.0.0.1","X":{closed}}}"#);
    let bodies = [
        "",
        "\n",
        "null",
        "[]",
        "0",
        "true",
        "\"{}\"",
        "{",
        "}",
        "{}{}",
        "nul",
        "\0",
        "{\"a\":}",
        "{'PoolID':'p'}",
        &nested,
        &closed,
        &objects,
        &inside,
    ];
    all_refused(&CHANGING, &bodies, 400).await;
}

#[tokio::test]
async fn fields_of_the_wrong_type() {
    let address = [
        r#"{"PoolID":1,"Address":"10.0.0.1"}"#,
        r#"{"PoolID":{},"Address":"10.0.0.1"}"#,
        r#"{"PoolID":"p","Address":["10.0.0.1"]}"#,
    ];
    all_refused(&CHANGING[2..], &address, 400).await;
    let options = [
        r#"{"PoolID":"p","AddressSpace":"s","Options":[]}"#,
        r#"{"PoolID":"p","AddressSpace":"s","Options":{"k":{}}}"#,
        r#"{"PoolID":"p","AddressSpace":"s","Options":"k=v"}"#,
    ];
    all_refused(&[CHANGING[0], CHANGING[2]], &options, 400).await;
    all_refused(&CHANGING[..1], &[r#"{"AddressSpace":"s","V6":"true"}"#], 400).await;
}

#[tokio::test]
async fn pools_that_are_none() {
    let pool = |pool: &str, sub_pool: &str| {
        format!(r#"{{"AddressSpace":"cl","Pool":"{pool}","SubPool":"{sub_pool}"}}"#)
    };
    let bodies = [
        pool("10.0.0.0", ""),
        pool("10.0.0.0/33", ""),
        pool("10.0.0.0/-1", ""),
        pool("10.0.0.0/8/8", ""),
        pool("10.0.0/8", ""),
        pool("/24", ""),
        pool("0.0.0.0/AB", ""),
        pool("::/129", ""),
        pool("fe80::1%eth0/64", ""),
        pool("10.0.0.0\\u0000/8", ""),
        pool("../../etc/passwd", ""),
        pool("", "10.0.0.0/8"),
        pool("10.0.0.0/8", "11.0.0.0/16"),
        pool("10.0.0.0/8", "fd00::/64"),
        pool("10.0.0.0/8", "10.0.0.0"),
        pool("0.0.0.0/24", "10.0.0.0/25"),
        r#"{"AddressSpace":"","Pool":"10.0.0.0/8"}"#.to_owned(),
        r#"{"Pool":"10.0.0.0/8"}"#.to_owned(),
    ];
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    all_refused(&CHANGING[..1], &bodies, 400).await;
}

#[tokio::test]
async fn addresses_that_are_none() {
    let bodies = [
        r#"{"PoolID":"","Address":"10.0.0.1"}"#,
        r#"{"Address":"10.0.0.1"}"#,
        r#"{"PoolID":"p","Address":"10.0.0"}"#,
        r#"{"PoolID":"p","Address":"10.0.0.256"}"#,
        r#"{"PoolID":"p","Address":"10.0.0.1/33"}"#,
        r#"{"PoolID":"p","Address":"\u0000"}"#,
        r#"{"PoolID":"p","Address":"localhost"}"#,
    ];
    all_refused(&CHANGING[2..], &bodies, 400).await;
    // For any address one asks; releasing needs to say which.
    all_refused(&CHANGING[3..], &[r#"{"PoolID":"p","Address":""}"#, r#"{"PoolID":"p"}"#], 400)
        .await;
}

#[tokio::test]
async fn methods_that_do_not_exist() {
    let methods = [
        "IpamDriver.Nothing",
        "NetworkDriver.GetCapabilities",
        "",
        "ipamdriver.requestpool",
        "../x",
    ];
    all_refused(&methods, &["", "{}"], 404).await;
}

#[tokio::test]
async fn http_that_is_none() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    for bytes in [
        "GET /IpamDriver.GetCapabilities HTTP/1.1\r\nHost: \r\n\r\n",
        "DELETE /IpamDriver.ReleasePool HTTP/1.1\r\nHost: \r\n\r\n",
    ] {
        let mut client = Raw::connect(&plugin.path).await;
        client.send(bytes.as_bytes()).await;
        assert_eq!(client.answer().await.status, 405);
    }
    for bytes in ["\0\0\0\0\r\n\r\n", "nonsense\r\n\r\n", "POST / HTTP/9.9\r\n\r\n"] {
        let mut client = Raw::connect(&plugin.path).await;
        client.send(bytes.as_bytes()).await;
        assert_eq!(client.answer().await.status, 400, "{bytes:?}");
    }
    assert_eq!(Raw::connect(&plugin.path).await.call("Plugin.Activate", "").await.status, 200);
}
