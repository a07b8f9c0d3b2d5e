//! Hosts that do anything in a random order, on a right allocator: a Swarm's space with its managers, a
//! shared space, and a host's own. Every step takes effect at a moment of its own; when it was asked
//! for and answered is random around it.

use std::net::IpAddr;

use berth_allocator::{
    AddressKind, AddressState, Answer, Batch, ClaimId, ClientName, Command, Envelope, Incarnation,
    Labels, Millis, OpenSession, Order, PoolId, Prefix, Register, ReleaseAddress, ReleasePool,
    RequestAddress, RequestPool, Response, Sequence, SessionId, Sharing, SpaceName, SpaceSettings,
    State, Text, Timestamp, WantedPool,
};
use berth_checkers::{Action, History, Listed, Listing, Operation, Outcome, Scope};

const HOSTS: usize = 3;
const SPACES: [&str; 3] = ["Global", "Shared", "Local"];
/// Nanoseconds between two effects, and in a unit of a step's times.
const BEAT: u64 = 1_000;
const UNIT: u64 = 20;

/// What a host does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    host: usize,
    space: usize,
    what: u8,
    /// Which pool or address, of those that it may name.
    which: usize,
    /// How long before its effect it was asked for, and how long after it was answered.
    early: u64,
    late: u64,
    fate: u8,
}

impl From<[u8; 7]> for Step {
    fn from([host, space, what, which, early, late, fate]: [u8; 7]) -> Self {
        Self {
            host: usize::from(host) % HOSTS,
            space: usize::from(space) % SPACES.len(),
            what: what % 16,
            which: usize::from(which),
            early: u64::from(early) * UNIT,
            late: u64::from(late) * UNIT,
            fate,
        }
    }
}

/// A claim that somebody was told of.
#[derive(Clone)]
struct Told {
    at: usize,
    host: usize,
    space: usize,
    session: SessionId,
    pool: PoolId,
    address: Option<IpAddr>,
    claim: ClaimId,
    returned: u64,
}

impl Told {
    /// Whether its engine knows both by the same name.
    fn is_same(&self, other: &Self) -> bool {
        (self.host, &self.pool, self.address) == (other.host, &other.pool, other.address)
            && self.session == other.session
    }
}

#[derive(Default)]
struct World {
    /// The cluster's state, and that of the only host with a local space.
    states: [State; 2],
    sequence: u64,
    sessions: [[SessionId; SPACES.len()]; HOSTS],
    told: Vec<Told>,
    operations: Vec<Operation>,
}

/// What happened, step by step, and what was there in the end; and which operations were given an
/// address that nobody touched any more, and that is there.
pub(crate) fn history(steps: &[Step]) -> (History, Vec<usize>) {
    let mut world = World::default();
    world.begin();
    for (step, at) in steps.iter().zip(1..) {
        world.step(*step, at * BEAT);
    }
    let last = world.last();
    let kept = world.kept(&last);
    (History { operations: world.operations, last: Some(last) }, kept)
}

fn name(space: usize) -> SpaceName {
    SPACES[space].parse().unwrap()
}

fn host_name(host: usize) -> String {
    format!("h{host}")
}

impl World {
    fn begin(&mut self) {
        for state in 0..self.states.len() {
            for host in 0..HOSTS {
                let address = Text::new("here").unwrap();
                let register = Register { instance: 1, address, lease: Millis::new(0) };
                self.send(state, host, Command::Register(register));
            }
        }
        for (space, sharing) in
            [Sharing::Exclusive, Sharing::Shared, Sharing::Local].iter().enumerate()
        {
            let settings = SpaceSettings { sharing: *sharing, ..SpaceSettings::exclusive(None) };
            self.send(state_of(space), 0, Command::CreateSpace { name: name(space), settings });
            (0..HOSTS).for_each(|host| self.open(host, space));
        }
    }

    fn send(&mut self, state: usize, host: usize, command: Command) -> Answer {
        self.sequence += 1;
        let registers = matches!(command, Command::Register(_));
        let sequence = Sequence::new(self.sequence);
        let envelope = Envelope {
            client: ClientName::new(host_name(host)).unwrap(),
            // Hosts registered in this order, each with the next revision.
            incarnation: Incarnation::new(if registers { 0 } else { host as u64 + 1 }),
            sequence,
            heard: sequence,
            command,
        };
        let batch = Batch { at: Timestamp::new(self.sequence * 1_000), commands: vec![envelope] };
        self.states[state].apply(&batch).remove(0)
    }

    fn open(&mut self, host: usize, space: usize) {
        let state = state_of(space);
        let client = ClientName::new(host_name(host)).unwrap();
        let known = self.states[state].latest_session(&name(space), &client);
        let open = OpenSession { space: name(space), known };
        match self.send(state, host, Command::OpenSession(open)).outcome {
            Ok(Response::SessionOpened(id)) => self.sessions[host][space] = id,
            other => panic!("{other:?}"),
        }
    }

    fn step(&mut self, step: Step, at: u64) {
        match step.what {
            0 => self.open(host_of(step), step.space),
            1..=3 => self.request_pool(step, at),
            4 => self.release(step, at, false),
            5..=8 => self.release(step, at, true),
            9 => self.list(step, at),
            _ => self.request_address(step, at),
        }
    }

    fn request_pool(&mut self, step: Step, at: u64) {
        let (host, space) = (host_of(step), step.space);
        let session = self.sessions[host][space];
        let prefix: Prefix = ["10.0.0.0/28", "10.0.1.0/29"][step.which % 2].parse().unwrap();
        let sub_pool = (step.which % 5 == 4).then(|| Prefix::of(prefix.network(), 30).unwrap());
        let wanted = WantedPool::Exact { prefix, sub_pool };
        let labels = Labels::default();
        let command = RequestPool { space: name(space), session, wanted, labels };
        let action = Action::RequestPool { space: name(space), prefix: Some(prefix), sub_pool };
        self.operate(step, at, 0, host, session, Command::RequestPool(command), action);
    }

    /// A claim of this kind that was told of before, if there is one.
    fn known(&self, step: Step, at: u64, address: bool) -> Option<Told> {
        let known: Vec<&Told> = self
            .told
            .iter()
            .filter(|told| told.space == step.space && told.returned < at)
            .filter(|told| told.address.is_some() == address)
            .collect();
        known.get(step.which % known.len().max(1)).map(|told| (*told).clone())
    }

    fn request_address(&mut self, step: Step, at: u64) {
        let Some(of) = self.known(step, at, false) else { return };
        let pool = of.pool.clone();
        // In a space of hosts, an engine uses a pool only after it has heard of its own claim on it.
        if pool.epoch.is_none() && self.epoch(&of) != Some(of.session) {
            return;
        }
        let gateway = step.what == 15;
        let wanted = (step.what >= 13).then(|| pool.prefix.address(step.which as u128 / 4 % 6 + 1));
        let kind = if gateway { AddressKind::Gateway } else { AddressKind::Endpoint };
        let command = RequestAddress {
            pool: pool.clone(),
            address: wanted,
            kind,
            order: Order::First,
            key: None,
            owner: None,
            unverified: true,
        };
        let action = Action::RequestAddress { pool, address: wanted, kind };
        let command = Command::RequestAddress(command);
        self.operate(step, at, of.returned, of.host, of.session, command, action);
    }

    /// The session in which a host claimed a pool last.
    fn epoch(&self, of: &Told) -> Option<SessionId> {
        let view = self.states[state_of(of.space)].pool(&of.pool).ok()?;
        let own = |client: &ClientName| client.as_str() == host_name(of.host);
        view.holders.iter().find(|holder| own(&holder.client)).map(|holder| holder.epoch)
    }

    fn release(&mut self, step: Step, at: u64, address: bool) {
        let Some(of) = self.known(step, at, address) else { return };
        let Told { pool, claim, .. } = of.clone();
        let (command, action) = match of.address {
            Some(address) => (
                Command::ReleaseAddress(ReleaseAddress {
                    pool: pool.clone(),
                    address,
                    claim,
                    verify: false,
                }),
                Action::ReleaseAddress { pool, address },
            ),
            None => (
                Command::ReleasePool(ReleasePool { pool: pool.clone(), claim, verify: false }),
                Action::ReleasePool { pool },
            ),
        };
        // An engine forgets what it releases.
        self.told.retain(|told| {
            let same_pool = (told.host, &told.pool) == (of.host, &of.pool);
            !(same_pool && (of.address.is_none() || told.address == of.address))
        });
        self.operate(step, at, of.returned, of.host, of.session, command, action);
    }

    fn list(&mut self, step: Step, at: u64) {
        let Some(of) = self.known(step, at, false) else { return };
        let pool = PoolId { epoch: None, ..of.pool };
        let state = &self.states[state_of(step.space)];
        let outcome = match state.addresses(&pool) {
            Ok(_) => Outcome::Listed(listed(state, &pool, false)),
            Err(rejection) => Outcome::Refused { code: rejection.code().to_owned() },
        };
        let revision = state.revision().get();
        let session = self.sessions[of.host][step.space];
        self.note(step, at, of.returned, of.host, session, Action::List { pool }, outcome);
        let read = self.operations.last_mut().unwrap();
        (read.revision, read.index) = (Some(revision), Some(at));
    }

    /// Carries a command out, and notes what its client was told, if anything.
    #[allow(clippy::too_many_arguments, reason = "all that an operation is")]
    fn operate(
        &mut self,
        step: Step,
        at: u64,
        not_before: u64,
        host: usize,
        session: SessionId,
        command: Command,
        action: Action,
    ) {
        if (40..60).contains(&step.fate) {
            self.note(step, at, not_before, host, session, action, Outcome::Unknown);
            return;
        }
        let Answer { revision, outcome } = self.send(state_of(step.space), host, command);
        if step.fate < 40 {
            self.note(step, at, not_before, host, session, action, Outcome::Unknown);
            return;
        }
        let told = |pool: PoolId, address, claim| Told {
            at: self.operations.len(),
            host,
            space: step.space,
            session,
            pool,
            address,
            claim,
            returned: at + step.late,
        };
        let (outcome, told) = match outcome {
            Ok(Response::Pool(grant)) => {
                let claim = Some(grant.claim);
                let outcome = Outcome::Pool { pool: grant.pool.clone(), claim };
                (outcome, Some(told(grant.pool, None, grant.claim)))
            }
            Ok(Response::Address(grant)) => {
                let Action::RequestAddress { pool, .. } = &action else { unreachable!() };
                let claim = Some(grant.claim);
                let outcome = Outcome::Address { address: grant.address, claim };
                (outcome, Some(told(pool.clone(), Some(grant.address), grant.claim)))
            }
            Ok(_) => (Outcome::Done, None),
            Err(rejection) => (Outcome::Refused { code: rejection.code().to_owned() }, None),
        };
        if let Some(told) = told {
            self.told.retain(|known| !known.is_same(&told));
            self.told.push(told);
        }
        self.note(step, at, not_before, host, session, action, outcome);
        let operation = self.operations.last_mut().unwrap();
        (operation.revision, operation.index) = (Some(revision.get()), Some(at));
    }

    #[allow(clippy::too_many_arguments, reason = "all that an operation is")]
    fn note(
        &mut self,
        step: Step,
        at: u64,
        not_before: u64,
        host: usize,
        session: SessionId,
        action: Action,
        outcome: Outcome,
    ) {
        self.operations.push(Operation {
            client: u32::try_from(self.operations.len()).unwrap(),
            host: host_name(host),
            scope: scope_of(step.space),
            session,
            // A client names only what it was told of before.
            invoked: at.saturating_sub(step.early).max(not_before + 1),
            returned: Some(at + step.late),
            action,
            outcome,
            request: None,
            revision: None,
            index: None,
        });
    }

    fn last(&self) -> Vec<Listing> {
        let listings = (0..SPACES.len()).flat_map(|space| {
            let state = &self.states[state_of(space)];
            let pools = state.pools(&name(space)).unwrap();
            pools.into_iter().map(move |view| Listing {
                scope: scope_of(space),
                host: host_name(0),
                addresses: listed(state, &view.id, true),
                pool: view.id,
            })
        });
        listings.collect()
    }

    fn kept(&self, last: &[Listing]) -> Vec<usize> {
        let released = |told: &Told| {
            self.operations.iter().any(|operation| match &operation.action {
                Action::ReleaseAddress { pool, address } => {
                    Some(*address) == told.address && pool.prefix == told.pool.prefix
                }
                Action::ReleasePool { pool } => pool.prefix == told.pool.prefix,
                _ => false,
            })
        };
        let there = |told: &Told| {
            last.iter().any(|listing| {
                listing.scope == scope_of(told.space)
                    && listing.pool.space == told.pool.space
                    && listing.addresses.iter().any(|listed| listed.claim == Some(told.claim))
            })
        };
        // On a host's own pools, those of earlier sessions may have given way.
        let current =
            |told: &&Told| told.space != 2 || told.session == self.sessions[told.host][told.space];
        let told = self.told.iter().filter(|told| told.address.is_some()).filter(current);
        told.filter(|told| there(told) && !released(told)).map(|told| told.at).collect()
    }
}

/// The claimed addresses of a pool; of all pools over its prefix, unless of this one only.
fn listed(state: &State, pool: &PoolId, only: bool) -> Vec<Listed> {
    let claimed = |state: &AddressState| {
        matches!(state, AddressState::Held | AddressState::Stale | AddressState::Suspect)
    };
    let views = state.addresses(pool).unwrap().into_iter();
    let own = views.filter(|view| !only || view.pool.sub_pool == pool.sub_pool);
    own.filter(|view| claimed(&view.state))
        .map(|view| {
            let claim = view.claim.unwrap();
            Listed { address: view.address, session: Some(claim.epoch), claim: Some(claim.id) }
        })
        .collect()
}

/// Which state a space is in.
fn state_of(space: usize) -> usize {
    usize::from(space == 2)
}

fn scope_of(space: usize) -> Scope {
    if state_of(space) == 0 { Scope::Global } else { Scope::Local }
}

/// One host alone has a space of its own.
fn host_of(step: Step) -> usize {
    if state_of(step.space) == 0 { step.host } else { 0 }
}
