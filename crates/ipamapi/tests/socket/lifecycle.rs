//! The socket file, and the end of a server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use ipamapi::null::NullIpam;
use ipamapi::server::BindError;
use ipamapi::{Server, ServerConfig};

use crate::gate::{Event, Plugin};
use crate::raw::Raw;

async fn bind(path: &std::path::Path) -> Result<Server, BindError> {
    Server::bind(path, Arc::new(NullIpam), ServerConfig::default()).await
}

#[tokio::test]
async fn the_socket_has_its_mode_and_goes_with_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/null.sock");
    let server = bind(&path).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(matches!(bind(&path).await, Err(BindError::InUse { .. })));
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_other_files_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let dead = directory.path().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    assert!(dead.exists());
    let server = bind(&dead).await.unwrap();
    assert_eq!(server.path(), dead);

    let file = directory.path().join("file");
    fs::write(&file, "kept").unwrap();
    assert!(matches!(bind(&file).await, Err(BindError::NotASocket { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"kept");
    let below = bind(&file.join("x.sock")).await;
    assert!(matches!(below, Err(BindError::CreateDirectory { .. })));
}

#[tokio::test]
async fn a_socket_that_was_taken_over_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("null.sock");
    let first = bind(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let _second = bind(&path).await.unwrap();
    drop(first);
    assert!(path.exists());
}

#[tokio::test]
async fn a_stopping_server_finishes_what_is_under_way() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    let mut idle = Raw::connect(&plugin.path).await;
    assert_eq!(idle.call("Plugin.Activate", "").await.status, 200);
    let mut busy = Raw::connect(&plugin.path).await;
    busy.post("IpamDriver.RequestAddress", r#"{"PoolID":"p"}"#).await;
    assert!(matches!(plugin.event().await, Event::Asked { .. }));

    plugin.stop();
    assert!(idle.try_answer().await.is_none(), "idle connections are closed at once");
    plugin.gate.open();
    assert_eq!(busy.answer().await.status, 200);
    let path = plugin.path.clone();
    plugin.stopped().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_forever() {
    let drain_deadline = Duration::from_millis(100);
    let mut plugin = Plugin::start(ServerConfig { drain_deadline, ..Default::default() }).await;
    let mut engine = Raw::connect(&plugin.path).await;
    engine.post("IpamDriver.RequestAddress", r#"{"PoolID":"p"}"#).await;
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    plugin.stopped().await;
}
