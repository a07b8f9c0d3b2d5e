//! An engine as the cases see it: it asks, and says clearly what it was told.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::Semaphore;

use super::lab::Usage;
use super::profile::{Profile, Replay};
use super::verdict::{Stop, Verdict, ensure};
use crate::constants::{GATEWAY, REQUEST_ADDRESS_TYPE, SERIAL};
use crate::{
    AddressRelease, AddressRequest, AllocatedPool, ErrorKind, Family, Ipam, Options, PoolId,
    PoolRequest, RequestContext, Result,
};

/// Calls under way at a time through a socket, where each takes a connection of its own.
const SOCKET_CALLS_MAX: usize = 128;

/// An engine, one incarnation of it, and the driver that it knows.
#[derive(Clone)]
pub(crate) struct Engine {
    driver: Arc<dyn Ipam>,
    usage: Option<Arc<dyn Usage>>,
    profile: Profile,
    incarnation: u32,
    calls: Arc<Semaphore>,
    /// Whether calls go through the trait, so that the suite chooses who calls.
    direct: bool,
    pub(crate) local: String,
    pub(crate) global: String,
    _keep: Arc<dyn Any + Send + Sync>,
}

impl Engine {
    /// The handshake.
    pub(crate) async fn meet(
        driver: Arc<dyn Ipam>,
        usage: Option<Arc<dyn Usage>>,
        profile: Profile,
        keep: Box<dyn Any + Send + Sync>,
        direct: bool,
    ) -> Verdict<Self> {
        let calls_max = if direct { Semaphore::MAX_PERMITS } else { SOCKET_CALLS_MAX };
        let calls = Arc::new(Semaphore::new(calls_max));
        let (local, global) = (String::new(), String::new());
        let mut engine = Self {
            driver,
            usage,
            profile,
            incarnation: 0,
            calls,
            direct,
            local,
            global,
            _keep: Arc::new(keep),
        };
        engine.handshake().await?;
        let spaces = engine.driver.default_address_spaces(&engine.context()).await;
        let spaces = spaces.map_err(|error| refused("GetDefaultAddressSpaces", &error))?;
        (engine.local, engine.global) = (spaces.local, spaces.global);
        Ok(engine)
    }

    async fn handshake(&self) -> Verdict {
        match self.driver.capability(&self.context()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused("GetCapabilities", &error)),
        }
    }

    /// A new allocator: another manager leads. What it asks for in the global space is a replay.
    pub(crate) async fn new_leader(&self) -> Verdict<Self> {
        self.next(&[("global", self.profile.global_replay)]).await
    }

    /// The engine's process died and came back, outside a Swarm.
    pub(crate) async fn restarted(&self) -> Verdict<Self> {
        self.next(&[("local", self.profile.local_replay)]).await
    }

    /// The engine's process died and came back as a manager that leads.
    pub(crate) async fn killed(&self) -> Verdict<Self> {
        let Profile { global_replay, local_replay, .. } = self.profile;
        self.next(&[("global", global_replay), ("local", local_replay)]).await
    }

    /// The engine after a new handshake, in a new process if one of the replays needs it.
    async fn next(&self, replays: &[(&str, Replay)]) -> Verdict<Self> {
        let mut next = self.clone();
        for (space, replay) in replays {
            match replay {
                Replay::OnHandshake => {}
                Replay::OnNewProcess if self.direct => next.incarnation = self.incarnation + 1,
                Replay::OnNewProcess => {
                    return Err(Stop::skipped("through a socket the suite is always one process"));
                }
                Replay::Never => {
                    let why = format!("the driver grants no replay in the {space} space");
                    return Err(Stop::skipped(why));
                }
            }
        }
        next.handshake().await?;
        Ok(next)
    }

    fn context(&self) -> RequestContext {
        RequestContext::in_process().with_peer((self.profile.engine)(self.incarnation))
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether requests reach the driver with what the wire leaves out (exclusions).
    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    pub(crate) fn usage(&self) -> Verdict<&dyn Usage> {
        self.usage.as_deref().ok_or_else(|| Stop::skipped("the driver's usage cannot be counted"))
    }

    /// Fails if the driver still holds something, where that can be counted.
    pub(crate) async fn holds_nothing(&self) -> Verdict {
        let Some(usage) = &self.usage else {
            return Ok(());
        };
        let claims = usage.claims().await;
        ensure(claims == 0, || format!("everything was released, yet {claims} claims are left"))
    }

    // Pools.

    pub(crate) async fn ask_pool(&self, request: PoolRequest) -> Result<AllocatedPool> {
        let _turn = self.calls.acquire().await;
        self.driver.request_pool(&self.context(), request).await
    }

    async fn try_pool(&self, space: &str, pool: &str, sub_pool: &str) -> Result<AllocatedPool> {
        self.ask_pool(PoolRequest::parse(space, pool, sub_pool, false)?).await
    }

    /// A pool that must be given, and be the one that was asked for.
    pub(crate) async fn sub_pool(
        &self,
        space: &str,
        pool: &str,
        sub_pool: &str,
    ) -> Verdict<AllocatedPool> {
        let call = format!("RequestPool {space} {pool:?} {sub_pool:?}");
        let given = self.try_pool(space, pool, sub_pool).await;
        let given = given.map_err(|error| refused(&call, &error))?;
        if let Some(asked) = crate::parse_prefix(pool).filter(|pool| !is_automatic(pool)) {
            ensure(given.pool == asked, || format!("{call}: was given {}", given.pool))?;
        }
        Ok(given)
    }

    pub(crate) async fn pool(&self, space: &str, pool: &str) -> Verdict<AllocatedPool> {
        self.sub_pool(space, pool, "").await
    }

    pub(crate) async fn automatic(&self, space: &str, family: Family) -> Verdict<AllocatedPool> {
        let v6 = family == Family::V6;
        let asked = PoolRequest::parse(space, "", "", v6);
        let asked = asked.map_err(|error| refused("RequestPool", &error))?;
        let given = self.ask_pool(asked).await;
        given.map_err(|error| refused(&format!("RequestPool {space} automatic {family:?}"), &error))
    }

    /// A pool that must be refused: with this error, or with any.
    pub(crate) async fn no_sub_pool(
        &self,
        space: &str,
        pool: &str,
        sub_pool: &str,
        kind: impl Into<Option<ErrorKind>>,
    ) -> Verdict {
        let call = format!("RequestPool {space} {pool:?} {sub_pool:?}");
        let answer = self.try_pool(space, pool, sub_pool).await;
        must_fail(&call, answer.map(|given| given.pool.to_string()), kind.into())
    }

    pub(crate) async fn no_pool(
        &self,
        space: &str,
        pool: &str,
        kind: impl Into<Option<ErrorKind>>,
    ) -> Verdict {
        self.no_sub_pool(space, pool, "", kind).await
    }

    pub(crate) async fn try_release_pool(&self, id: &PoolId) -> Result<()> {
        let _turn = self.calls.acquire().await;
        self.driver.release_pool(&self.context(), id.clone()).await
    }

    pub(crate) async fn release_pool(&self, id: &PoolId) -> Verdict {
        let released = self.try_release_pool(id).await;
        released.map_err(|error| refused(&format!("ReleasePool {id}"), &error))
    }

    // Addresses.

    pub(crate) async fn ask_address(
        &self,
        id: &PoolId,
        address: Option<IpAddr>,
        options: Options,
    ) -> Result<IpNet> {
        let _turn = self.calls.acquire().await;
        let request = AddressRequest { pool_id: id.clone(), address, options };
        let given = self.driver.request_address(&self.context(), request).await?;
        Ok(given.address)
    }

    /// Any address.
    pub(crate) async fn address(&self, pool: &AllocatedPool) -> Verdict<IpAddr> {
        self.given(pool, None, Options::new()).await
    }

    /// Any address, in serial order.
    pub(crate) async fn serial(&self, pool: &AllocatedPool) -> Verdict<IpAddr> {
        self.given(pool, None, serial()).await
    }

    /// This address.
    pub(crate) async fn exact(&self, pool: &AllocatedPool, address: &str) -> Verdict<IpAddr> {
        self.given(pool, Some(parse(address)), Options::new()).await
    }

    /// The gateway, as Swarm and engines ask for it.
    pub(crate) async fn gateway(
        &self,
        pool: &AllocatedPool,
        address: Option<IpAddr>,
    ) -> Verdict<IpAddr> {
        self.given(pool, address, Options::new().with(REQUEST_ADDRESS_TYPE, GATEWAY)).await
    }

    /// An address that must be given: this one, if one was named, with the length of its pool.
    pub(crate) async fn given(
        &self,
        pool: &AllocatedPool,
        address: Option<IpAddr>,
        options: Options,
    ) -> Verdict<IpAddr> {
        let wanted = address.map_or_else(|| "any".to_owned(), |address| address.to_string());
        let call = format!("RequestAddress {} {wanted}", pool.id);
        let given = self.ask_address(&pool.id, address, options).await;
        let given = given.map_err(|error| refused(&call, &error))?;
        ensure(given.prefix_len() == pool.pool.prefix_len(), || {
            format!("{call}: {given} does not have the length of its pool {}", pool.pool)
        })?;
        ensure(pool.pool.contains(&given.addr()), || {
            format!("{call}: {given} is not in its pool {}", pool.pool)
        })?;
        ensure(address.is_none_or(|address| address == given.addr()), || {
            format!("{call}: was given {given}")
        })?;
        Ok(given.addr())
    }

    /// An address that must be refused with this error; any address if none is named.
    pub(crate) async fn no_address(
        &self,
        pool: &AllocatedPool,
        address: Option<&str>,
        kind: impl Into<Option<ErrorKind>>,
    ) -> Verdict {
        let call = format!("RequestAddress {} {}", pool.id, address.unwrap_or("any"));
        let answer = self.ask_address(&pool.id, address.map(parse), Options::new()).await;
        must_fail(&call, answer.map(|given| given.to_string()), kind.into())
    }

    pub(crate) async fn try_release(&self, id: &PoolId, address: IpAddr) -> Result<()> {
        let _turn = self.calls.acquire().await;
        let release = AddressRelease { pool_id: id.clone(), address };
        self.driver.release_address(&self.context(), release).await
    }

    pub(crate) async fn release(&self, pool: &AllocatedPool, address: IpAddr) -> Verdict {
        let released = self.try_release(&pool.id, address).await;
        released.map_err(|error| refused(&format!("ReleaseAddress {} {address}", pool.id), &error))
    }

    /// Takes all addresses that there are, in the order in which they are given.
    pub(crate) async fn drain(
        &self,
        pool: &AllocatedPool,
        options: &Options,
        at_most: usize,
    ) -> Verdict<Vec<IpAddr>> {
        let mut taken = Vec::new();
        loop {
            match self.ask_address(&pool.id, None, options.clone()).await {
                Ok(given) => taken.push(given.addr()),
                Err(error) if error.kind() == ErrorKind::NoAvailableAddresses => return Ok(taken),
                Err(error) => {
                    return Err(refused(&format!("RequestAddress {} any", pool.id), &error));
                }
            }
            ensure(taken.len() <= at_most, || {
                format!("{} gives more than the {at_most} addresses it has", pool.id)
            })?;
        }
    }
}

/// The option that asks for serial order.
pub(crate) fn serial() -> Options {
    Options::new().with(SERIAL, "true")
}

/// Reads an address that the suite itself wrote.
pub(crate) fn parse(address: &str) -> IpAddr {
    address.parse().expect("the suite writes addresses right")
}

fn is_automatic(pool: &IpNet) -> bool {
    pool.addr().is_unspecified()
}

fn refused(call: &str, error: &crate::IpamError) -> Stop {
    Stop::failed(format!("{call} was refused: {error}"))
}

fn must_fail(call: &str, answer: Result<String>, kind: Option<ErrorKind>) -> Verdict {
    match (answer, kind) {
        (Ok(given), _) => Err(Stop::failed(format!("{call} must be refused, but gave {given}"))),
        (Err(error), Some(kind)) => ensure(error.kind() == kind, || {
            format!("{call} must be refused with {:?}, not {error:?}", kind.text())
        }),
        (Err(_), None) => Ok(()),
    }
}
