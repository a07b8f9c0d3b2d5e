//! Answers that never arrived come back to the driver, and only those.

use ipamapi::{AddressRequest, ServerConfig, Undelivered};

use crate::gate::{Event, Plugin};
use crate::raw::Raw;

const REQUEST_ADDRESS: &str = "IpamDriver.RequestAddress";
const ANY_ADDRESS: &str = r#"{"PoolID":"p"}"#;

async fn undelivered(plugin: &mut Plugin) {
    match plugin.event().await {
        Event::Undelivered(Undelivered::Address { request, given }) => {
            assert_eq!(request, AddressRequest::parse("p", "").unwrap());
            assert_eq!((given.address.to_string().as_str(), given.mark), ("10.9.0.1/16", Some(7)));
        }
        other => panic!("expected an undelivered address, not {other:?}"),
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_while_the_driver_works() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    engine.post(REQUEST_ADDRESS, ANY_ADDRESS).await;
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    drop(engine);
    assert_eq!(plugin.event().await, Event::CallerGone);
    plugin.no_event();
    plugin.gate.open();
    undelivered(&mut plugin).await;
}

/// It lay in the socket while the server stood still, and its caller died.
#[tokio::test]
async fn a_caller_that_hung_up_before_its_request_was_begun() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    // Nothing else runs between these lines: the server reads once the caller is gone.
    let mut engine = Raw::connect(&plugin.path).await;
    engine.post("IpamDriver.ReleaseAddress", r#"{"PoolID":"p","Address":"10.9.0.1"}"#).await;
    drop(engine);
    let mut next = Raw::connect(&plugin.path).await;
    assert_eq!(next.call(REQUEST_ADDRESS, ANY_ADDRESS).await.status, 200);
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    assert_eq!(plugin.gate.changes(), 1, "the release was not begun");
}

/// The driver answers at once, so the caller hangs up before the driver is asked, or before, while
/// or after the answer is written. However it falls: what was given was given in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_without_reading() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    for number in 0..1000 {
        let mut engine = Raw::connect(&plugin.path).await;
        engine.post(REQUEST_ADDRESS, ANY_ADDRESS).await;
        if number % 2 == 0 {
            tokio::task::yield_now().await;
        }
        drop(engine);
    }
    plugin.drained().await;
    let (mut asked, mut undelivered) = (0, 0);
    while let Some(event) = plugin.next_event() {
        match event {
            Event::Asked { .. } => asked += 1,
            Event::Undelivered(_) => undelivered += 1,
            Event::CallerGone => {}
        }
    }
    assert!(asked > 0);
    assert_eq!(asked, undelivered);
}

#[tokio::test]
async fn a_caller_that_hangs_up_on_a_written_answer() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    let mut engine = Raw::connect(&plugin.path).await;
    engine.call(REQUEST_ADDRESS, ANY_ADDRESS).await;
    engine.post(REQUEST_ADDRESS, ANY_ADDRESS).await;
    for _ in 0..2 {
        assert!(matches!(plugin.event().await, Event::Asked { .. }));
    }
    // A third request, on another connection, is answered after the second was.
    Raw::connect(&plugin.path).await.call("Plugin.Activate", "").await;
    drop(engine);
    undelivered(&mut plugin).await;
    plugin.no_event();
}

#[tokio::test]
async fn answers_that_were_read_stay() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    for _ in 0..50 {
        let mut engine = Raw::connect(&plugin.path).await;
        for _ in 0..2 {
            assert_eq!(engine.call(REQUEST_ADDRESS, ANY_ADDRESS).await.status, 200);
            assert!(matches!(plugin.event().await, Event::Asked { .. }));
        }
    }
    let mut last = Raw::connect(&plugin.path).await;
    assert_eq!(last.call(REQUEST_ADDRESS, ANY_ADDRESS).await.status, 200);
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    // The server stops with the last connection open: its answer was delivered all the same.
    plugin.stop();
    assert!(last.try_answer().await.is_none());
    plugin.no_event();
    plugin.stopped().await;
}

#[tokio::test]
async fn refusals_are_nobodys_loss() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    let mut engine = Raw::connect(&plugin.path).await;
    engine.post("IpamDriver.ReleasePool", ANY_ADDRESS).await;
    drop(engine);
    let mut engine = Raw::connect(&plugin.path).await;
    engine.post(REQUEST_ADDRESS, "").await;
    drop(engine);
    assert_eq!(Raw::connect(&plugin.path).await.call("Plugin.Activate", "").await.status, 200);
    plugin.no_event();
    plugin.stopped().await;
}
