//! What real engines put on the wire.

use ipamapi::ServerConfig;
use serde_json::json;

use crate::gate::{Event, Plugin};
use crate::raw::{Raw, header, request};

const ANY_ADDRESS: &str = "{\"PoolID\":\"p\",\"Address\":\"\",\"Options\":null}\n";

#[tokio::test]
async fn the_handshake_takes_empty_bodies() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    for (method, expected) in [
        ("Plugin.Activate", json!({"Implements": ["IpamDriver"]})),
        (
            "IpamDriver.GetCapabilities",
            json!({"RequiresMACAddress": false, "RequiresRequestReplay": false}),
        ),
        (
            "IpamDriver.GetDefaultAddressSpaces",
            json!({"LocalDefaultAddressSpace": "cl", "GlobalDefaultAddressSpace": "cg"}),
        ),
    ] {
        let answer = engine.call(method, "").await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{method}");
        assert_eq!(header(&answer.head, "content-length").unwrap(), answer.body.len().to_string());
    }
}

#[tokio::test]
async fn every_host_is_accepted() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    for host in [
        "Host: \r\n",
        "Host:\r\n",
        "Host: %2Frun%2Fdocker%2Fplugins%2Fberth.sock\r\n",
        "Host: plugin.moby.localhost\r\n",
        "",
    ] {
        let mut engine = Raw::connect(&plugin.path).await;
        let body = r#"{"PoolID":"p"}"#;
        let length = body.len();
        let head = format!("POST /IpamDriver.ReleasePool HTTP/1.1\r\n{host}");
        engine.send(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await;
        let answer = engine.answer().await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()), "{host:?}");
    }
}

#[tokio::test]
async fn connections_are_kept_and_releases_answer_an_empty_object() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    let mut engine = Raw::connect(&plugin.path).await;
    for _ in 0..3 {
        let pool = r#"{"AddressSpace":"cl","Pool":"","SubPool":"","Options":{},"V6":false}"#;
        let answer = engine.call("IpamDriver.RequestPool", pool).await;
        assert_eq!(answer.json(), json!({"PoolID": "p", "Pool": "10.9.0.0/16", "Data": {}}));
        let answer = engine.call("IpamDriver.RequestAddress", ANY_ADDRESS).await;
        assert_eq!(answer.json(), json!({"Address": "10.9.0.1/16", "Data": {}}));
        let release = r#"{"PoolID":"p","Address":"10.9.0.1"}"#;
        assert_eq!(engine.call("IpamDriver.ReleaseAddress", release).await.body, b"{}");
        let release = r#"{"PoolID":"p"}"#;
        assert_eq!(engine.call("IpamDriver.ReleasePool", release).await.body, b"{}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    let mut engine = Raw::connect(&plugin.path).await;
    let both = request("IpamDriver.RequestAddress", ANY_ADDRESS) + &request("Plugin.Activate", "");
    engine.send(both.as_bytes()).await;
    assert_eq!(engine.answer().await.json()["Address"], "10.9.0.1/16");
    assert_eq!(engine.answer().await.json()["Implements"][0], "IpamDriver");
}

#[tokio::test]
async fn a_request_may_arrive_byte_by_byte() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    for byte in request("IpamDriver.ReleasePool", r#"{"PoolID":"p"}"#).as_bytes() {
        engine.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.answer().await.body, b"{}");
}

#[tokio::test]
async fn errors_come_in_both_forms_with_the_well_known_words_first() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    let pool = r#"{"AddressSpace":"cl","Pool":"10.66.0.0/16"}"#;
    let answer = engine.call("IpamDriver.RequestPool", pool).await;
    assert_eq!(answer.status, 403);
    let text = "Pool overlaps with other one on this address space: by the other one";
    assert_eq!(answer.error(), text);
}

#[tokio::test]
async fn the_driver_knows_its_caller() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    Raw::connect(&plugin.path).await.call("IpamDriver.RequestAddress", ANY_ADDRESS).await;
    assert_eq!(plugin.event().await, Event::Asked { peer: Some(std::process::id()) });
}
