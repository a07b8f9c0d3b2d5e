//! The remote client against our server and against plugins that answer oddly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipamapi::remote::RetryPolicy;
use ipamapi::{
    AddressRequest, Capability, ErrorKind, Ipam, IpamError, PoolId, PoolRequest, Registry,
    RemoteIpam, RequestContext, ServerConfig,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::gate::{Event, Plugin};

/// A plugin that answers each connection's first request with the next of these bytes (nothing:
/// hangs up), and tells what it was sent.
struct Scripted {
    path: PathBuf,
    requests: mpsc::UnboundedReceiver<String>,
    _directory: TempDir,
}

impl Scripted {
    fn start(answers: Vec<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scripted.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                sender.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { path, requests, _directory: directory }
    }

    fn answering(status: u16, body: &str) -> Self {
        Self::start(vec![http(status, body)])
    }
}

fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn client(path: &Path) -> RemoteIpam {
    RemoteIpam::new(path).with_retry(RetryPolicy::NEVER)
}

async fn release(remote: &RemoteIpam) -> Result<(), IpamError> {
    let pool_id = PoolId::new("p").unwrap();
    remote.release_pool(&RequestContext::in_process(), pool_id).await
}

#[tokio::test]
async fn requests_are_the_engines_byte_for_byte() {
    let mut plugin = Scripted::answering(200, "{}");
    release(&client(&plugin.path)).await.unwrap();
    let request = plugin.requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /IpamDriver.ReleasePool HTTP/1.1"));
    let mut headers: Vec<&str> = lines.collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "Accept: application/vnd.docker.plugins.v1.2+json",
            "Content-Length: 15",
            "Host: plugin.moby.localhost",
            "User-Agent: Go-http-client/1.1",
        ]
    );
    assert_eq!(body, "{\"PoolID\":\"p\"}\n");
}

#[tokio::test]
async fn handshakes_have_no_body() {
    let mut plugin = Scripted::answering(200, r#"{"requiresmacaddress":true,"Later":1}"#);
    let remote = client(&plugin.path).with_host("").unwrap();
    let capability = remote.capability(&RequestContext::in_process()).await.unwrap();
    let expected = Capability { requires_mac_address: true, requires_request_replay: false };
    assert_eq!(capability, expected);
    let request = plugin.requests.recv().await.unwrap();
    assert!(request.ends_with("\r\n\r\n"), "{request}");
    assert!(request.contains("\r\nHost: \r\n"), "{request}");
    assert!(request.contains("\r\nContent-Length: 0\r\n"), "{request}");
}

#[tokio::test]
async fn both_forms_of_errors_are_understood() {
    for (status, body, kind, text) in [
        (500, r#"{"Err":"Address already in use"}"#, ErrorKind::AddressInUse, ""),
        (200, r#"{"Error":"Address already in use: c1"}"#, ErrorKind::AddressInUse, "c1"),
        (503, "no leader\n", ErrorKind::Unavailable, "no leader"),
        (500, r#"{"Err":""}"#, ErrorKind::Internal, r#"{"Err":""}"#),
        (404, "page not found", ErrorKind::BadRequest, "page not found"),
    ] {
        let plugin = Scripted::answering(status, body);
        let error = release(&client(&plugin.path)).await.unwrap_err();
        assert_eq!((error.kind(), error.detail()), (kind, text), "{body}");
    }
}

#[tokio::test]
async fn odd_answers_are_errors_unless_they_are_null() {
    for (body, works) in [("null", true), ("{}", true), ("", false), ("[]", false), ("x", false)] {
        let plugin = Scripted::answering(200, body);
        assert_eq!(release(&client(&plugin.path)).await.is_ok(), works, "{body:?}");
    }
    for (body, kind) in [
        ("{}", ErrorKind::NoAddressReturned),
        (r#"{"Address":"10.0.0.1"}"#, ErrorKind::Internal),
        (r#"{"Address":7}"#, ErrorKind::BadRequest),
    ] {
        let plugin = Scripted::answering(200, body);
        let request = AddressRequest::parse("p", "").unwrap();
        let remote = client(&plugin.path);
        let answer = remote.request_address(&RequestContext::in_process(), request).await;
        assert_eq!(answer.unwrap_err().kind(), kind, "{body}");
    }
    for body in ["{}", r#"{"PoolID":"p"}"#, r#"{"Pool":"10.0.0.0/8"}"#] {
        let plugin = Scripted::answering(200, body);
        let request = PoolRequest::parse("s", "", "", false).unwrap();
        let remote = client(&plugin.path);
        let answer = remote.request_pool(&RequestContext::in_process(), request).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Internal, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_is_tried_again_with_an_empty_body_as_engines_do() {
    for (policy, second) in
        [(RetryPolicy::ENGINE, ""), (RetryPolicy::default(), "{\"PoolID\":\"p\"}\n")]
    {
        let mut plugin = Scripted::start(vec![String::new(), http(200, "{}")]);
        let remote = RemoteIpam::new(&plugin.path).with_retry(policy);
        release(&remote).await.unwrap();
        let mut body = async || {
            let request = plugin.requests.recv().await.unwrap();
            request.split_once("\r\n\r\n").unwrap().1.to_owned()
        };
        assert_eq!(body().await, "{\"PoolID\":\"p\"}\n");
        assert_eq!(body().await, second);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_not_there_is_tried_for_fifteen_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let started = tokio::time::Instant::now();
    let remote = RemoteIpam::new(directory.path().join("none.sock"));
    let error = release(&remote).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(started.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn our_server_and_our_client_understand_each_other() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    plugin.gate.open();
    let remote = client(&plugin.path);
    assert_eq!(remote.activate().await.unwrap(), ["IpamDriver"]);
    let registry = Registry::new();
    let driver: Arc<dyn Ipam> = remote.register("gate", &registry).await.unwrap();
    assert_eq!(registry.get("gate").unwrap().capability, Capability::default());

    let context = RequestContext::in_process();
    assert_eq!(driver.default_address_spaces(&context).await.unwrap().global, "cg");
    let pool = PoolRequest::parse("cl", "10.66.0.0/16", "", false).unwrap();
    let refused = driver.request_pool(&context, pool).await.unwrap_err();
    assert_eq!(refused, ErrorKind::PoolOverlap.because("by the other one"));
    let request = AddressRequest::parse("p", "").unwrap();
    let given = driver.request_address(&context, request).await.unwrap();
    assert_eq!(given.address.to_string(), "10.9.0.1/16");
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    plugin.stopped().await;
}

#[tokio::test]
async fn a_timed_out_call_hangs_up() {
    let mut plugin = Plugin::start(ServerConfig::default()).await;
    let remote = client(&plugin.path).with_timeout(Duration::from_millis(50));
    let request = AddressRequest::parse("p", "").unwrap();
    let error = remote.request_address(&RequestContext::in_process(), request).await.unwrap_err();
    assert!(error.to_string().contains("did not answer in time"), "{error}");
    assert!(matches!(plugin.event().await, Event::Asked { .. }));
    assert_eq!(plugin.event().await, Event::CallerGone);
}

#[tokio::test]
async fn a_restarted_plugin_is_found_again_without_a_failure() {
    let plugin = Plugin::start(ServerConfig::default()).await;
    let remote = client(&plugin.path);
    release(&remote).await.unwrap();
    let path = plugin.path.clone();
    plugin.stopped().await;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let driver = Arc::new(ipamapi::null::NullIpam);
    let server = ipamapi::Server::bind(&path, driver, ServerConfig::default()).await.unwrap();
    let serving = tokio::spawn(server.serve(std::future::pending()));
    release(&remote).await.unwrap();
    serving.abort();
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}
