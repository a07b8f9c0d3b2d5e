//! One request of an engine to the driver of a host, as the plugin server would make it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_allocator::State;
use berth_checkers::Listed;
use berth_replication::{Consistency, Deadline};
use ipamapi::{
    AddressRelease, AddressRequest, AllocatedAddress, AllocatedPool, Caller, ErrorKind, Ipam,
    IpamError, Peer, PoolId, PoolRequest, RequestContext, Undelivered,
};
use tokio::time::Instant;

use crate::history::{claimed, pool_id};
use crate::host::Host;
use crate::node::{LOCAL_SPACE, Node};

/// What an engine asks.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// An engine or a manager begins.
    Handshake,
    /// A pool.
    Pool(PoolRequest),
    /// The end of a claim on a pool.
    ReleasePool(PoolId),
    /// An address.
    Address(AddressRequest),
    /// The end of a claim on an address.
    ReleaseAddress(AddressRelease),
    /// A linearizable look at a pool's addresses: not an engine's, but an operator's.
    List(PoolId),
}

/// What it is told.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// A pool.
    Pool(AllocatedPool),
    /// An address.
    Address(AllocatedAddress),
    /// Addresses, as of a log index; a host's own state has none.
    Listed(Vec<Listed>, Option<u64>),
    /// Not that.
    Refused(IpamError),
    /// The process ended before it answered.
    Lost,
}

/// A request under way. Whoever drops it waits no more.
pub(crate) struct Call {
    slot: Arc<Mutex<Option<Answer>>>,
    _caller: Caller,
    generation: u64,
}

impl Call {
    /// Sends a request to a host; `None` if nobody takes it.
    pub(crate) fn send(host: &Host, request: Request, patience: Duration) -> Option<Self> {
        // A Swarm's manager is a part of its host's engine.
        let pid = host.machine.engine()?;
        let node = host.node()?;
        let slot = Arc::new(Mutex::new(None));
        let told = Arc::clone(&slot);
        let peer = Peer { pid: Some(pid), uid: 0, gid: 0 };
        let (context, caller) = RequestContext::in_process().with_peer(peer).with_caller();
        let taken = host.spawn(async move {
            if context.is_caller_gone() {
                return;
            }
            let context = context.with_deadline(Instant::now() + patience);
            let answer = ask(&node, &context, request.clone()).await;
            if !context.is_caller_gone() {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            } else if let Some(undelivered) = undelivered(request, answer) {
                node.driver.undelivered(&context, undelivered).await;
            }
        });
        taken.then(|| Self { slot, _caller: caller, generation: host.generation() })
    }

    /// The answer, once there is one.
    pub(crate) fn answer(&self, host: &Host) -> Option<Answer> {
        if let Some(answer) = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Some(answer);
        }
        let over = host.generation() != self.generation || !host.runs();
        over.then_some(Answer::Lost)
    }
}

async fn ask(node: &Node, context: &RequestContext, request: Request) -> Answer {
    let driver = &node.driver;
    let answered = match request {
        Request::Handshake => driver.capability(context).await.map(|_| Answer::Done),
        Request::Pool(request) => driver.request_pool(context, request).await.map(Answer::Pool),
        Request::ReleasePool(pool) => {
            driver.release_pool(context, pool).await.map(|()| Answer::Done)
        }
        Request::Address(request) => {
            driver.request_address(context, request).await.map(Answer::Address)
        }
        Request::ReleaseAddress(release) => {
            driver.release_address(context, release).await.map(|()| Answer::Done)
        }
        Request::List(pool) => list(node, context, &pool).await,
    };
    answered.unwrap_or_else(Answer::Refused)
}

async fn list(node: &Node, context: &RequestContext, pool: &PoolId) -> Result<Answer, IpamError> {
    let unknown = || IpamError::from(ErrorKind::PoolNotFound);
    let pool = pool_id(pool).ok_or_else(unknown)?;
    if pool.space.as_str() == LOCAL_SPACE {
        let views = node.ledger.read(|state| state.addresses(&pool)).map_err(|_| unknown())?;
        return Ok(Answer::Listed(claimed(views), None));
    }
    let left = context.deadline().saturating_duration_since(Instant::now());
    let look = |state: &State| state.addresses(&pool);
    // Agents' lists are a server's.
    let replica = node.replica().ok_or_else(|| IpamError::unavailable("nothing was changed"))?;
    let read = replica.read(Consistency::Linearizable, Deadline::after(left), look).await;
    let read =
        read.map_err(|error| IpamError::unavailable(format!("nothing was changed: {error}")))?;
    let views = read.value.map_err(|_| unknown())?;
    Ok(Answer::Listed(claimed(views), Some(read.applied.get())))
}

fn undelivered(request: Request, answer: Answer) -> Option<Undelivered> {
    match (request, answer) {
        (Request::Pool(request), Answer::Pool(given)) => Some(Undelivered::Pool { request, given }),
        (Request::Address(request), Answer::Address(given)) => {
            Some(Undelivered::Address { request, given })
        }
        _ => None,
    }
}
