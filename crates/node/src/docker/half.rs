//! One half of the driver: an engine's requests about spaces of one kind of home, the cluster's
//! (global) or this host's (local).

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::{
    AddressGrant, ClaimId, Command, Ending, PoolId, Prefix, ReleaseAddress, ReleasePool, Response,
    Sharing, SpaceName,
};
use berth_replication::{Consistency, Deadline};
use ipamapi::{IpamError, Peer};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, watch};
use tokio::time::timeout;

use super::claims::Claims;
use super::errors::submit_error;
use super::sessions::{Session, Sessions};
use super::unheard::{Fate, Given, Number, Open, Unheard};
use crate::looks::Look;
use crate::sender::{Sender, SubmitError, Ticket};

/// Locks that keep requests about one pool in order; pools may share one.
const LOCKS: usize = 256;
/// Commands of unknown outcome that are followed up at once.
const SETTLING_MAX: usize = 1_024;
/// How long one attempt to settle a command may take, and the pause after it.
const SETTLE_ATTEMPT: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// One half of the driver.
pub(super) struct Half {
    pub(super) sender: Sender,
    pub(super) sessions: Sessions,
    pub(super) claims: Claims,
    pub(super) unheard: Unheard,
    locks: Vec<RwLock<()>>,
    /// Fixed, so that the same pools share a lock in every run.
    hasher: BuildHasherDefault<DefaultHasher>,
    settling: Arc<Semaphore>,
    /// Whether what an earlier run of this process left open is settled.
    resumed: watch::Sender<bool>,
}

impl Half {
    /// One half, on what an earlier run of this process left.
    pub(super) fn start(sender: Sender, sessions: Sessions, unheard: Unheard) -> Arc<Self> {
        let half = Arc::new(Self {
            sender,
            sessions,
            claims: Claims::default(),
            unheard,
            locks: (0..LOCKS).map(|_| RwLock::default()).collect(),
            hasher: BuildHasherDefault::default(),
            settling: Arc::new(Semaphore::new(SETTLING_MAX)),
            resumed: watch::Sender::new(false),
        });
        tokio::spawn(Arc::clone(&half).resume());
        half
    }

    fn lock(&self, space: &SpaceName, prefix: Prefix) -> &RwLock<()> {
        let hash = usize::try_from(self.hasher.hash_one((space, prefix)) % LOCKS as u64);
        let lock = hash.ok().and_then(|at| self.locks.get(at));
        lock.expect("a remainder is below its divisor")
    }

    /// Waits until what an earlier run of this process left open is settled.
    async fn settled_before(&self, deadline: Deadline) -> Result<(), SubmitError> {
        let mut resumed = self.resumed.subscribe();
        match timeout(deadline.remaining(), resumed.wait_for(|resumed| *resumed)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(SubmitError::NotExecuted(
                "requests from before this node's restart are not settled yet".into(),
            )),
        }
    }

    /// The session under which the engine speaks in a space; opens it first if need be.
    pub(super) async fn session(
        &self,
        space: &SpaceName,
        sharing: Sharing,
        deadline: Deadline,
    ) -> Result<Session, SubmitError> {
        self.settled_before(deadline).await?;
        self.sessions.current(&self.sender, space, sharing, deadline).await
    }

    /// Waits for all earlier requests about a pool (rule 10).
    pub(super) async fn pool_turn(
        &self,
        space: &SpaceName,
        prefix: Prefix,
        deadline: Deadline,
    ) -> Result<RwLockWriteGuard<'_, ()>, IpamError> {
        self.settled_before(deadline).await.map_err(submit_error)?;
        timeout(deadline.remaining(), self.lock(space, prefix).write()).await.map_err(|_| busy())
    }

    /// Waits for earlier requests about a pool as a whole; refuses what was asked before the session
    /// that is open by then.
    pub(super) async fn address_turn(
        &self,
        pool: &PoolId,
        deadline: Deadline,
    ) -> Result<RwLockReadGuard<'_, ()>, IpamError> {
        let arrived = self.sessions.handshakes();
        self.settled_before(deadline).await.map_err(submit_error)?;
        let turn = self.lock(&pool.space, pool.prefix).read();
        let turn = timeout(deadline.remaining(), turn).await.map_err(|_| busy())?;
        self.refuse_late(&pool.space, arrived, deadline).await?;
        Ok(turn)
    }

    /// Refuses what was asked before the session began that is open now: its claimant asks itself for
    /// what it keeps.
    pub(super) async fn refuse_late(
        &self,
        space: &SpaceName,
        arrived: u64,
        deadline: Deadline,
    ) -> Result<(), IpamError> {
        let later = timeout(deadline.remaining(), self.sessions.is_later(space, arrived)).await;
        if later.map_err(|_| busy())? {
            let reason = "nothing was changed: the engine has begun anew since this was asked";
            return Err(IpamError::unavailable(reason));
        }
        Ok(())
    }

    /// Looks at the newest state.
    pub(super) async fn look<L: Look>(
        &self,
        deadline: Deadline,
        look: L,
    ) -> Result<L::Seen, IpamError> {
        let seen = self.sender.target().look(look, Consistency::Linearizable, deadline).await;
        seen.map_err(|error| IpamError::unavailable(format!("nothing was changed: {error}")))
    }

    /// Has a command executed; if its outcome stays unknown, follows it up as its fate says.
    pub(super) async fn decide(
        self: &Arc<Self>,
        command: Command,
        fate: Fate,
        deadline: Deadline,
    ) -> Result<Response, SubmitError> {
        let ticket = self.sender.ticket(command, deadline).await?;
        let number = ticket.number();
        let open = Open { number, command: ticket.command.clone(), fate };
        let fate = open.fate.clone();
        self.unheard.sent(open).map_err(|error| SubmitError::NotExecuted(error.to_string()))?;
        let outcome = self.sender.run(&ticket, deadline).await;
        let open = match &outcome {
            Err(SubmitError::Unknown(_)) => true,
            Err(SubmitError::NotExecuted(_) | SubmitError::NoRoom(_)) => {
                matches!(fate, Fate::Finish)
            }
            _ => false,
        };
        if open {
            self.settle(ticket, fate);
        } else if let Err(error) = self.unheard.answered(number) {
            self.settle(ticket, fate);
            return Err(SubmitError::Unknown(error.to_string()));
        }
        outcome
    }

    /// Settles what an earlier run of this process left open, before this one registers.
    async fn resume(self: Arc<Self>) {
        let open = self.unheard.open();
        let numbered = open.iter().map(|open| (open.number.0, open.number.1, open.command.clone()));
        let tickets = self.sender.resume(numbered);
        let mut unwanted = Vec::new();
        for (ticket, Open { number, fate, .. }) in tickets.into_iter().zip(open) {
            let release = match self.outcome(&ticket).await {
                Some(response) => self.settled(&ticket.command, fate, response),
                None => None,
            };
            tracing::info!(command = ?ticket.command, ?release, "settled after a restart");
            match release {
                Some(release) => unwanted.push((number, release)),
                None => self.closed(number),
            }
        }
        self.resumed.send_replace(true);
        for (number, release) in unwanted {
            self.give_back(release).await;
            self.closed(number);
        }
    }

    /// What became of a command, as soon as that is known; `None` where nothing did.
    async fn outcome(&self, ticket: &Ticket) -> Option<Response> {
        loop {
            match self.sender.run(ticket, Deadline::after(SETTLE_ATTEMPT)).await {
                Ok(response) => return Some(response),
                Err(SubmitError::Rejected(_) | SubmitError::Forgotten(_)) => return None,
                Err(
                    SubmitError::NotExecuted(_) | SubmitError::NoRoom(_) | SubmitError::Unknown(_),
                ) => {
                    tokio::time::sleep(SETTLE_PAUSE).await;
                }
            }
        }
    }

    /// Nothing more can be found out, or needs to be.
    fn closed(&self, number: Number) {
        if let Err(error) = self.unheard.answered(number) {
            tracing::error!(%error, "an answer could not be noted");
        }
    }

    /// Finds out, in the background, what became of a command.
    fn settle(self: &Arc<Self>, ticket: Ticket, fate: Fate) {
        let Ok(permit) = Arc::clone(&self.settling).try_acquire_owned() else {
            tracing::warn!(command = ?ticket.command, "too many unknown outcomes, this one is left");
            self.closed(ticket.number());
            return;
        };
        let half = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(response) = half.outcome(&ticket).await
                && let Some(release) = half.settled(&ticket.command, fate, response)
            {
                half.give_back(release).await;
            }
            half.closed(ticket.number());
            drop(permit);
        });
    }

    /// Keeps what the engine chose; the release of what was chosen for it.
    fn settled(&self, command: &Command, fate: Fate, response: Response) -> Option<Command> {
        #[cfg(feature = "canary")]
        let fate = if undoes_adoptions() { Fate::GiveBack } else { fate };
        match (fate, response, command) {
            (Fate::Keep(asked), Response::Pool(grant), _) => {
                self.unheard.keep(asked, Given { claim: grant.claim, address: None });
                None
            }
            (Fate::Keep(asked), Response::Address(AddressGrant { claim, address, .. }), _) => {
                self.unheard.keep(asked, Given { claim, address: Some(address) });
                None
            }
            (Fate::GiveBack, Response::Pool(grant), _) => {
                Some(release_pool(grant.pool, grant.claim, false))
            }
            (Fate::GiveBack, Response::Address(grant), Command::RequestAddress(request)) => {
                let pool = request.pool.clone();
                Some(release_address(pool, grant.address, grant.claim, false))
            }
            _ => None,
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
                tracing::info!("the pool is in doubt and kept out of service for now");
            }
            _ => {}
        }
        Ok(())
    }

    /// An engine begins, or one of its Swarm managers leads.
    pub(super) async fn handshake(&self, peer: Option<Peer>, exclusive: Option<&SpaceName>) {
        self.sessions.handshake(&self.sender, peer, exclusive).await;
    }

    /// Waits until what an earlier run of this process left open is settled.
    pub(super) async fn resumed(&self) {
        // An error means that this half is gone.
        let _ = self.resumed.subscribe().wait_for(|resumed| *resumed).await;
    }
}

/// Whether explicit claims that nobody heard of are released, against the rules.
#[cfg(feature = "canary")]
pub(super) fn undoes_adoptions() -> bool {
    use berth_allocator::canary::{Canary, sins};
    sins(Canary::UndoneAdoption)
}

fn busy() -> IpamError {
    let reason =
        "nothing was changed: earlier requests about this pool, or about others, still wait";
    IpamError::unavailable(reason.to_owned())
}

/// The command that releases a pool. `verify`: only once a look at the engine does not show it.
pub(super) fn release_pool(pool: PoolId, claim: ClaimId, verify: bool) -> Command {
    Command::ReleasePool(ReleasePool { pool, claim, verify })
}

/// The command that releases an address. `verify`: it is given again only once a look at the engine
/// does not show it.
pub(super) fn release_address(
    pool: PoolId,
    address: IpAddr,
    claim: ClaimId,
    verify: bool,
) -> Command {
    Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use berth_allocator::{
        AddressKind, AddressState, ClientName, Order, RequestAddress, SessionId, SpaceSettings,
        Text,
    };
    use berth_replication::{Ledger, LedgerConfig, NodeName, SystemClock};

    use super::super::unheard::{Asked, Wanted};
    use super::*;
    use crate::sender::Target;

    const SOON: Duration = Duration::from_secs(30);

    fn half(ledger: &Arc<Ledger>, dir: &Path) -> Arc<Half> {
        let client = ClientName::new("host").unwrap();
        let sender =
            Sender::new(Target::Ledger(Arc::clone(ledger)), client, Text::new("here").unwrap());
        let sessions = Sessions::load(dir.join("sessions"), None).unwrap();
        Half::start(sender, sessions, Unheard::load(dir.join("unheard")).unwrap())
    }

    fn request(pool: &PoolId, address: Option<IpAddr>) -> Command {
        Command::RequestAddress(RequestAddress {
            pool: pool.clone(),
            address,
            kind: AddressKind::Endpoint,
            order: Order::First,
            key: None,
            owner: None,
            unverified: true,
        })
    }

    /// Executes a command as `decide` does, up to the moment before its answer counts as heard.
    async fn killed(half: &Half, command: Command, fate: Fate) -> (Ticket, Response) {
        let ticket = half.sender.ticket(command.clone(), Deadline::after(SOON)).await.unwrap();
        half.unheard.sent(Open { number: ticket.number(), command, fate }).unwrap();
        let response = half.sender.run(&ticket, Deadline::after(SOON)).await.unwrap();
        (ticket, response)
    }

    #[tokio::test]
    async fn a_later_run_settles_what_an_earlier_one_left() {
        let dir = tempfile::tempdir().unwrap();
        let config = LedgerConfig {
            dir: dir.path().join("ledger"),
            name: NodeName::new("host").unwrap(),
            snapshot_after: 100,
        };
        let ledger = Arc::new(Ledger::open(config, Arc::new(SystemClock)).await.unwrap());
        let space = SpaceName::new("LocalDefault").unwrap();
        let half_1 = half(&ledger, dir.path());
        crate::spaces::ensure(&half_1.sender, &space, SpaceSettings::local(None)).await.unwrap();
        let deadline = Deadline::after(SOON);
        let session = half_1.session(&space, Sharing::Local, deadline).await.unwrap().id;
        let prefix = Prefix::truncated("172.30.0.0/24".parse().unwrap());
        let pool = PoolId { space: space.clone(), epoch: None, prefix, sub_pool: None };
        let claim_pool = Command::RequestPool(berth_allocator::RequestPool {
            space: space.clone(),
            session,
            wanted: berth_allocator::WantedPool::Exact { prefix, sub_pool: None },
            labels: berth_allocator::Labels::default(),
        });
        half_1.decide(claim_pool, Fate::GiveBack, deadline).await.unwrap();
        let heard = half_1.decide(request(&pool, None), Fate::GiveBack, deadline).await.unwrap();
        let Response::Address(heard) = heard else { panic!("{heard:?}") };

        let wanted: IpAddr = "172.30.0.77".parse().unwrap();
        let asked =
            Asked { session: Some(session), pool: pool.clone(), wanted: Wanted::Address(wanted) };
        let (_open, explicit) =
            killed(&half_1, request(&pool, Some(wanted)), Fate::Keep(asked.clone())).await;
        let Response::Address(explicit) = explicit else { panic!("{explicit:?}") };
        let (_open_too, _) = killed(&half_1, request(&pool, None), Fate::GiveBack).await;
        drop(half_1);

        let half_2 = half(&ledger, dir.path());
        let known = half_2.session(&space, Sharing::Local, deadline).await.unwrap().id;
        assert_eq!(known, session, "the same engine");
        let another = Asked { session: Some(SessionId::new(1)), ..asked.clone() };
        assert_eq!(half_2.unheard.take(&another), None);
        let given = half_2.unheard.take(&asked);
        assert_eq!(given, Some(Given { claim: explicit.claim, address: Some(wanted) }));
        while !half_2.unheard.open().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let views = ledger.read(|state| state.addresses(&pool).unwrap());
        let held =
            views.iter().filter(|view| view.state == AddressState::Held).map(|view| view.address);
        assert_eq!(held.collect::<Vec<_>>(), [heard.address, wanted]);
    }
}
