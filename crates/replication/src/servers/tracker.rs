//! Keeps the server that is spoken to: the leader where it answers, else any that does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Core, Server};
use crate::Deadline;
use crate::transport::{Request, Response};

/// How often the server is asked who leads, and how long it may take.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Pause after nobody answered; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A server that answered, the addresses that it told, and the leader's among them.
struct Found {
    server: Arc<Server>,
    addresses: Vec<String>,
    leader: Option<String>,
}

/// Goes on until it is dropped.
pub(super) async fn run(core: Core, configured: Vec<String>) {
    // What was configured stays known: the servers may have moved there.
    let mut known: BTreeSet<String> = configured.iter().cloned().collect();
    let mut server: Option<Arc<Server>> = None;
    let mut pause = PAUSE;
    loop {
        let found = match &server {
            Some(server) => ask(server).await,
            None => Err(String::new()),
        };
        let found = match found {
            Ok(found) => Ok(found),
            Err(_) => any(&core, &known).await,
        };
        match found {
            Ok(found) => {
                pause = PAUSE;
                known = configured.iter().chain(&found.addresses).cloned().collect();
                let found = nearest(&core, found).await;
                let other = !server.as_ref().is_some_and(|it| Arc::ptr_eq(it, &found.server));
                if other {
                    tracing::info!(server = found.server.address, "speaking to this server");
                    server = Some(Arc::clone(&found.server));
                }
                core.now.send_if_modified(|now| {
                    now.addresses = known.iter().cloned().collect();
                    now.failure = None;
                    now.server.clone_from(&server);
                    other
                });
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(failure) => {
                if server.take().is_some() || core.now.borrow().failure.is_none() {
                    tracing::warn!(failure, "no server answers; the local space works as always");
                }
                core.now.send_modify(|now| {
                    now.addresses = known.iter().cloned().collect();
                    now.failure = Some(failure);
                    now.server = None;
                });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// The leader, if another server named it and it answers; else that server.
async fn nearest(core: &Core, found: Found) -> Found {
    match &found.leader {
        Some(leader) if *leader != found.server.address => {
            ask(&server(core, leader)).await.unwrap_or(found)
        }
        _ => found,
    }
}

/// The first server that answers, or what each said instead.
async fn any(core: &Core, known: &BTreeSet<String>) -> Result<Found, String> {
    let mut asking = JoinSet::new();
    for address in known {
        let server = server(core, address);
        asking.spawn(async move { ask(&server).await });
    }
    let mut failures = BTreeSet::new();
    while let Some(asked) = asking.join_next().await {
        match asked {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(failure)) => failures.insert(failure),
            Err(_) => continue,
        };
    }
    Err(failures.into_iter().collect::<Vec<_>>().join("; "))
}

fn server(core: &Core, address: &str) -> Arc<Server> {
    Arc::new(Server { address: address.to_owned(), link: core.link(address) })
}

async fn ask(server: &Arc<Server>) -> Result<Found, String> {
    let silent = |reason: String| format!("the server at {}: {reason}", server.address);
    match server.link.call(&Request::Members, Deadline::after(ANSWER_MAX)).await {
        Ok(Response::Members { members, leader }) => Ok(Found {
            server: Arc::clone(server),
            leader: leader.and_then(|leader| Some(members.get(&leader)?.address.clone())),
            addresses: members.into_values().map(|member| member.address).collect(),
        }),
        Ok(Response::Failed { reason }) => Err(silent(reason)),
        Ok(_) => Err(silent("its answer fits no question of ours".to_owned())),
        Err(error) => Err(error.to_string()),
    }
}
