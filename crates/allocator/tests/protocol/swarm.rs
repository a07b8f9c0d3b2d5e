//! One Swarm in an exclusive space: two managers, of which one leads and the other may not have
//! noticed that it does not, a network with one pool, and tasks.

mod managers;
mod network;

use berth_allocator::{AddressState, ClaimId, PoolId, SessionId, SpaceSettings};
use serde::Serialize;
use stateright::{Model, Property};

use crate::berth::{Berth, Host, OFFSETS, Offset, offset, prefix, reserve_but, space};
use crate::canonical::{Moment, fingerprint};
use crate::rule::Rule;

pub(crate) const TASKS: usize = 2;

pub(crate) const ONE_ADDRESS: &str = "no two committed tasks have one address";
pub(crate) const KEPT: &str = "the address of a committed task is kept";
pub(crate) const POOL_KEPT: &str = "the pool of a committed network is kept";
pub(crate) const NOT_REFUSED: &str = "no replay of what is committed is refused";
pub(crate) const SOUND: &str = "the state is sound";
/// What must come about, lest the rest be true because nothing happens.
pub(crate) const RUNNING: &str = "all tasks are committed that have addresses";

/// What is explored, exhaustively.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swarm {
    /// How many handshakes there are: elections, restarts, plugins enabled again.
    pub(crate) handshakes: u8,
    /// How many tasks there are, [`TASKS`] at most.
    pub(crate) tasks: usize,
    /// How many addresses there are to be given, two at most.
    pub(crate) addresses: usize,
    /// How many requests may lie in the network at once, for however long.
    pub(crate) flight: usize,
    /// Whether managers do what real ones do wrong, fail half-way, release what they keep; and whether
    /// an operator forces what nobody uses.
    pub(crate) faults: bool,
    /// Whether the network, too, is removed, and its pool released.
    pub(crate) network: bool,
    /// Whether a backup is taken, and restored. What was committed since is not kept then, and what
    /// the restored state does not know is refused; but it is given to nobody else.
    pub(crate) backup: bool,
    /// The rule that is not there.
    pub(crate) without: Option<Rule>,
}

/// What a Swarm's managers agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Store {
    pub(crate) network: bool,
    pub(crate) tasks: [Option<Offset>; TASKS],
}

/// What a front-end knew when its engine made its handshake.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Handshake {
    /// The latest session.
    pub(crate) known: Option<SessionId>,
}

/// A manager, with its host's front-end.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Manager {
    /// So it believes.
    pub(crate) leads: bool,
    /// The store as it was when it was deposed.
    pub(crate) frozen: Option<Store>,
    /// A handshake whose session is not open yet.
    pub(crate) handshake: Option<Handshake>,
    /// The session of its latest handshake.
    pub(crate) session: Option<SessionId>,
    /// The epoch in its pool id.
    pub(crate) epoch: Option<SessionId>,
    /// The pool is its session's, and it has not heard so.
    pub(crate) pool_unheard: bool,
    /// Tasks whose replay is over, well or not.
    pub(crate) replayed: [bool; TASKS],
    /// Tasks whose replay was answered, unheard.
    pub(crate) unheard: [bool; TASKS],
    /// The address of each task, as it knows it.
    pub(crate) memory: [Option<Offset>; TASKS],
}

/// A request that lies in the network, after whoever made it has gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Flight {
    Claim { by: Host, epoch: SessionId, offset: Offset },
    Release { by: Host, epoch: SessionId, offset: Offset, claim: ClaimId },
    ReleasePool { by: Host, epoch: SessionId, claim: ClaimId },
}

/// An observation: what the manager's API showed when it began.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Look {
    pub(crate) by: Host,
    pub(crate) session: SessionId,
    pub(crate) began: Moment,
    pub(crate) shown: Store,
}

/// One state of everything.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct World {
    pub(crate) berth: Berth,
    pub(crate) backup: Option<Berth>,
    pub(crate) restored: bool,
    pub(crate) store: Store,
    pub(crate) leader: Option<Host>,
    pub(crate) handshakes: u8,
    pub(crate) managers: [Manager; 2],
    pub(crate) flight: Vec<Flight>,
    pub(crate) look: Option<Look>,
    /// A replay of what is committed was refused.
    pub(crate) refused: bool,
    #[serde(skip)]
    fingerprint: u64,
}

/// Something that happens, and to which manager, and about which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Elected(Host),
    PluginEnabledAgain(Host),
    OpensSession(Host),
    NoticesThatItWasDeposed(Host),
    ClaimsPool(Host),
    ClaimsPoolUnheard(Host),
    CommitsNetwork(Host),
    RemovesNetwork(Host),
    RemovesNetworkReleaseLost(Host),
    FailsAfterClaimingPoolAndReleasesIt(Host),
    Replays(Host, usize),
    ReplaysUnheard(Host, usize),
    ReplaysButTheRequestIsDelayed(Host, usize),
    FailsToReplay(Host, usize),
    ReplaysFailsElsewhereAndReleases(Host, usize),
    IsGiven(Host, usize),
    IsGivenUnheard(Host),
    Commits(Host, usize),
    RollsBack(Host, usize),
    Removes(Host, usize),
    RemovesReleaseLost(Host, usize),
    FailsToUpdateAndReleases(Host, usize),
    FailsToCommitDeposedAndReleases(Host, usize),
    Arrives(Flight),
    OperatorFrees(Offset),
    BeginsLook(Host),
    EndsLook,
    BackupTaken,
    BackupRestored,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl std::hash::Hash for World {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.fingerprint);
    }
}

impl World {
    fn begin(addresses: usize) -> Self {
        let mut world = Self {
            berth: Berth::new(SpaceSettings {
                reuse_delay: berth_allocator::Millis::new(0),
                ..SpaceSettings::exclusive(None)
            }),
            backup: None,
            restored: false,
            store: Store::default(),
            leader: None,
            handshakes: 0,
            managers: Default::default(),
            flight: Vec::new(),
            look: None,
            refused: false,
            fingerprint: 0,
        };
        reserve_but(&mut world.berth, addresses);
        world.fingerprint = fingerprint(&world);
        world
    }

    pub(crate) fn manager(&mut self, host: Host) -> &mut Manager {
        &mut self.managers[usize::from(host)]
    }

    /// The store, as a manager knows it.
    pub(crate) fn view(&self, host: Host) -> Store {
        if self.leader == Some(host) {
            self.store
        } else {
            self.managers[usize::from(host)].frozen.unwrap_or_default()
        }
    }

    /// Addresses that are held, or wait to be seen unused.
    fn kept(&self) -> impl Iterator<Item = Offset> {
        let id = pool_id(None);
        self.berth.addresses(&id).into_iter().flatten().filter_map(|view| match view.state {
            AddressState::Cooling { unverified: false, .. } => None,
            _ => Some(offset(view.address)),
        })
    }
}

pub(crate) fn pool_id(epoch: Option<SessionId>) -> PoolId {
    PoolId { space: space(), epoch, prefix: prefix(), sub_pool: None }
}

impl Model for Swarm {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::begin(self.addresses)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        use Action::*;
        for host in 0..2 {
            actions.extend([Elected, PluginEnabledAgain, OpensSession].map(|a| a(host)));
            actions.extend([NoticesThatItWasDeposed, ClaimsPool, CommitsNetwork].map(|a| a(host)));
            actions.extend([IsGivenUnheard, BeginsLook].map(|a| a(host)));
            if self.network {
                actions.extend([RemovesNetwork, RemovesNetworkReleaseLost].map(|a| a(host)));
            }
            if self.faults {
                actions.extend(
                    [ClaimsPoolUnheard, FailsAfterClaimingPoolAndReleasesIt].map(|a| a(host)),
                );
            }
            for task in 0..self.tasks {
                let ordinary = [
                    Replays,
                    FailsToReplay,
                    IsGiven,
                    Commits,
                    RollsBack,
                    Removes,
                    RemovesReleaseLost,
                ];
                actions.extend(ordinary.map(|action| action(host, task)));
                let faults = [
                    ReplaysUnheard,
                    ReplaysButTheRequestIsDelayed,
                    ReplaysFailsElsewhereAndReleases,
                    FailsToUpdateAndReleases,
                    FailsToCommitDeposedAndReleases,
                ];
                if self.faults {
                    actions.extend(faults.map(|action| action(host, task)));
                }
            }
        }
        actions.extend(world.flight.iter().copied().map(Arrives));
        actions.push(EndsLook);
        if self.faults {
            actions.extend(OFFSETS[..self.addresses].iter().copied().map(OperatorFrees));
        }
        if self.backup {
            actions.extend([BackupTaken, BackupRestored]);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.happens(&mut next, action)?;
        next.flight.sort_unstable();
        next.fingerprint = fingerprint(&next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ADDRESS, |_, world: &World| {
                let [one, other] = world.store.tasks;
                one.is_none() || one != other
            }),
            Property::always(KEPT, |_, world: &World| {
                let used = world.store.tasks.iter().flatten();
                world.restored || used.into_iter().all(|used| world.kept().any(|o| o == *used))
            }),
            Property::always(POOL_KEPT, |_, world: &World| {
                world.restored || !world.store.network || world.berth.pool(&pool_id(None)).is_ok()
            }),
            Property::always(NOT_REFUSED, |_, world: &World| !world.refused),
            Property::always(SOUND, |_, world: &World| world.berth.check().is_ok()),
            Property::sometimes(RUNNING, |swarm: &Self, world: &World| {
                world.store.tasks.iter().flatten().count() == swarm.tasks.min(swarm.addresses)
            }),
        ]
    }
}
