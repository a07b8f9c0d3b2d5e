//! Berth as an engine's IPAM driver: routes each request to the half that its space belongs to.
//!
//! The engine's default local space is this host's, in the local ledger, and needs no quorum. Its
//! default global space, and any space named by `berth.space`, is the cluster's.

mod asked;
mod attachments;
mod begun;
mod claims;
mod engine;
mod errors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod half;
mod journal;
#[cfg(all(test, feature = "failpoints"))]
mod kills;
mod observer;
mod requests;
mod sessions;
mod unheard;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_allocator::{
    AddressGrant, ClaimId, Command, Evidence, FreeSuspect, PoolGrant, PoolId, Prefix, Rejection,
    RequestAddress, RequestPool, Response, Revision, Sharing, SpaceName, Usage, WantedPool,
};
use berth_replication::{Consistency, Deadline};
use ipamapi::ipnet::IpNet;
use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Capability,
    ErrorKind, Ipam, IpamError, PoolRequest, PoolSpec, RequestContext, Undelivered,
};
use tokio::time::Instant;

pub use self::asked::Asked as AskedByEngine;
pub use self::engine::{Place, boot};
pub(crate) use self::observer::Due;
pub use self::observer::{Observations, Observer, observer};

use self::attachments::Attachments;
use self::errors::{rejected, submit_error};
use self::half::{Half, release_address, release_pool};
use self::sessions::Sessions;
use self::unheard::{Asked, Fate, Given, Unheard, Wanted};
use crate::audit;
use crate::file::FileError;
use crate::looks::{AddressClaim, Overlapping, PoolClaim, SharingOf, UsageOf};
use crate::sender::{Sender, SubmitError};

/// Kept back from the engine's deadline, so that our own error still reaches it.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);
/// How long a request may wait for a look at the engine.
const LOOK_MAX: Duration = Duration::from_secs(4);
/// How long freeing what is unused may take.
const FREE_MAX: Duration = Duration::from_secs(5);
/// Addresses up to which a full pool's error counts what it is full of.
const EXPLAINED_MAX: u128 = 4_096;

/// What a [`Driver`] must be told.
pub struct DriverConfig {
    /// Has this host's commands executed by the cluster.
    pub global: Sender,
    /// This host's own ledger, and its commands.
    pub local: Sender,
    /// The space of this host's networks.
    pub local_space: SpaceName,
    /// The space of the Swarm that this host belongs to.
    pub global_space: SpaceName,
    /// Where the engine's sessions are kept.
    pub data_dir: PathBuf,
    /// The engine's API, if it may be asked.
    pub docker_socket: Option<PathBuf>,
    /// Whoever looks at the engine, if somebody does.
    pub observer: Option<Observer>,
}

/// Berth as an engine's IPAM driver.
pub struct Driver {
    local: Arc<Half>,
    global: Arc<Half>,
    local_space: SpaceName,
    global_space: SpaceName,
    observer: Option<Observer>,
    attachments: Option<Attachments>,
}

impl Driver {
    /// A driver for the engine of this host.
    pub fn new(config: DriverConfig) -> Result<Self, FileError> {
        let DriverConfig { global, local, local_space, global_space, data_dir, .. } = config;
        let DriverConfig { docker_socket, observer, .. } = config;
        let half = |sender, home: &str| {
            let path = data_dir.join(format!("sessions-{home}"));
            let sessions = Sessions::load(path, docker_socket.clone())?;
            let unheard = Unheard::load(data_dir.join(format!("unheard-{home}")))?;
            Ok(Half::start(sender, sessions, unheard))
        };
        Ok(Self {
            local: half(local, "local")?,
            global: half(global, "global")?,
            local_space,
            global_space,
            observer,
            attachments: docker_socket.map(Attachments::new),
        })
    }

    /// Whoever looks at the engine, if what is released of this space is to be looked at.
    fn observer(&self, space: &SpaceName) -> Option<&Observer> {
        self.observer.as_ref().filter(|_| *space == self.global_space)
    }

    /// Registers with the cluster, and keeps the hold on this host's identity, until it is dropped.
    pub async fn keep_identity(&self) {
        self.global.resumed().await;
        self.global.sender.keep_identity().await;
    }

    /// Gives this host's identity up: its next run may have it at once.
    pub async fn leave(&self, deadline: Deadline) {
        self.global.sender.leave(deadline).await;
    }

    /// Why the cluster does not know this host, if another one has its name.
    pub fn refused(&self) -> Option<Rejection> {
        self.global.sender.refused()
    }

    fn half(&self, space: &SpaceName) -> &Arc<Half> {
        if *space == self.local_space { &self.local } else { &self.global }
    }

    async fn sharing(&self, space: &SpaceName, deadline: Deadline) -> Result<Sharing, IpamError> {
        if *space == self.local_space {
            return Ok(Sharing::Local);
        }
        if *space == self.global_space {
            return Ok(Sharing::Exclusive);
        }
        let look = || SharingOf { space: space.clone() };
        let target = self.global.sender.target();
        // A space stays what it is; one that is not known here may be new.
        let sharing = match target.look(look(), Consistency::Stale, deadline).await {
            Ok(known @ Ok(_)) => known,
            _ => self.global.look(deadline, look()).await?,
        };
        match sharing {
            Ok(Sharing::Exclusive) => Err(IpamError::bad_request(format!(
                "address space {space} is another Swarm's: name a shared one"
            ))),
            Ok(sharing) => Ok(sharing),
            Err(rejection) => Err(rejected(&rejection)),
        }
    }

    /// Where nothing may give way, an explicit request is refused as if its space were not local.
    async fn refuse_overlap(
        &self,
        space: &SpaceName,
        prefix: Prefix,
        deadline: Deadline,
    ) -> Result<(), IpamError> {
        let look = Overlapping { space: space.clone(), prefix };
        let pools = self.half(space).look(deadline, look).await?;
        match pools.into_iter().find(|pool| pool.prefix != prefix) {
            Some(pool) => Err(ErrorKind::PoolOverlap.because(pool.to_string())),
            None => Ok(()),
        }
    }

    /// The claim that an identical request was given without hearing of it, if it still stands. Waits
    /// until it is known what became of those that came before. Whoever stopped waiting takes nothing:
    /// it is for the request that came after.
    async fn unheard(
        &self,
        context: &RequestContext,
        half: &Half,
        asked: &Asked,
        deadline: Deadline,
    ) -> Result<Option<Given>, IpamError> {
        if !half.unheard.settled(asked, deadline).await {
            let reason =
                "nothing was changed: what became of the same request before is not known yet";
            return Err(IpamError::unavailable(reason));
        }
        if context.is_caller_gone() {
            return Err(IpamError::unavailable("the caller hung up: nothing was changed"));
        }
        let Some(given) = half.unheard.take(asked) else { return Ok(None) };
        let (pool, client) = (asked.pool.clone(), half.sender.client().clone());
        let standing = match given.address {
            None => half.look(deadline, PoolClaim { pool, client }).await.map(Result::ok),
            Some(address) => {
                let look = AddressClaim { pool, client, address };
                half.look(deadline, look).await.map(|claim| claim.ok().flatten())
            }
        };
        let standing = match standing {
            Ok(standing) => standing,
            Err(error) => {
                half.unheard.keep(asked.clone(), given);
                return Err(error);
            }
        };
        Ok(Some(given).filter(|given| standing == Some(given.claim)))
    }

    /// Has an address request decided. If only released addresses are left at which nobody has looked
    /// since, the engine is looked at now; what cannot be seen is given all the same, the one
    /// released longest ago first, rather than an error.
    async fn decide_address(
        &self,
        half: &Arc<Half>,
        mut command: RequestAddress,
        fate: Fate,
        deadline: Deadline,
    ) -> Result<Response, SubmitError> {
        for attempt in 0.. {
            let asked = Command::RequestAddress(command.clone());
            let decided = half.decide(asked, fate.clone(), deadline).await;
            let Err(SubmitError::Rejected(Rejection::ObservationNeeded { waiting })) = decided
            else {
                return decided;
            };
            match self.observer(&command.pool.space) {
                Some(observer) if attempt == 0 => {
                    observer.look(Deadline::after(deadline.remaining().min(LOOK_MAX))).await;
                }
                _ => {
                    tracing::warn!(pool = %command.pool, waiting,
                        "released addresses could not be looked at, one is given all the same");
                    command.unverified = true;
                }
            }
        }
        unreachable!("an unverified request needs no observation")
    }

    /// Refuses what a user asks for although a task has it: to the state machine it looks like that
    /// task's replay.
    async fn refuse_taken(
        &self,
        pool: &PoolId,
        request: &AddressRequest,
        deadline: Deadline,
    ) -> Result<(), IpamError> {
        let swarm = self.attachments.as_ref().filter(|_| pool.space == self.global_space);
        let Some(attachments) = swarm.filter(|_| !request.options.is_gateway()) else {
            return Ok(());
        };
        let Some(address) = request.address else {
            attachments.replay_is_over(pool);
            return Ok(());
        };
        let within = Deadline::after(deadline.remaining().min(LOOK_MAX));
        match attachments.taken(pool, address, within).await {
            Some(by) => Err(ErrorKind::AddressInUse.because(format!("{address} is that of {by}"))),
            None => Ok(()),
        }
    }

    /// Says what a full pool is full of, where counting is cheap.
    async fn explain_full(&self, half: &Half, pool: &PoolId, deadline: Deadline) -> IpamError {
        let counted = pool.sub_pool.unwrap_or(pool.prefix).last_offset() < EXPLAINED_MAX;
        let usage = if counted {
            half.look(deadline, UsageOf { pool: pool.clone() }).await.ok()
        } else {
            None
        };
        match usage {
            Some(Ok(usage)) => {
                let Usage { size, held, stale, suspect, cooling, reserved } = usage;
                ErrorKind::NoAvailableAddresses.because(format!(
                    "of {size} addresses {held} are held, {stale} stale, {suspect} suspect, \
                     {cooling} cooling and {reserved} reserved; `berth why {pool}` says by whom"
                ))
            }
            _ => {
                ErrorKind::NoAvailableAddresses.because(format!("`berth why {pool}` says by whom"))
            }
        }
    }

    /// Ends a claim that this host's engine was seen not to use (rule 7), by a look that began after
    /// this revision of the claim's half.
    pub async fn free_unused(
        &self,
        pool: PoolId,
        address: Option<IpAddr>,
        claim: u64,
        began: Revision,
    ) -> Result<(), SubmitError> {
        let half = self.half(&pool.space);
        let none = || SubmitError::NotExecuted("no session of the engine is open".to_owned());
        let session = half.sessions.known(&pool.space).await.ok_or_else(none)?;
        let evidence = Evidence::Observation { session, began };
        let claim = ClaimId::new(claim);
        let command = Command::FreeSuspect(FreeSuspect { pool, address, claim, evidence });
        half.decide(command, Fate::Finish, Deadline::after(FREE_MAX)).await.map(|_| ())
    }
}

fn deadline(context: &RequestContext) -> Deadline {
    let left = context.deadline().saturating_duration_since(Instant::now());
    Deadline::after(left.saturating_sub(ANSWER_MARGIN))
}

fn given_pool(pool: &PoolId, claim: ClaimId) -> Result<AllocatedPool, IpamError> {
    let id = ipamapi::PoolId::new(pool.to_string())?;
    Ok(AllocatedPool::new(id, pool.prefix.into()).with_mark(claim.get()))
}

fn given_address(address: IpAddr, pool: &PoolId, claim: ClaimId) -> AllocatedAddress {
    let net = IpNet::new_assert(address, pool.prefix.length());
    AllocatedAddress::new(net).with_mark(claim.get())
}

#[async_trait]
impl Ipam for Driver {
    async fn capability(&self, context: &RequestContext) -> ipamapi::Result<Capability> {
        self.local.handshake(context.peer(), None).await;
        self.global.handshake(context.peer(), Some(&self.global_space)).await;
        // Sessions are opened at once, so that a later leader finds the Swarm's, and what an engine
        // lost is known to be lost even if it asks for nothing; nobody waits here.
        let until = deadline(context);
        let swarm = (Arc::clone(&self.global), self.global_space.clone(), Sharing::Exclusive);
        let host = (Arc::clone(&self.local), self.local_space.clone(), Sharing::Local);
        for (half, space, sharing) in [swarm, host] {
            let opening = async move {
                if let Err(error) = half.session(&space, sharing, until).await {
                    tracing::warn!(%error, %space, "the session could not be opened yet");
                }
            };
            tokio::spawn(audit::on_behalf_of(audit::asker(), opening));
        }
        Ok(Capability { requires_mac_address: false, requires_request_replay: true })
    }

    async fn default_address_spaces(&self, _: &RequestContext) -> ipamapi::Result<AddressSpaces> {
        Ok(AddressSpaces::new(self.local_space.as_str(), self.global_space.as_str()))
    }

    async fn request_pool(
        &self,
        context: &RequestContext,
        request: PoolRequest,
    ) -> ipamapi::Result<AllocatedPool> {
        let until = deadline(context);
        let space = requests::space(&request, &self.local_space)?;
        let (wanted, labels) = (requests::wanted(&request)?, requests::labels(&request.options)?);
        let half = self.half(&space);
        let arrived = half.sessions.handshakes();
        let sharing = self.sharing(&space, until).await?;
        half.sessions.meet(context.peer());
        let session = half.session(&space, sharing, until).await.map_err(submit_error)?;
        half.refuse_late(&space, arrived, until).await?;
        let mut fate = Fate::GiveBack;
        let mut _turn = None;
        if let WantedPool::Exact { prefix, sub_pool } = wanted {
            _turn = Some(half.pool_turn(&space, prefix, until).await?);
            let epoch = (sharing == Sharing::Exclusive).then_some(session.id);
            let pool = PoolId { space: space.clone(), epoch, prefix, sub_pool };
            let asked =
                Asked { session: Some(session.id), pool: pool.clone(), wanted: Wanted::Pool };
            if let Some(given) = self.unheard(context, half, &asked, until).await? {
                half.claims.pool_given(&pool, given.claim);
                return given_pool(&pool, given.claim);
            }
            if sharing == Sharing::Local && sub_pool.is_none() && !session.yields {
                self.refuse_overlap(&space, prefix, until).await?;
            }
            fate = Fate::Keep(asked);
        }
        let command = RequestPool { space, session: session.id, wanted, labels };
        let response = half.decide(Command::RequestPool(command), fate, until).await;
        match response.map_err(submit_error)? {
            Response::Pool(grant) => {
                let PoolGrant { pool, claim, .. } = *grant;
                half.claims.pool_given(&pool, claim);
                given_pool(&pool, claim)
            }
            other => unreachable!("a pool is not given with {other:?}"),
        }
    }

    async fn release_pool(
        &self,
        context: &RequestContext,
        pool_id: ipamapi::PoolId,
    ) -> ipamapi::Result<()> {
        let until = deadline(context);
        let pool = requests::pool_id(&pool_id)?;
        let half = self.half(&pool.space);
        let arrived = half.sessions.handshakes();
        let _turn = half.pool_turn(&pool.space, pool.prefix, until).await?;
        half.refuse_late(&pool.space, arrived, until).await?;
        let claim = if let Some(claim) = half.claims.pool(&pool) {
            claim
        } else {
            let look = PoolClaim { pool: pool.clone(), client: half.sender.client().clone() };
            half.look(until, look).await?.map_err(|rejection| unknown_pool(&rejection))?
        };
        half.claims.pool_released(&pool);
        let observer = self.observer(&pool.space);
        let released = half.release(release_pool(pool, claim, observer.is_some()), until).await;
        observer.into_iter().for_each(Observer::soon);
        released.map_err(|error| match error.kind() {
            ErrorKind::PoolNotFound => ErrorKind::UnknownPool.into(),
            _ => error,
        })
    }

    async fn request_address(
        &self,
        context: &RequestContext,
        request: AddressRequest,
    ) -> ipamapi::Result<AllocatedAddress> {
        let until = deadline(context);
        let pool = requests::pool_id(&request.pool_id)?;
        let half = self.half(&pool.space);
        let mut command = requests::address(pool.clone(), request.address, &request.options)?;
        command.unverified = self.observer(&pool.space).is_none();
        let _turn = half.address_turn(&pool, until).await?;
        let asked = asked(half, &pool, &request).await;
        if let Some(asked) = &asked
            && let Some(Given { claim, address: Some(address) }) =
                self.unheard(context, half, asked, until).await?
        {
            half.claims.address_given(&pool, address, claim);
            return Ok(given_address(address, &pool, claim));
        }
        self.refuse_taken(&pool, &request, until).await?;
        let fate = asked.map_or(Fate::GiveBack, Fate::Keep);
        match self.decide_address(half, command, fate, until).await {
            Ok(Response::Address(AddressGrant { address, claim, .. })) => {
                half.claims.address_given(&pool, address, claim);
                Ok(given_address(address, &pool, claim))
            }
            Ok(other) => unreachable!("an address is not given with {other:?}"),
            Err(SubmitError::Rejected(Rejection::NoAvailableAddresses { .. })) => {
                Err(self.explain_full(half, &pool, until).await)
            }
            Err(error) => Err(submit_error(error)),
        }
    }

    async fn release_address(
        &self,
        context: &RequestContext,
        release: AddressRelease,
    ) -> ipamapi::Result<()> {
        let until = deadline(context);
        let pool = requests::pool_id(&release.pool_id)?;
        let half = self.half(&pool.space);
        let _turn = half.address_turn(&pool, until).await?;
        let address = release.address;
        let mut claim = half.claims.take_address(&pool, address);
        if claim.is_none() {
            let (pool, client) = (pool.clone(), half.sender.client().clone());
            let look = AddressClaim { pool, client, address };
            claim = half.look(until, look).await?.map_err(|rejection| rejected(&rejection))?;
        }
        match claim {
            Some(claim) => {
                let verify = self.observer(&pool.space).is_some();
                half.release(release_address(pool, address, claim, verify), until).await
            }
            None => Ok(()),
        }
    }

    async fn undelivered(&self, _: &RequestContext, answer: Undelivered) {
        match answer {
            Undelivered::Pool { request, given } => {
                let Some((pool, claim)) = marked(&given.id, given.mark) else { return };
                let half = self.half(&pool.space);
                let exact = matches!(request.pool, PoolSpec::Exact { .. });
                #[cfg(feature = "canary")]
                let exact = exact && !half::undoes_adoptions();
                if exact {
                    let session = half.sessions.known(&pool.space).await;
                    let asked = Asked { session, pool, wanted: Wanted::Pool };
                    half.unheard.keep(asked, Given { claim, address: None });
                } else {
                    half.claims.pool_released(&pool);
                    half.give_back(release_pool(pool, claim, false)).await;
                }
            }
            Undelivered::Address { request, given } => {
                let Some((pool, claim)) = marked(&request.pool_id, given.mark) else { return };
                let half = self.half(&pool.space);
                let address = given.address.addr();
                let asked = asked(half, &pool, &request).await;
                #[cfg(feature = "canary")]
                let asked = asked.filter(|_| !half::undoes_adoptions());
                if let Some(asked) = asked {
                    half.unheard.keep(asked, Given { claim, address: Some(address) });
                } else {
                    half.claims.take_address(&pool, address);
                    half.give_back(release_address(pool, address, claim, false)).await;
                }
            }
        }
    }
}

fn marked(id: &ipamapi::PoolId, mark: Option<u64>) -> Option<(PoolId, ClaimId)> {
    Some((requests::pool_id(id).ok()?, ClaimId::new(mark?)))
}

/// How an identical request would be known, unless the choice of the address is ours.
async fn asked(half: &Half, pool: &PoolId, request: &AddressRequest) -> Option<Asked> {
    let wanted = match request.address {
        Some(address) => Wanted::Address(address),
        None if request.options.is_gateway() => Wanted::Gateway,
        None => return None,
    };
    let session = half.sessions.known(&pool.space).await;
    Some(Asked { session, pool: pool.clone(), wanted })
}

/// A pool that is not there is libnetwork's "bad pool" when it is to be released.
fn unknown_pool(rejection: &Rejection) -> IpamError {
    match rejection {
        Rejection::UnknownPool { .. } => ErrorKind::UnknownPool.into(),
        rejection => rejected(rejection),
    }
}
