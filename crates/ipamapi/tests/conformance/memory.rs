//! A driver in memory, as simple as the contract allows: every question is answered by looking at
//! everything. With a [`Flaw`] it is wrong in one way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use ipamapi::ErrorKind::{
    AddressInUse, AddressOutOfRange, NoAvailableAddresses, NoMoreSubnets, PoolOverlap, UnknownPool,
};
use ipamapi::conformance::{Setup, Subject, Usage};
use ipamapi::ipnet::IpNet;
use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Capability,
    ErrorKind, Family, Ipam, IpamError, PoolId, PoolRequest, PoolSpec, RequestContext, Result,
    Undelivered, async_trait,
};

const LOCAL: &str = "LocalDefault";
const GLOBAL: &str = "GlobalDefault";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    ForgetsOverlap,
    GivesReserved,
    GivesTwice,
    RepeatsAutomatic,
    IgnoresSerial,
    IgnoresUndelivered,
    RefusesReplay,
    HeedsLateReleases,
    RefusesFreeReleases,
    KeepsAddressesOfReleasedPools,
    /// Does not note down what it gave, if it ends with 99.
    ForgetsSome,
    /// Decides, and acts on it later.
    Races,
}

pub(crate) struct MemoryIpam {
    state: Mutex<State>,
    local_ranges: Vec<(IpNet, u8)>,
    flaw: Option<Flaw>,
}

#[derive(Default)]
struct State {
    /// Every address space and prefix of which a pool or sub-pool is claimed.
    pools: BTreeMap<(String, IpNet), Pool>,
    /// Counts the handshakes.
    global_session: u64,
    /// Counts the processes that shook hands.
    local_session: u64,
    process: Option<u32>,
    /// For each range and size: below this there is no free pool.
    full_below: BTreeMap<(IpNet, u8), u128>,
}

#[derive(Default)]
struct Pool {
    /// The claims: of the pool (`None`) and of its sub-pools, each with its session.
    claims: BTreeMap<Option<IpNet>, u64>,
    held: BTreeMap<IpAddr, u64>,
    last: Option<u128>,
    /// For each range: below this there is no free address.
    full_below: BTreeMap<IpNet, u128>,
}

/// What a pool id says: `SPACE[~SESSION]/POOL[/SUBPOOL]`.
struct Name {
    key: (String, IpNet),
    sub_pool: Option<IpNet>,
    session: Option<u64>,
}

impl Name {
    fn parse(id: &PoolId) -> Result<Self> {
        let malformed = || IpamError::bad_request(format!("invalid pool id: {id}"));
        let parts: Vec<&str> = id.as_str().split('/').collect();
        let prefix = |address: &str, length: &str| {
            ipamapi::parse_prefix(&format!("{address}/{length}")).ok_or_else(malformed)
        };
        let (space, pool, sub_pool) = match parts[..] {
            [space, address, length] => (space, prefix(address, length)?, None),
            [space, address, length, sub_address, sub_length] => {
                (space, prefix(address, length)?, Some(prefix(sub_address, sub_length)?))
            }
            _ => return Err(malformed()),
        };
        let (space, session) = match space.split_once('~') {
            Some((space, session)) => (space, Some(session.parse().map_err(|_| malformed())?)),
            None => (space, None),
        };
        Ok(Self { key: (space.to_owned(), pool), sub_pool, session })
    }

    fn id(&self) -> PoolId {
        let (space, pool) = &self.key;
        let session = self.session.map(|session| format!("~{session}")).unwrap_or_default();
        let sub_pool = self.sub_pool.map(|sub_pool| format!("/{sub_pool}")).unwrap_or_default();
        PoolId::new(format!("{space}{session}/{pool}{sub_pool}")).unwrap()
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(number: u128, family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(u32::try_from(number).unwrap().into()),
        Family::V6 => IpAddr::V6(number.into()),
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Network and broadcast addresses; v6 has no broadcast.
fn is_reserved(pool: &IpNet, address: IpAddr) -> bool {
    match pool {
        IpNet::V4(v4) if v4.prefix_len() > 30 => false,
        IpNet::V4(_) => address == pool.network() || address == pool.broadcast(),
        IpNet::V6(_) => address == pool.network(),
    }
}

impl State {
    fn session(&self, space: &str) -> u64 {
        if space == LOCAL { self.local_session } else { self.global_session }
    }

    /// The pool of a name that is claimed; nothing else can be asked about.
    fn claimed(&mut self, name: &Name) -> Result<&mut Pool> {
        let pool = self.pools.get_mut(&name.key).ok_or(UnknownPool)?;
        if pool.claims.contains_key(&name.sub_pool) { Ok(pool) } else { Err(UnknownPool.into()) }
    }

    fn is_free(&self, space: &str, prefix: &IpNet) -> bool {
        let key = |address, length| (space.to_owned(), IpNet::new(address, length).unwrap());
        let longest = Family::of(prefix).bits();
        let inside = key(prefix.network(), 0)..=key(prefix.broadcast(), longest);
        let around = |length| key(prefix.network(), length).1.trunc();
        self.pools.range(inside).next().is_none()
            && (0..prefix.prefix_len())
                .all(|length| !self.pools.contains_key(&(space.to_owned(), around(length))))
    }
}

impl MemoryIpam {
    pub(crate) fn subject(setup: Setup, flaw: Option<Flaw>) -> Subject {
        let mut local_ranges = setup.ranges;
        if local_ranges.is_empty() {
            local_ranges = vec![range("172.17.0.0/16", 16), range("192.168.0.0/16", 20)];
        }
        local_ranges.push(range("fd00:7::/48", 64));
        let ipam = Arc::new(Self { state: Mutex::default(), local_ranges, flaw });
        Subject::new(ipam.clone()).with_usage(ipam)
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn claim(&self, state: &mut State, mut name: Name, exact: bool) -> Result<AllocatedPool> {
        let (space, prefix) = name.key.clone();
        let session = state.session(&space);
        let replay = !self.has(Flaw::RefusesReplay);
        let lenient = self.has(Flaw::ForgetsOverlap) || !exact;
        let free = state.is_free(&space, &prefix);
        let present = state.pools.get(&name.key).and_then(|pool| pool.claims.get(&name.sub_pool));
        let granted = match present {
            Some(claimed) => *claimed < session && replay,
            None => free || name.sub_pool.is_some(),
        };
        if !granted && !lenient {
            return Err(PoolOverlap.into());
        }
        let pool = state.pools.entry(name.key.clone()).or_default();
        pool.claims.insert(name.sub_pool, session);
        name.session = (space == GLOBAL).then_some(session);
        Ok(AllocatedPool::new(name.id(), prefix))
    }

    /// The lowest free prefix of the ranges.
    fn choose(&self, state: &mut State, request: &PoolRequest) -> Result<IpNet> {
        let (family, wanted) = match request.pool {
            PoolSpec::Automatic { family, prefix_len } => (family, prefix_len),
            PoolSpec::Exact { prefix, .. } => return Ok(prefix),
        };
        let global = [range("10.0.0.0/8", 24)];
        let ranges = if request.space == LOCAL { &self.local_ranges[..] } else { &global };
        let excluded = |prefix: &IpNet| request.exclude.iter().any(|other| overlap(other, prefix));
        let mut none = ErrorKind::InvalidPool;
        for (base, size) in ranges.iter().filter(|(base, _)| Family::of(base) == family) {
            let size = wanted.unwrap_or(*size);
            if size < base.prefix_len() {
                continue;
            }
            none = NoMoreSubnets;
            let step = 1_u128 << (family.bits() - size);
            let (first, last) = (number(base.network()), number(base.broadcast()));
            let full_below = state.full_below.get(&(*base, size)).copied().unwrap_or(first);
            let mut start = full_below;
            while start <= last {
                let candidate = IpNet::new(address(start, family), size).unwrap();
                let free = state.is_free(&request.space, &candidate) && !excluded(&candidate);
                if free || self.has(Flaw::RepeatsAutomatic) {
                    if request.exclude.is_empty() {
                        state.full_below.insert((*base, size), start);
                    }
                    return Ok(candidate);
                }
                start += step;
            }
        }
        Err(none.into())
    }

    fn choose_address(&self, pool: &mut Pool, name: &Name, is_serial: bool) -> Result<IpAddr> {
        let prefix = name.key.1;
        let family = Family::of(&prefix);
        let range = name.sub_pool.unwrap_or(prefix);
        let (first, last) = (number(range.network()), number(range.broadcast()));
        let full_below = pool.full_below.get(&range).copied().unwrap_or(first);
        let after = pool.last.filter(|_| is_serial && !self.has(Flaw::IgnoresSerial));
        let start = after.map_or(full_below, |after| (after + 1).clamp(first, last));
        let is_free = |number: &u128| {
            let address = address(*number, family);
            let reserved = is_reserved(&prefix, address) && !self.has(Flaw::GivesReserved);
            !reserved && !pool.held.contains_key(&address)
        };
        let chosen = (start..=last).chain(first..start).find(is_free);
        let chosen = chosen.ok_or_else(|| IpamError::from(NoAvailableAddresses))?;
        if after.is_none() {
            pool.full_below.insert(range, chosen);
        }
        Ok(address(chosen, family))
    }

    fn check_wanted(&self, pool: &Pool, name: &Name, wanted: IpAddr) -> Result<()> {
        if !name.key.1.contains(&wanted) {
            return Err(AddressOutOfRange.into());
        }
        if is_reserved(&name.key.1, wanted) {
            return Err(AddressInUse.because("it is reserved"));
        }
        let stale = |held: &u64| Some(held) < pool.claims.get(&name.sub_pool);
        let taken = pool.held.get(&wanted).is_some_and(|held| !stale(held));
        if taken && !self.has(Flaw::GivesTwice) { Err(AddressInUse.into()) } else { Ok(()) }
    }
}

fn range(base: &str, size: u8) -> (IpNet, u8) {
    (base.parse().unwrap(), size)
}

#[async_trait]
impl Ipam for MemoryIpam {
    async fn capability(&self, context: &RequestContext) -> Result<Capability> {
        let mut state = self.state();
        state.global_session += 1;
        let process = context.peer().and_then(|peer| peer.pid);
        if process != state.process {
            state.local_session += 1;
            state.process = process;
        }
        Ok(Capability { requires_mac_address: false, requires_request_replay: true })
    }

    async fn default_address_spaces(&self, _: &RequestContext) -> Result<AddressSpaces> {
        Ok(AddressSpaces::new(LOCAL, GLOBAL))
    }

    async fn request_pool(
        &self,
        _: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool> {
        let named = |prefix, sub_pool| {
            let key = (request.space.clone(), prefix);
            Name { key, sub_pool, session: None }
        };
        if let PoolSpec::Exact { prefix, sub_pool } = request.pool {
            return self.claim(&mut self.state(), named(prefix, sub_pool), true);
        }
        if self.has(Flaw::Races) {
            let chosen = self.choose(&mut self.state(), &request)?;
            tokio::task::yield_now().await;
            return self.claim(&mut self.state(), named(chosen, None), false);
        }
        let mut state = self.state();
        let chosen = self.choose(&mut state, &request)?;
        self.claim(&mut state, named(chosen, None), false)
    }

    async fn release_pool(&self, _: &RequestContext, pool_id: PoolId) -> Result<()> {
        let name = Name::parse(&pool_id)?;
        let mut state = self.state();
        let pool = state.claimed(&name)?;
        if name.session
            < pool.claims.get(&name.sub_pool).copied().filter(|_| name.session.is_some())
        {
            return Ok(()); // Claimed anew since.
        }
        pool.claims.remove(&name.sub_pool);
        if pool.claims.is_empty() && !self.has(Flaw::KeepsAddressesOfReleasedPools) {
            state.pools.remove(&name.key);
            state.full_below.clear();
        }
        Ok(())
    }

    async fn request_address(
        &self,
        _: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress> {
        let name = Name::parse(&request.pool_id)?;
        let given = {
            let mut state = self.state();
            let session = state.session(&name.key.0);
            let pool = state.claimed(&name)?;
            let given = match request.address {
                Some(wanted) => self.check_wanted(pool, &name, wanted).map(|()| wanted)?,
                None => self.choose_address(pool, &name, request.options.is_serial())?,
            };
            if request.address.is_none() {
                pool.last = Some(number(given));
            }
            let forgotten = self.has(Flaw::ForgetsSome) && number(given) & 0xff == 99;
            if !forgotten && !self.has(Flaw::Races) {
                pool.held.insert(given, session);
            }
            given
        };
        if self.has(Flaw::Races) {
            tokio::task::yield_now().await;
            let mut state = self.state();
            let session = state.session(&name.key.0);
            state.claimed(&name)?.held.insert(given, session);
        }
        let given = IpNet::new(given, name.key.1.prefix_len()).unwrap();
        Ok(AllocatedAddress::new(given))
    }

    async fn release_address(&self, _: &RequestContext, release: AddressRelease) -> Result<()> {
        let name = Name::parse(&release.pool_id)?;
        let mut state = self.state();
        let pool = state.claimed(&name)?;
        if !name.key.1.contains(&release.address) {
            return Err(AddressOutOfRange.into());
        }
        let held = pool.held.get(&release.address).copied();
        let late = name.session.is_some() && name.session < held;
        match held {
            Some(_) if late && !self.has(Flaw::HeedsLateReleases) => {}
            Some(_) => {
                pool.held.remove(&release.address);
                pool.full_below.clear();
            }
            None if self.has(Flaw::RefusesFreeReleases) => {
                return Err(IpamError::bad_request("nobody holds the address"));
            }
            None => {}
        }
        Ok(())
    }

    async fn undelivered(&self, context: &RequestContext, answer: Undelivered) {
        if self.has(Flaw::IgnoresUndelivered) {
            return;
        }
        let undone = match answer {
            Undelivered::Pool { request, given } if request.pool.is_automatic() => {
                self.release_pool(context, given.id).await
            }
            Undelivered::Address { request, given } if request.address.is_none() => {
                let (pool_id, address) = (request.pool_id, given.address.addr());
                self.release_address(context, AddressRelease { pool_id, address }).await
            }
            _ => Ok(()),
        };
        undone.expect("what was just given can be released");
    }
}

#[async_trait]
impl Usage for MemoryIpam {
    async fn addresses_in_use(&self, pool_id: &PoolId) -> u128 {
        let name = Name::parse(pool_id).unwrap();
        let prefix = name.key.1;
        let range = name.sub_pool.unwrap_or(prefix);
        let mut state = self.state();
        let held = &state.claimed(&name).unwrap().held;
        let in_use =
            |address: &IpAddr| held.contains_key(address) || is_reserved(&prefix, *address);
        let (first, last) = (number(range.network()), number(range.broadcast()));
        let all = (first..=last).map(|number| address(number, Family::of(&range)));
        all.filter(in_use).count() as u128
    }

    async fn claims(&self) -> u64 {
        let state = self.state();
        state.pools.values().map(|pool| (pool.claims.len() + pool.held.len()) as u64).sum()
    }
}
