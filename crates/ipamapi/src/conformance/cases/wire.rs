//! Bytes on the socket: these cases serve the driver whichever way the suite runs.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::conformance::lab::{Lab, Plugin, fresh_path};
use crate::conformance::raw::RawConnection;
use crate::conformance::verdict::{Stop, Verdict, ensure, expect};
use crate::constants::{
    GET_CAPABILITIES, GET_DEFAULT_ADDRESS_SPACES, RELEASE_ADDRESS, RELEASE_POOL, REQUEST_ADDRESS,
    REQUEST_POOL,
};
use crate::remote::RetryPolicy;
use crate::{Capability, Registry, RemoteIpam, RequestContext};

/// A raw connection to a plugin, after the handshake.
struct Wire {
    connection: RawConnection,
    local: String,
}

impl Wire {
    async fn open(plugin: &Plugin) -> Verdict<Self> {
        let mut connection = RawConnection::open(&plugin.path).await?;
        let (status, _) = connection.call(GET_CAPABILITIES, "").await?;
        expect("the status of GetCapabilities", status, 200)?;
        let (_, spaces) = connection.call(GET_DEFAULT_ADDRESS_SPACES, "").await?;
        let local = text(&spaces, "LocalDefaultAddressSpace")?;
        Ok(Self { connection, local })
    }

    /// A call that must be answered.
    async fn answered(&mut self, method: &str, body: &Value) -> Verdict<Value> {
        let (status, answer) = self.connection.call(method, &body.to_string()).await?;
        ensure(status == 200, || format!("{method} {body} was answered {status} {answer}"))?;
        Ok(answer)
    }

    async fn pool(&mut self, pool: &str, sub_pool: &str) -> Verdict<(String, String)> {
        let body = json!({"AddressSpace": self.local, "Pool": pool, "SubPool": sub_pool});
        let answer = self.answered(REQUEST_POOL, &body).await?;
        Ok((text(&answer, "PoolID")?, text(&answer, "Pool")?))
    }

    async fn address(&mut self, id: &str, address: &str) -> Verdict<String> {
        let body = json!({"PoolID": id, "Address": address, "Options": null});
        text(&self.answered(REQUEST_ADDRESS, &body).await?, "Address")
    }

    /// A call that must be refused with 400 and both forms of the error.
    async fn refused(&mut self, method: &str, body: &str) -> Verdict {
        let (status, answer) = self.connection.call(method, body).await?;
        expect(&format!("the status of {method} {body}"), status, 400)?;
        expect(&format!("Err and Error of {method} {body}"), &answer["Err"], &answer["Error"])?;
        text(&answer, "Err").map(|_| ())
    }
}

fn text(answer: &Value, field: &str) -> Verdict<String> {
    match answer[field].as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Stop::failed(format!("{answer} has no {field}"))),
    }
}

pub(crate) async fn case_14_incomplete_requests_are_refused(lab: Lab) -> Verdict {
    let plugin = lab.plugin().await?;
    let mut wire = Wire::open(&plugin).await?;
    let (id, _) = wire.pool("192.168.0.0/24", "").await?;
    let space = wire.local.clone();
    for (method, body) in [
        (REQUEST_POOL, json!({"Pool": "10.0.0.0/8"})),
        (REQUEST_POOL, json!({"AddressSpace": space, "SubPool": "10.0.0.0/16"})),
        (REQUEST_ADDRESS, json!({"PoolID": "", "Address": "192.168.0.9"})),
        (RELEASE_ADDRESS, json!({"PoolID": "", "Address": "192.168.0.9"})),
        (RELEASE_ADDRESS, json!({"PoolID": id, "Address": ""})),
        (RELEASE_POOL, json!({"PoolID": ""})),
        (REQUEST_ADDRESS, json!({"PoolID": id, "Address": "192.168.1.9"})),
    ] {
        wire.refused(method, &body.to_string()).await?;
    }
    Ok(())
}

/// About the client of this library, whatever the driver.
pub(crate) async fn case_28_a_plugin_without_capabilities(_lab: Lab) -> Verdict {
    let spaces = r#"{"LocalDefaultAddressSpace":"white","GlobalDefaultAddressSpace":"blue"}"#;
    for (status, capabilities, expected) in [
        (404, "404 page not found\n", Capability::default()),
        (
            200,
            r#"{"RequiresMACAddress":true}"#,
            Capability { requires_mac_address: true, requires_request_replay: false },
        ),
    ] {
        let path = fresh_path();
        let plugin = scripted(&path, vec![(status, capabilities), (200, spaces)])?;
        let registry = Registry::new();
        let remote = RemoteIpam::new(&path).with_retry(RetryPolicy::NEVER);
        let driver = remote.register("white", &registry).await;
        let driver = driver.map_err(|error| Stop::failed(error.to_string()))?;
        let capability = registry.get("white").map(|registered| registered.capability);
        expect("the capabilities", capability, Some(expected))?;
        let spaces = driver.default_address_spaces(&RequestContext::in_process()).await;
        let spaces = spaces.map_err(|error| Stop::failed(error.to_string()))?;
        expect("the local space", spaces.local.as_str(), "white")?;
        plugin.abort();
        drop(std::fs::remove_file(&path));
    }
    Ok(())
}

/// A plugin that gives these answers, one a connection.
fn scripted(path: &Path, answers: Vec<(u16, &'static str)>) -> io::Result<JoinHandle<()>> {
    let listener = UnixListener::bind(path)?;
    Ok(tokio::spawn(async move {
        for (status, body) in answers {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let mut request = [0; 4096];
            // A failure shows in the client.
            drop(stream.read(&mut request).await);
            drop(stream.write_all(answer.as_bytes()).await);
        }
    }))
}

pub(crate) async fn case_29_replies_on_the_wire(lab: Lab) -> Verdict {
    let plugin = lab.plugin().await?;
    let mut wire = Wire::open(&plugin).await?;
    let (_, automatic) = wire.pool("", "").await?;
    ensure(crate::parse_prefix(&automatic).is_some(), || format!("{automatic} is no prefix"))?;

    let (id, pool) = wire.pool("10.20.0.0/16", "").await?;
    expect("Pool", pool.as_str(), "10.20.0.0/16")?;
    let (child, pool) = wire.pool("10.20.0.0/16", "10.20.3.0/24").await?;
    expect("Pool of a sub-pool", pool.as_str(), "10.20.0.0/16")?;
    ensure(id != child, || format!("{id} names pool and sub-pool"))?;

    let dynamic = wire.address(&child, "").await?;
    let fits = dynamic.starts_with("10.20.3.") && dynamic.ends_with("/16");
    ensure(fits, || format!("{dynamic} is not 10.20.3.x/16"))?;
    let exact = wire.address(&child, "10.20.1.45").await?;
    expect("an explicit address", exact.as_str(), "10.20.1.45/16")
}

pub(crate) async fn case_30_requests_on_the_wire(lab: Lab) -> Verdict {
    let plugin = lab.plugin().await?;
    let mut wire = Wire::open(&plugin).await?;
    for method in [REQUEST_POOL, RELEASE_POOL, REQUEST_ADDRESS, RELEASE_ADDRESS] {
        for body in ["", "null", "[]", "7"] {
            wire.refused(method, body).await?;
        }
    }
    let (id, _) = wire.pool("10.9.0.0/16", "").await?;
    let address = wire.address(&id, "10.9.0.9").await?;
    expect("the address", address.as_str(), "10.9.0.9/16")?;
    let body = json!({"PoolID": id, "Address": "10.9.0.9/16"});
    expect("ReleaseAddress", wire.answered(RELEASE_ADDRESS, &body).await?, json!({}))?;
    wire.address(&id, "10.9.0.9").await?;
    let body = json!({"PoolID": id});
    expect("ReleasePool", wire.answered(RELEASE_POOL, &body).await?, json!({}))
}

pub(crate) async fn case_31_a_dropped_request_leaks_nothing(lab: Lab) -> Verdict {
    const DROPPED: usize = 50;
    const ADDRESSES: usize = 254;
    let plugin = lab.plugin().await?;
    let mut wire = Wire::open(&plugin).await?;
    let (id, _) = wire.pool("10.9.0.0/24", "").await?;
    let any = json!({"PoolID": id, "Address": "", "Options": null}).to_string();
    for number in 0..DROPPED {
        let mut engine = RawConnection::open(&plugin.path).await?;
        engine.send(REQUEST_ADDRESS, &any).await?;
        if number % 2 == 0 {
            // The answer is written, and nobody reads it.
            sleep(Duration::from_millis(10)).await;
        }
        drop(engine);
        wire.refused(REQUEST_ADDRESS, "").await?;
    }
    every_address_is_left(&mut wire, &any, ADDRESSES).await
}

/// Takes addresses until there are so many: what was given in vain comes back within seconds.
async fn every_address_is_left(wire: &mut Wire, any: &str, count: usize) -> Verdict {
    const PATIENCE: Duration = Duration::from_secs(15);
    let (started, mut taken) = (Instant::now(), 0);
    while taken < count {
        let (status, answer) = wire.connection.call(REQUEST_ADDRESS, any).await?;
        if status == 200 {
            taken += 1;
            continue;
        }
        ensure(started.elapsed() < PATIENCE, || {
            format!("only {taken} of {count} addresses are left after dropped requests: {answer}")
        })?;
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// About the client of this library, whatever the driver.
pub(crate) async fn case_32_backoff(_lab: Lab) -> Verdict {
    let pauses = (1..=8).map(|retry| RetryPolicy::pause(retry).as_secs());
    expect("the pauses", pauses.collect::<Vec<_>>(), vec![1, 2, 4, 8, 16, 30, 30, 30])?;
    let seconds = Duration::from_secs;
    let next = |retry, elapsed| RetryPolicy::ENGINE.next(retry, seconds(elapsed));
    expect("after 7 s", next(4, 7), Some(seconds(8)))?;
    expect("after 13 s", next(5, 13), Some(seconds(16)))?;
    expect("after 14 s", next(5, 14), None)
}
