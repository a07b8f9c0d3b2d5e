//! The steps of an import, whoever executes them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use berth_allocator::limits::BATCH_MAX;
use berth_allocator::{
    AddressGrant, ClaimId, ClientName, Command, Labels, OpenSession, Order, PoolGrant, PoolId,
    PoolRange, Rejection, ReleaseAddress, RequestAddress, RequestPool, Reservation, Reserve,
    Response, SessionId, SpaceName, SpaceSettings, SpaceView, Text, WantedPool,
};

use super::executor::strange;
use super::plan::{Host, Plan, PlannedAddress, PlannedPool, PlannedSpace};
use super::refused;
use crate::api::Problem;

/// Bytes of a batch, as far as texts make them: a log entry has 4 MiB at most.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Of a command without its texts.
const COMMAND_BYTES: usize = 512;
/// Why a closed space gives nothing.
const CLOSED: &str = "an import is under way, or was not finished";

/// What came of a command.
pub(super) type Outcome = Result<Response, Rejection>;

/// Where steps are executed.
pub(crate) trait Executor {
    /// Executes commands of one client, of the API's own without a name; gives an outcome for each.
    async fn execute(
        &mut self,
        client: Option<&ClientName>,
        commands: Vec<Command>,
    ) -> Result<Vec<Outcome>, Problem>;

    /// So many pools and addresses are claimed.
    fn has_claimed(&mut self, _done: u64) {}
}

/// A space that is there before the import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing was ever in it.
    Empty,
    /// An import has closed it, and was not finished: the latest sessions, and who opened them.
    Closed(Vec<(SessionId, ClientName)>),
    /// Something else.
    InUse,
}

impl Found {
    /// How a space is found.
    pub(crate) fn of(space: &SpaceView) -> Self {
        let SpaceView { pools, reservations, sessions, .. } = space;
        if *pools == 0 && reservations.is_empty() && sessions.is_empty() {
            return Self::Empty;
        }
        let closes = |reserved: &Reservation| {
            reserved.note.as_str() == CLOSED && ALL.contains(&(reserved.first, reserved.last))
        };
        if reservations.len() == ALL.len() && reservations.iter().all(closes) {
            let sessions = sessions.iter().map(|(id, host, _)| (*id, host.clone()));
            return Self::Closed(sessions.collect());
        }
        Self::InUse
    }
}

/// Claims all that a plan holds, the spaces of which are found like this, where they are there.
pub(crate) async fn carry_out<E: Executor>(
    plan: &Plan,
    found: &BTreeMap<SpaceName, Found>,
    executor: &mut E,
) -> Result<(), Problem> {
    let mut import = Import { plan, found, executor, done: 0 };
    import.close().await?;
    for space in &plan.spaces {
        import.fill(space).await?;
    }
    import.open().await
}

/// A command, and the line that asks for it.
struct Step {
    line: u64,
    command: Command,
}

impl Step {
    fn new(line: u64, command: Command) -> Self {
        Self { line, command }
    }

    /// About what it takes in a log entry.
    fn bytes(&self) -> usize {
        let labels = |labels: &Labels| -> usize {
            labels.iter().map(|(key, value)| key.as_str().len() + value.as_str().len() + 8).sum()
        };
        let texts = match &self.command {
            Command::RequestPool(request) => labels(&request.labels),
            Command::RequestAddress(request) => {
                request.owner.as_ref().map_or(0, |owner| labels(&owner.labels))
            }
            _ => 0,
        };
        COMMAND_BYTES + texts
    }
}

/// An import under way.
struct Import<'a, E> {
    plan: &'a Plan,
    found: &'a BTreeMap<SpaceName, Found>,
    executor: &'a mut E,
    done: u64,
}

impl<E: Executor> Import<'_, E> {
    /// Executes steps of one client in as few commands as may be. None may be refused.
    async fn run(
        &mut self,
        host: Option<Host>,
        steps: Vec<Step>,
    ) -> Result<Vec<Response>, Problem> {
        let client = host.map(|host| &self.plan.hosts[host]);
        let mut responses = Vec::with_capacity(steps.len());
        let mut steps = steps.into_iter().peekable();
        while steps.peek().is_some() {
            let (mut lines, mut commands, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some(step) = steps.next_if(|step| {
                commands.is_empty()
                    || (commands.len() < BATCH_MAX && bytes + step.bytes() <= BATCH_BYTES_MAX)
            }) {
                bytes += step.bytes();
                lines.push(step.line);
                commands.push(step.command);
            }
            let claims = |command: &&Command| {
                matches!(command, Command::RequestPool(_) | Command::RequestAddress(_))
            };
            let claimed = commands.iter().filter(claims).count() as u64;
            let outcomes = self.executor.execute(client, commands).await?;
            for (line, outcome) in lines.into_iter().zip(outcomes) {
                responses.push(outcome.map_err(|rejection| refused(line, rejection))?);
            }
            self.done += claimed;
            self.executor.has_claimed(self.done);
        }
        Ok(responses)
    }

    /// Makes the spaces that are not there, and lets none give anything that is not asked for by name.
    async fn close(&mut self) -> Result<(), Problem> {
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for space in &self.plan.spaces {
            let (name, settings) = (space.name.clone(), closed(&space.settings));
            let found = self.found.get(&space.name);
            if found.is_some() {
                let update = Command::UpdateSpace { name, settings };
                then.push(Step::new(space.line, update));
            } else {
                first.push(Step::new(space.line, Command::CreateSpace { name, settings }));
            }
            if !matches!(found, Some(Found::Closed(_))) {
                first.extend(lock(space));
            }
        }
        // Where another import has closed them meanwhile, nothing is changed.
        self.run(None, first).await?;
        self.run(None, then).await?;
        Ok(())
    }

    /// Gives all spaces their reservations and settings: at once, where it is one batch.
    async fn open(&mut self) -> Result<(), Problem> {
        let mut steps = Vec::new();
        for space in &self.plan.spaces {
            steps.extend(unlock(space));
            for (line, reserve) in &space.reservations {
                steps.push(Step::new(*line, Command::Reserve(reserve.clone())));
            }
            // With the ranges automatic pools begin, which keep clear of reservations.
            let (name, settings) = (space.name.clone(), space.settings.clone());
            steps.push(Step::new(space.line, Command::UpdateSpace { name, settings }));
        }
        self.run(None, steps).await?;
        Ok(())
    }

    async fn fill(&mut self, space: &PlannedSpace) -> Result<(), Problem> {
        let sessions = self.open_sessions(space).await?;
        let mut pools: Vec<Option<PoolId>> = vec![None; space.pools.len()];
        for (at, pool) in space.pools.iter().enumerate() {
            if pool.name.is_some() {
                pools[at] = Some(self.claim_named(space, pool, &sessions).await?);
            }
        }
        // Those with a sub-pool may overlap others that are there already, and not the other way round.
        for with_sub_pool in [false, true] {
            let mut steps: BTreeMap<Host, Vec<(usize, Step)>> = BTreeMap::new();
            for (at, pool) in space.pools.iter().enumerate() {
                if pool.sub_pool.is_some() != with_sub_pool {
                    continue;
                }
                // The first has claimed it by its name.
                for &host in pool.holders.iter().skip(usize::from(pool.name.is_some())) {
                    let (prefix, sub_pool) = (pool.prefix, pool.sub_pool);
                    let wanted = WantedPool::Exact { prefix, sub_pool };
                    let step = claim_pool(space, pool, sessions.of(host), wanted);
                    steps.entry(host).or_default().push((at, step));
                }
            }
            for (host, steps) in steps {
                let (places, steps): (Vec<usize>, Vec<Step>) = steps.into_iter().unzip();
                let responses = self.run(Some(host), steps).await?;
                for (at, response) in places.into_iter().zip(responses) {
                    pools[at] = Some(granted_pool(response)?.pool);
                }
            }
        }
        self.claim_addresses(space, &pools).await
    }

    async fn open_sessions(&mut self, space: &PlannedSpace) -> Result<Sessions, Problem> {
        let holders = space.pools.iter().flat_map(|pool| pool.holders.iter().copied());
        let mut hosts: BTreeSet<Host> = holders.clone().collect();
        if !space.is_shared() {
            hosts = holders.take(1).collect();
        }
        let mut sessions = Sessions::default();
        for host in hosts {
            let known = self.latest_session(space, host);
            let open = OpenSession { space: space.name.clone(), known };
            let open = Step::new(space.line, Command::OpenSession(open));
            for response in self.run(Some(host), vec![open]).await? {
                let Response::SessionOpened(session) = response else {
                    return Err(strange(&response));
                };
                if space.is_shared() {
                    sessions.own.insert(host, session);
                } else {
                    sessions.of_all = session;
                }
            }
        }
        Ok(sessions)
    }

    /// Of an import that was not finished.
    fn latest_session(&self, space: &PlannedSpace, host: Host) -> Option<SessionId> {
        let Some(Found::Closed(sessions)) = self.found.get(&space.name) else { return None };
        let own = |of: &ClientName| !space.is_shared() || *of == self.plan.hosts[host];
        sessions.iter().find(|(_, of)| own(of)).map(|(session, _)| *session)
    }

    /// A name goes with an automatic pool only: so it is the only one that there could be.
    async fn claim_named(
        &mut self,
        space: &PlannedSpace,
        pool: &PlannedPool,
        sessions: &Sessions,
    ) -> Result<PoolId, Problem> {
        let settings = |ranges| {
            let (name, settings) = (space.name.clone(), closed(&space.settings));
            let settings = SpaceSettings { ranges, apart: false, ..settings };
            Step::new(space.line, Command::UpdateSpace { name, settings })
        };
        let range = PoolRange { base: pool.prefix.into(), length: pool.prefix.length() };
        let wanted = WantedPool::Automatic {
            family: pool.prefix.family(),
            length: None,
            exclude: Vec::new(),
            name: pool.name.clone(),
        };
        let host = pool.holders[0];
        let mut steps: Vec<Step> = unlock(space).collect();
        steps.push(settings(vec![range]));
        let at = steps.len();
        steps.push(claim_pool(space, pool, sessions.of(host), wanted));
        steps.push(settings(Vec::new()));
        steps.extend(lock(space));
        let granted = granted_pool(self.run(Some(host), steps).await?.swap_remove(at))?;
        if (granted.pool.prefix, granted.pool.sub_pool) == (pool.prefix, pool.sub_pool) {
            Ok(granted.pool)
        } else {
            Err(refused(pool.line, "this name is another pool's"))
        }
    }

    async fn claim_addresses(
        &mut self,
        space: &PlannedSpace,
        pools: &[Option<PoolId>],
    ) -> Result<(), Problem> {
        for turn in [Turn::Cooling, Turn::Held, Turn::Gateway] {
            let mut of_hosts: BTreeMap<Host, Vec<(&PoolId, &PlannedAddress)>> = BTreeMap::new();
            for (pool, id) in space.pools.iter().zip(pools) {
                let id = id.as_ref().expect("a pool has a holder, and was claimed for it");
                for address in pool.addresses.iter().filter(|it| Turn::of(pool, it) == turn) {
                    of_hosts.entry(address.host).or_default().push((id, address));
                }
            }
            for (host, addresses) in of_hosts {
                let steps = addresses.iter().map(|(id, address)| claim_address(id, address));
                let claimed = self.run(Some(host), steps.collect()).await?;
                let mut releases = Vec::new();
                for ((id, address), response) in addresses.into_iter().zip(claimed) {
                    let Response::Address(AddressGrant { claim, .. }) = response else {
                        return Err(strange(&response));
                    };
                    releases.extend(release(id, address, claim));
                }
                self.run(Some(host), releases).await?;
            }
        }
        Ok(())
    }
}

/// Of several addresses that are, or were, a pool's gateway, the last one claimed is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Cooling,
    Held,
    Gateway,
}

impl Turn {
    fn of(pool: &PlannedPool, address: &PlannedAddress) -> Self {
        match address.cooling {
            Some(_) => Self::Cooling,
            None if pool.gateway == Some(address.address) => Self::Gateway,
            None => Self::Held,
        }
    }
}

/// The claimants' sessions in a space.
#[derive(Default)]
struct Sessions {
    /// In an exclusive space.
    of_all: SessionId,
    /// In a shared one.
    own: BTreeMap<Host, SessionId>,
}

impl Sessions {
    fn of(&self, host: Host) -> SessionId {
        self.own.get(&host).copied().unwrap_or(self.of_all)
    }
}

/// The settings of a space that gives no automatic pools.
fn closed(settings: &SpaceSettings) -> SpaceSettings {
    SpaceSettings { ranges: Vec::new(), ..settings.clone() }
}

/// All addresses of each family.
const ALL: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST)),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))),
];

/// Keeps all addresses of a space from requests for any, and from none that names one.
fn lock(space: &PlannedSpace) -> impl Iterator<Item = Step> {
    ALL.into_iter().map(|(first, last)| {
        let note = Text::new(CLOSED).expect("it is plain");
        let reserve = Reserve { space: space.name.clone(), first, last, note, common: true };
        Step::new(space.line, Command::Reserve(reserve))
    })
}

fn unlock(space: &PlannedSpace) -> impl Iterator<Item = Step> {
    ALL.into_iter().map(|(first, _)| {
        let space_name = space.name.clone();
        Step::new(space.line, Command::Unreserve { space: space_name, first })
    })
}

fn claim_pool(
    space: &PlannedSpace,
    pool: &PlannedPool,
    session: SessionId,
    wanted: WantedPool,
) -> Step {
    let (space, labels) = (space.name.clone(), pool.labels.clone());
    Step::new(pool.line, Command::RequestPool(RequestPool { space, session, wanted, labels }))
}

fn claim_address(pool: &PoolId, address: &PlannedAddress) -> Step {
    let request = RequestAddress {
        pool: pool.clone(),
        address: Some(address.address),
        kind: address.kind,
        order: Order::First,
        key: None,
        owner: address.owner.as_deref().cloned(),
        unverified: false,
    };
    Step::new(address.line, Command::RequestAddress(request))
}

/// What makes an address cool again.
fn release(pool: &PoolId, address: &PlannedAddress, claim: ClaimId) -> Option<Step> {
    let verify = address.cooling?.unverified;
    let (pool, line) = (pool.clone(), address.line);
    let release = ReleaseAddress { pool, address: address.address, claim, verify };
    Some(Step::new(line, Command::ReleaseAddress(release)))
}

fn granted_pool(response: Response) -> Result<PoolGrant, Problem> {
    match response {
        Response::Pool(grant) => Ok(*grant),
        other => Err(strange(&other)),
    }
}
