//! One half of the driver: an engine's requests about spaces of one kind of home, the cluster's
//! (global) or this host's (local).

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{
    AddressGrant, ClaimId, Command, Ending, PoolGrant, PoolId, Prefix, ReleaseAddress, ReleasePool,
    Response, SpaceName, State,
};
use berth_replication::{Consistency, Deadline};
use ipamapi::{IpamError, Peer};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};

use super::claims::Claims;
use super::errors::submit_error;
use super::sessions::Sessions;
use super::unheard::{Asked, Given, Unheard};
use crate::sender::{Sender, SubmitError, Ticket};

/// Locks that keep requests about one pool in order; pools may share one.
const LOCKS: usize = 256;
/// Commands of unknown outcome that are followed up at once.
const SETTLING_MAX: usize = 1_024;
/// How long one attempt to settle a command may take, and the pause after it.
const SETTLE_ATTEMPT: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_secs(1);
/// How often it is tried: for about an hour.
const SETTLE_ATTEMPTS: usize = 330;

/// One half of the driver.
pub(super) struct Half {
    pub(super) sender: Sender,
    pub(super) sessions: Sessions,
    pub(super) claims: Claims,
    pub(super) unheard: Unheard,
    locks: Vec<RwLock<()>>,
    hasher: RandomState,
    settling: Arc<Semaphore>,
}

/// What becomes of a command whose answer nobody hears.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// The choice was ours: what it was given is released again.
    GiveBack,
    /// The engine chose, and will ask again.
    Keep(Asked),
    /// A release: it is carried out all the same.
    Finish,
}

impl Half {
    pub(super) fn new(sender: Sender, sessions: Sessions) -> Self {
        Self {
            sender,
            sessions,
            claims: Claims::default(),
            unheard: Unheard::default(),
            locks: (0..LOCKS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            settling: Arc::new(Semaphore::new(SETTLING_MAX)),
        }
    }

    fn lock(&self, space: &SpaceName, prefix: Prefix) -> &RwLock<()> {
        let hash = usize::try_from(self.hasher.hash_one((space, prefix)) % LOCKS as u64);
        let lock = hash.ok().and_then(|at| self.locks.get(at));
        lock.expect("a remainder is below its divisor")
    }

    /// Waits for all earlier requests about a pool (rule 10).
    pub(super) async fn pool_turn(
        &self,
        space: &SpaceName,
        prefix: Prefix,
    ) -> RwLockWriteGuard<'_, ()> {
        self.lock(space, prefix).write().await
    }

    /// Waits for earlier requests about a pool as a whole.
    pub(super) async fn address_turn(&self, pool: &PoolId) -> RwLockReadGuard<'_, ()> {
        self.lock(&pool.space, pool.prefix).read().await
    }

    /// Looks at the newest state.
    pub(super) async fn read<T>(
        &self,
        deadline: Deadline,
        look: impl FnOnce(&State) -> T,
    ) -> Result<T, IpamError> {
        let read = self.sender.target().read(Consistency::Linearizable, deadline, look).await;
        read.map_err(|error| IpamError::unavailable(format!("nothing was changed: {error}")))
    }

    /// Has a command executed; if its outcome stays unknown, follows it up as its fate says.
    pub(super) async fn decide(
        self: &Arc<Self>,
        command: Command,
        fate: Fate,
        deadline: Deadline,
    ) -> Result<Response, SubmitError> {
        let ticket = self.sender.ticket(command, deadline).await?;
        let outcome = self.sender.run(&ticket, deadline).await;
        let open = match &outcome {
            Err(SubmitError::Unknown(_)) => true,
            Err(SubmitError::NotExecuted(_)) => matches!(fate, Fate::Finish),
            _ => false,
        };
        if open {
            self.settle(ticket, fate);
        }
        outcome
    }

    /// Finds out, in the background, what became of a command.
    fn settle(self: &Arc<Self>, ticket: Ticket, fate: Fate) {
        let Ok(permit) = Arc::clone(&self.settling).try_acquire_owned() else {
            tracing::warn!(command = ?ticket.command, "too many unknown outcomes, this one is left");
            return;
        };
        let half = Arc::clone(self);
        tokio::spawn(async move {
            for _ in 0..SETTLE_ATTEMPTS {
                let outcome = half.sender.run(&ticket, Deadline::after(SETTLE_ATTEMPT)).await;
                match outcome {
                    Ok(response) => {
                        half.settled(&ticket.command, fate, response).await;
                        break;
                    }
                    Err(SubmitError::Rejected(_)) => break,
                    Err(_) => tokio::time::sleep(SETTLE_PAUSE).await,
                }
            }
            drop(permit);
        });
    }

    async fn settled(self: &Arc<Self>, command: &Command, fate: Fate, response: Response) {
        let given = match &response {
            Response::Pool(PoolGrant { claim, .. }) => Given { claim: *claim, address: None },
            Response::Address(AddressGrant { claim, address, .. }) => {
                Given { claim: *claim, address: Some(*address) }
            }
            _ => return,
        };
        match (fate, response, command) {
            (Fate::Keep(asked), ..) => self.unheard.keep(asked, given),
            (Fate::GiveBack, Response::Pool(grant), _) => {
                self.give_back(release_pool(grant.pool, grant.claim)).await;
            }
            (Fate::GiveBack, Response::Address(grant), Command::RequestAddress(request)) => {
                let release = release_address(request.pool.clone(), grant.address, grant.claim);
                self.give_back(release).await;
            }
            _ => {}
        }
    }

    /// Releases what nobody heard of.
    pub(super) async fn give_back(self: &Arc<Self>, release: Command) {
        let deadline = Deadline::after(SETTLE_ATTEMPT);
        match Box::pin(self.decide(release, Fate::Finish, deadline)).await {
            Ok(response) => tracing::info!(?response, "released what no engine heard of"),
            Err(error) => tracing::warn!(%error, "what no engine heard of is not released yet"),
        }
    }

    /// Carries a release out, and says in the log when there was nothing to release.
    pub(super) async fn release(
        self: &Arc<Self>,
        command: Command,
        deadline: Deadline,
    ) -> Result<(), IpamError> {
        match self.decide(command, Fate::Finish, deadline).await.map_err(submit_error)? {
            Response::Released(Ending::Nothing) => {
                tracing::info!("another claim stands by now, nothing was released");
            }
            Response::Released(Ending::Suspected) => {
                tracing::warn!("the pool is in doubt and kept out of service");
            }
            _ => {}
        }
        Ok(())
    }

    /// An engine begins, or one of its Swarm managers leads.
    pub(super) async fn handshake(&self, peer: Option<Peer>, exclusive: Option<&SpaceName>) {
        let known = match exclusive {
            None => None,
            Some(space) => {
                let look = |state: &State| state.latest_session(space, self.sender.client());
                let now = Deadline::after(Duration::ZERO);
                let read = self.sender.target().read(Consistency::Stale, now, look).await;
                Some((space.clone(), read.ok().flatten()))
            }
        };
        self.sessions.handshake(peer, known);
    }
}

/// The command that releases a pool.
pub(super) fn release_pool(pool: PoolId, claim: ClaimId) -> Command {
    Command::ReleasePool(ReleasePool { pool, claim, verify: false })
}

/// The command that releases an address.
pub(super) fn release_address(pool: PoolId, address: IpAddr, claim: ClaimId) -> Command {
    Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify: false })
}
