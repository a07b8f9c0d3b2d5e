//! Each limit is reached with one clear answer, and the server goes on.

use std::time::Duration;

use ipamapi::ServerConfig;
use tokio::time::{Instant, sleep, timeout};

use crate::gate::{Event, LONG, Plugin};
use crate::raw::Raw;

const ANY_ADDRESS: &str = r#"{"PoolID":"p"}"#;
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn bodies_have_a_size_limit() {
    let plugin = Plugin::start(ServerConfig { body_bytes_max: 1000, ..Default::default() }).await;
    let body = format!(r#"{{"PoolID":"{}"}}"#, "p".repeat(2000));
    let mut engine = Raw::connect(&plugin.path).await;
    let answer = engine.call("IpamDriver.ReleasePool", &body).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (413, "the body is larger than 1000 bytes")
    );

    let mut engine = Raw::connect(&plugin.path).await;
    let head = "POST /IpamDriver.ReleasePool HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    engine.send(format!("{head}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000)).as_bytes()).await;
    assert_eq!(engine.answer().await.status, 413);
    assert_eq!(plugin.gate.changes(), 0);
}

#[tokio::test]
async fn heads_have_a_size_limit() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    let long = "h".repeat(20_000);
    engine.send(format!("POST /Plugin.Activate HTTP/1.1\r\nX: {long}\r\n\r\n").as_bytes()).await;
    assert_eq!(engine.answer().await.status, 431);

    let mut engine = Raw::connect(&plugin.path).await;
    let many = "X: y\r\n".repeat(200);
    engine.send(format!("POST /Plugin.Activate HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(engine.answer().await.status, 431);
}

#[tokio::test]
async fn heads_and_bodies_that_crawl_are_cut_and_idle_connections_are_not() {
    let plugin = Plugin::start(ServerConfig { read_deadline: SHORT, ..Default::default() }).await;
    let mut idle = Raw::connect(&plugin.path).await;
    assert_eq!(idle.call("Plugin.Activate", "").await.status, 200);

    let mut crawler = Raw::connect(&plugin.path).await;
    crawler.send(b"POST /Plugin.Act").await;
    assert!(crawler.try_answer().await.is_none_or(|answer| answer.status == 408));

    let mut crawler = Raw::connect(&plugin.path).await;
    crawler.send(b"POST /Plugin.Activate HTTP/1.1\r\nContent-Length: 10\r\n\r\n{").await;
    assert_eq!(crawler.answer().await.status, 408);

    let mut silent = Raw::connect(&plugin.path).await;
    assert!(silent.try_answer().await.is_none(), "who connects has something to say");

    sleep(3 * SHORT).await;
    assert_eq!(idle.call("Plugin.Activate", "").await.status, 200);
    idle.send(b"POST /Plugin.Act").await;
    assert!(idle.try_answer().await.is_none(), "the second head has a clock of its own");
}

#[tokio::test]
async fn the_engine_gets_an_error_at_the_deadline_and_the_driver_learns_of_it() {
    let mut plugin = Plugin::start(ServerConfig { deadline: SHORT, ..Default::default() }).await;
    let mut engine = Raw::connect(&plugin.path).await;
    let started = Instant::now();
    let answer = engine.call("IpamDriver.RequestAddress", ANY_ADDRESS).await;
    assert!(started.elapsed() >= SHORT);
    assert_eq!(answer.status, 504);
    assert!(answer.error().contains("the outcome is unknown"), "{answer:?}");

    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    assert_eq!(plugin.event().await, Event::CallerGone);
    plugin.gate.open();
    assert!(matches!(plugin.event().await, Event::Undelivered(_)));
    assert_eq!(engine.call("Plugin.Activate", "").await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn calls_over_the_limit_wait_and_then_are_refused() {
    let config = ServerConfig { calls_max: 1, deadline: SHORT, ..Default::default() };
    let mut plugin = Plugin::start(config).await;
    let mut first = Raw::connect(&plugin.path).await;
    first.post("IpamDriver.RequestAddress", ANY_ADDRESS).await;
    assert!(matches!(plugin.event().await, Event::Asked { .. }));

    let mut second = Raw::connect(&plugin.path).await;
    let answer = second.call("IpamDriver.ReleasePool", ANY_ADDRESS).await;
    assert_eq!(answer.status, 503);
    assert!(answer.error().contains("1 requests are under way already"), "{answer:?}");
    assert_eq!(plugin.gate.changes(), 1, "the second never reached the driver");

    plugin.gate.open();
    assert_eq!(second.call("IpamDriver.ReleasePool", ANY_ADDRESS).await.status, 200);
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let plugin = Plugin::start(ServerConfig { connections_max: 1, ..Default::default() }).await;
    let mut first = Raw::connect(&plugin.path).await;
    assert_eq!(first.call("Plugin.Activate", "").await.status, 200);
    let mut second = Raw::connect(&plugin.path).await;
    second.post("Plugin.Activate", "").await;
    assert!(timeout(SHORT, second.answer()).await.is_err(), "no room yet");
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn a_panicking_driver_is_an_error_of_one_call() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    let sabotage = r#"{"PoolID":"p","Address":"10.9.6.6"}"#;
    let answer = engine.call("IpamDriver.RequestAddress", sabotage).await;
    assert_eq!(answer.status, 500);
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    plugin.gate.open();
    let answer =
        timeout(LONG, engine.call("IpamDriver.RequestAddress", ANY_ADDRESS)).await.unwrap();
    assert_eq!(answer.status, 200);
}
