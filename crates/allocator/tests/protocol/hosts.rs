//! Hosts that share a space, each for itself: their engines restart, replay what they kept, release
//! late, and look at themselves; an operator forgets a host that cannot be reached.

mod engines;

use berth_allocator::{ClaimId, SessionId, Sharing, SpaceSettings};
use serde::Serialize;
use stateright::{Model, Property};

use crate::berth::{Berth, Host, Offset, offset, reserve_but};
use crate::canonical::fingerprint;
use crate::rule::Rule;
use crate::swarm::{NOT_REFUSED, SOUND, pool_id};

pub(crate) const ONE_CONTAINER: &str = "no two live containers have one address";
pub(crate) const LIVE_KEPT: &str = "the address of a live container is kept";
/// What must come about, lest the rest be true because nothing happens.
pub(crate) const LIVE: &str = "as many containers live as there are addresses";

/// What is explored, exhaustively.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hosts {
    /// How many engine processes a host has, one after another.
    pub(crate) sessions: u8,
    /// How many addresses there are to be given, two at most.
    pub(crate) addresses: usize,
    /// How many releases may lie in the network at once, for however long.
    pub(crate) flight: usize,
    /// The rule that is not there.
    pub(crate) without: Option<Rule>,
}

/// A host's engine, its front-end, and its one container.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Engine {
    /// As whom the front-end speaks.
    client: Host,
    /// Engine processes so far.
    processes: u8,
    session: Option<SessionId>,
    /// It has claimed the pool in this session.
    holds: bool,
    /// The address of its container.
    container: Option<Offset>,
    /// The container was replayed, or began in this session.
    known: bool,
}

/// A release that lies in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Release {
    by: Host,
    offset: Offset,
    claim: ClaimId,
}

/// One state of everything.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct World {
    berth: Berth,
    engines: [Engine; 2],
    flight: Vec<Release>,
    refused: bool,
    #[serde(skip)]
    fingerprint: u64,
}

/// Something that happens, and on which host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    OpensSession(usize),
    ClaimsPool(usize),
    StartsContainer(usize),
    IsGivenUnheard(usize),
    StopsContainer(usize),
    StopsContainerReleaseLost(usize),
    ReplaysContainer(usize),
    EngineRestarts(usize),
    EngineAndContainerDie(usize),
    FrontEndLosesItsData(usize),
    Looks(usize),
    IsForgotten(usize),
    Arrives(Release),
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

impl Model for Hosts {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let settings = SpaceSettings {
            sharing: Sharing::Shared,
            reuse_delay: berth_allocator::Millis::new(0),
            ..SpaceSettings::exclusive(None)
        };
        let mut berth = Berth::new(settings);
        reserve_but(&mut berth, self.addresses);
        let engine = |client| Engine { client, processes: 1, ..Engine::default() };
        let engines = [engine(0), engine(1)];
        let mut world =
            World { berth, engines, flight: Vec::new(), refused: false, fingerprint: 0 };
        world.fingerprint = fingerprint(&world);
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        use Action::*;
        for host in 0..2 {
            let all = [
                OpensSession,
                ClaimsPool,
                StartsContainer,
                IsGivenUnheard,
                StopsContainer,
                StopsContainerReleaseLost,
                ReplaysContainer,
                EngineRestarts,
                EngineAndContainerDie,
                FrontEndLosesItsData,
                Looks,
                IsForgotten,
            ];
            actions.extend(all.map(|action| action(host)));
        }
        actions.extend(world.flight.iter().copied().map(Arrives));
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
            Property::always(ONE_CONTAINER, |_, world: &World| {
                let [one, other] = world.engines.map(|engine| engine.container);
                one.is_none() || one != other
            }),
            Property::always(LIVE_KEPT, |_, world: &World| {
                let views = world.berth.addresses(&pool_id(None)).unwrap_or_default();
                let mut live = world.engines.iter().filter_map(|engine| engine.container);
                live.all(|live| views.iter().any(|view| offset(view.address) == live))
            }),
            Property::always(NOT_REFUSED, |_, world: &World| !world.refused),
            Property::always(SOUND, |_, world: &World| world.berth.check().is_ok()),
            Property::sometimes(LIVE, |hosts: &Self, world: &World| {
                let live = world.engines.iter().filter(|engine| engine.container.is_some());
                live.count() == hosts.addresses
            }),
        ]
    }
}
