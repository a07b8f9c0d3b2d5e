//! What managers do: they come to lead, replay, ask, commit, release.

use berth_allocator::{
    AddressKind, AddressState, Command, OpenSession, Order, Rejection, RequestAddress, Response,
    SessionId,
};

use super::{Action, Flight, Handshake, Manager, Store, Swarm, World, pool_id};
use crate::berth::{Host, Offset, address, name, offset, space};
use crate::rule::Rule;

impl Swarm {
    /// Lets something happen, if it can.
    pub(super) fn happens(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::Elected(host) => self.elected(world, host),
            Action::PluginEnabledAgain(host) => self.enabled_again(world, host),
            Action::OpensSession(host) => self.opens_session(world, host),
            Action::NoticesThatItWasDeposed(host) => {
                let deposed = world.manager(host).leads && world.leader != Some(host);
                deposed.then(|| *world.manager(host) = Manager::default())
            }
            Action::Replays(host, task) => self.replays(world, host, task),
            Action::ReplaysUnheard(host, task) => self.replays_unheard(world, host, task),
            Action::ReplaysButTheRequestIsDelayed(host, task) => {
                let (epoch, offset) = world.due_for_replay(host, task)?;
                self.launch(world, Flight::Claim { by: host, epoch, offset })
            }
            // A restored state lacks what was given since, and a failed replay cannot tell it.
            Action::FailsToReplay(host, task) => {
                world.due_for_replay(host, task).filter(|_| !world.restored)?;
                world.manager(host).replayed[task] = true;
                Some(())
            }
            Action::ReplaysFailsElsewhereAndReleases(host, task) => {
                let (epoch, offset) = world.due_for_replay(host, task)?;
                self.claim(world, host, epoch, Some(offset)).ok()?;
                world.manager(host).replayed[task] = true;
                self.release(world, host, epoch, offset)
            }
            other => self.about_tasks(world, other),
        }
    }

    fn about_tasks(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::IsGiven(host, task) => {
                let given = self.is_given(world, host, task)?;
                world.manager(host).memory[task] = Some(given);
                Some(())
            }
            Action::IsGivenUnheard(host) => {
                let task = (0..self.tasks).find(|task| world.view(host).tasks[*task].is_none())?;
                self.is_given(world, host, task).map(|_| ())
            }
            Action::Commits(host, task) => {
                let given = world.manager(host).memory[task]?;
                let can = world.leader == Some(host)
                    && world.store.network
                    && world.store.tasks[task].is_none();
                can.then_some(())?;
                world.store.tasks[task] = Some(given);
                world.manager(host).replayed[task] = true;
                Some(())
            }
            Action::RollsBack(host, task) => {
                world.view(host).tasks[task].is_none().then_some(())?;
                self.drops(world, host, task)
            }
            Action::Removes(host, task) => {
                world.leads_and_runs(host, task)?;
                world.store.tasks[task] = None;
                self.drops(world, host, task)
            }
            Action::RemovesReleaseLost(host, task) => {
                world.leads_and_runs(host, task)?;
                world.store.tasks[task] = None;
                world.manager(host).memory[task] = None;
                Some(())
            }
            Action::FailsToUpdateAndReleases(host, task) => {
                world.leads_and_runs(host, task)?;
                self.drops(world, host, task)
            }
            Action::FailsToCommitDeposedAndReleases(host, task) => {
                let deposed = world.leader != Some(host);
                let view = world.view(host).tasks[task].filter(|_| deposed)?;
                (world.manager(host).memory[task] == Some(view)).then_some(())?;
                self.drops(world, host, task)
            }
            other => self.about_the_network(world, other),
        }
    }

    fn elected(&self, world: &mut World, host: Host) -> Option<()> {
        (world.handshakes < self.handshakes).then_some(())?;
        world.handshakes += 1;
        if let Some(old) = world.leader.filter(|old| *old != host) {
            let store = world.store;
            world.manager(old).frozen = Some(store);
        }
        world.leader = Some(host);
        let handshake = Some(Handshake { known: world.latest() });
        *world.manager(host) = Manager { leads: true, handshake, ..Manager::default() };
        Some(())
    }

    fn enabled_again(&self, world: &mut World, host: Host) -> Option<()> {
        let can = world.handshakes < self.handshakes && world.leader == Some(host);
        can.then_some(())?;
        world.handshakes += 1;
        world.manager(host).handshake = Some(Handshake { known: world.latest() });
        Some(())
    }

    /// At once or late: on the condition that no session was opened that the front-end did not know
    /// of at the handshake, or when the engine's API says that its manager leads.
    fn opens_session(&self, world: &mut World, host: Host) -> Option<()> {
        let Handshake { mut known } = world.manager(host).handshake.take()?;
        let latest = world.latest();
        if world.leader == Some(host) || self.without == Some(Rule::Condition) {
            known = latest;
        }
        let open = Command::OpenSession(OpenSession { space: space(), known });
        match world.berth.send(host, open) {
            Ok(Response::SessionOpened(session)) => {
                // What nobody heard is kept until the session ends.
                let manager = world.manager(host);
                (manager.session, manager.pool_unheard) = (Some(session), false);
            }
            Err(Rejection::SessionSuperseded { .. }) => {}
            other => panic!("{other:?}"),
        }
        Some(())
    }

    fn replays(&self, world: &mut World, host: Host, task: usize) -> Option<()> {
        let (epoch, offset) = world.due_for_replay(host, task)?;
        // It is the same command, and was executed, or is now.
        world.flight.retain(|other| *other != Flight::Claim { by: host, epoch, offset });
        let granted = world.manager(host).unheard[task]
            || self.claim(world, host, epoch, Some(offset)).is_ok();
        let committed = world.leader == Some(host);
        world.refused |= committed && !granted && !world.restored;
        let manager = world.manager(host);
        (manager.replayed[task], manager.unheard[task]) = (true, false);
        manager.memory[task] = granted.then_some(offset);
        Some(())
    }

    fn replays_unheard(&self, world: &mut World, host: Host, task: usize) -> Option<()> {
        let (epoch, offset) = world.due_for_replay(host, task)?;
        (!world.manager(host).unheard[task]).then_some(())?;
        self.claim(world, host, epoch, Some(offset)).ok()?;
        if self.without == Some(Rule::Unheard) {
            return self.release(world, host, epoch, offset);
        }
        world.manager(host).unheard[task] = true;
        Some(())
    }

    /// The address of a dynamic request, for a task that the manager has not placed.
    fn is_given(&self, world: &mut World, host: Host, task: usize) -> Option<Offset> {
        let Store { tasks, network } = world.view(host);
        let manager = world.manager(host);
        let replay_over = (0..self.tasks).all(|t| tasks[t].is_none() || manager.replayed[t]);
        let wants = manager.leads && network && replay_over;
        (wants && manager.memory[task].is_none() && tasks[task].is_none()).then_some(())?;
        let epoch = manager.epoch?;
        if self.without == Some(Rule::Dynamic) {
            let views = world.berth.addresses(&pool_id(None)).ok()?;
            let stale = views.iter().find(|view| view.state == AddressState::Stale);
            if let Some(stale) = stale.map(|view| offset(view.address)) {
                return self.claim(world, host, epoch, Some(stale)).ok();
            }
        }
        self.claim(world, host, epoch, None).ok()
    }

    /// A manager forgets the address of a task, and releases it.
    fn drops(&self, world: &mut World, host: Host, task: usize) -> Option<()> {
        let manager = world.manager(host);
        let (epoch, dropped) = (manager.epoch?, manager.memory[task].take()?);
        self.release(world, host, epoch, dropped)
    }

    /// The front-end resolves the release when the engine's request arrives; the command may stay
    /// in the network for as long as it likes.
    fn release(
        &self,
        world: &mut World,
        host: Host,
        epoch: SessionId,
        offset: Offset,
    ) -> Option<()> {
        let latest = self.without == Some(Rule::Fence);
        let epoch = if latest { Self::pool_epoch(world)? } else { epoch };
        let id = pool_id(Some(self.epoch_asked(world, epoch)));
        match world.berth.address_claim(&id, &name(host), address(offset)) {
            Ok(Some(claim)) => {
                self.launch(world, Flight::Release { by: host, epoch, offset, claim })
            }
            _ => Some(()),
        }
    }

    pub(super) fn launch(&self, world: &mut World, flight: Flight) -> Option<()> {
        (world.flight.len() < self.flight && !world.flight.contains(&flight)).then_some(())?;
        world.flight.push(flight);
        Some(())
    }

    /// The epoch under which the pool stands.
    pub(super) fn pool_epoch(world: &World) -> Option<SessionId> {
        world.berth.pool(&pool_id(None)).ok()?.id.epoch
    }

    /// The epoch that a request carries which the engine made under `epoch`.
    pub(super) fn epoch_asked(&self, world: &World, epoch: SessionId) -> SessionId {
        let latest = Self::pool_epoch(world).filter(|_| self.without == Some(Rule::Epochs));
        latest.unwrap_or(epoch)
    }

    /// Asks for an address.
    pub(super) fn claim(
        &self,
        world: &mut World,
        host: Host,
        epoch: SessionId,
        wanted: Option<Offset>,
    ) -> Result<Offset, Rejection> {
        let mut epoch = self.epoch_asked(world, epoch);
        if self.without == Some(Rule::AddressAdoption)
            && let Some(wanted) = wanted
            && let Some(standing) = Self::claim_epoch(world, wanted)
        {
            epoch = standing;
        }
        let request = RequestAddress {
            pool: pool_id(Some(epoch)),
            address: wanted.map(address),
            kind: AddressKind::Endpoint,
            order: Order::First,
            key: None,
            owner: None,
            unverified: false,
        };
        match world.berth.send(host, Command::RequestAddress(request))? {
            Response::Address(grant) => Ok(offset(grant.address)),
            other => panic!("{other:?}"),
        }
    }

    fn claim_epoch(world: &World, wanted: Offset) -> Option<SessionId> {
        let views = world.berth.addresses(&pool_id(None)).ok()?;
        let view = views.into_iter().find(|view| offset(view.address) == wanted)?;
        view.claim.map(|claim| claim.epoch)
    }
}

impl World {
    /// The realm's latest session.
    pub(super) fn latest(&self) -> Option<SessionId> {
        self.berth.latest_session(&space(), &name(0))
    }

    /// Pool id and address of a task that a manager has still to replay.
    fn due_for_replay(&mut self, host: Host, task: usize) -> Option<(SessionId, Offset)> {
        let offset = self.view(host).tasks[task]?;
        let manager = self.manager(host);
        let due = manager.leads && !manager.replayed[task];
        Some((manager.epoch.filter(|_| due)?, offset))
    }

    fn leads_and_runs(&mut self, host: Host, task: usize) -> Option<()> {
        let runs = self.store.tasks[task].filter(|_| self.leader == Some(host))?;
        (self.manager(host).memory[task] == Some(runs)).then_some(())
    }
}
