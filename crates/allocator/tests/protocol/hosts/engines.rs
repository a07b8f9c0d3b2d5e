//! What engines do, what becomes of their releases, and what an operator does to a host.

use berth_allocator::{
    AddressKind, AddressState, AddressView, Command, Evidence, FreeSuspect, Labels, OpenSession,
    Order, ReleaseAddress, RequestAddress, RequestPool, Response, WantedPool,
};

use super::{Action, Engine, Hosts, Release, World};
use crate::berth::{Host, Offset, address, name, offset, prefix, space};
use crate::rule::Rule;
use crate::swarm::pool_id;

impl World {
    /// A host asks for an address.
    fn claim(&mut self, host: usize, wanted: Option<Offset>) -> Option<Offset> {
        let request = RequestAddress {
            pool: pool_id(None),
            address: wanted.map(address),
            kind: AddressKind::Endpoint,
            order: Order::First,
            key: None,
            owner: None,
            unverified: false,
        };
        let client = self.engines[host].client;
        match self.berth.send(client, Command::RequestAddress(request)) {
            Ok(Response::Address(grant)) => Some(offset(grant.address)),
            _ => None,
        }
    }

    /// A new engine process; its containers may have lived on.
    fn restart(&mut self, host: usize, swarm: &Hosts) -> Option<()> {
        let engine = &mut self.engines[host];
        (engine.processes < swarm.sessions).then_some(())?;
        engine.processes += 1;
        (engine.session, engine.holds, engine.known) = (None, false, false);
        Some(())
    }
}

impl Hosts {
    pub(super) fn happens(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::OpensSession(host) => {
                let Engine { client, .. } = world.engines[host];
                world.engines[host].session.is_none().then_some(())?;
                let known = world.berth.latest_session(&space(), &name(client));
                let open = Command::OpenSession(OpenSession { space: space(), known });
                let Ok(Response::SessionOpened(session)) = world.berth.send(client, open) else {
                    panic!("nobody else opens a session for it");
                };
                world.engines[host].session = Some(session);
                Some(())
            }
            Action::ClaimsPool(host) => {
                let Engine { client, session, holds, container, .. } = world.engines[host];
                (!holds).then_some(())?;
                let wanted = WantedPool::Exact { prefix: prefix(), sub_pool: None };
                let (session, labels) = (session?, Labels::default());
                let request = RequestPool { space: space(), session, wanted, labels };
                let granted = world.berth.send(client, Command::RequestPool(request)).is_ok();
                world.refused |= !granted && container.is_some();
                world.engines[host].holds = granted;
                Some(())
            }
            Action::EngineRestarts(host) => world.restart(host, self),
            Action::EngineAndContainerDie(host) => {
                world.engines[host].container = None;
                world.restart(host, self)
            }
            Action::FrontEndLosesItsData(host) => {
                world.restart(host, self)?;
                if self.without == Some(Rule::Identity) {
                    // Clients 2 and 3 are registered for this.
                    world.engines[host].client = Host::try_from(host + 2).ok()?;
                }
                Some(())
            }
            Action::Looks(host) => self.looks(world, host),
            Action::IsForgotten(host) => self.is_forgotten(world, host),
            Action::Arrives(release) => {
                world.flight.retain(|other| *other != release);
                self.arrives(world, release);
                Some(())
            }
            other => self.about_containers(world, other),
        }
    }

    fn about_containers(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::StartsContainer(host) => {
                let Engine { holds, container, .. } = world.engines[host];
                (holds && container.is_none()).then_some(())?;
                world.engines[host].container = Some(world.claim(host, None)?);
                world.engines[host].known = true;
                Some(())
            }
            Action::IsGivenUnheard(host) => {
                let Engine { holds, container, .. } = world.engines[host];
                (holds && container.is_none()).then_some(())?;
                world.claim(host, None).map(|_| ())
            }
            Action::StopsContainer(host) => {
                let Engine { client, known, .. } = world.engines[host];
                let stopped = world.engines[host].container.take().filter(|_| known)?;
                let claim =
                    world.berth.address_claim(&pool_id(None), &name(client), address(stopped));
                if let Ok(Some(claim)) = claim {
                    (world.flight.len() < self.flight).then_some(())?;
                    world.flight.push(Release { by: client, offset: stopped, claim });
                }
                Some(())
            }
            Action::StopsContainerReleaseLost(host) => {
                let known = world.engines[host].known;
                world.engines[host].container.take().filter(|_| known).map(|_| ())
            }
            Action::ReplaysContainer(host) => {
                let Engine { holds, container, known, .. } = world.engines[host];
                let replayed = container.filter(|_| holds && !known)?;
                world.refused |= world.claim(host, Some(replayed)).is_none();
                world.engines[host].known = true;
                Some(())
            }
            other => panic!("nobody knows what {other:?} is"),
        }
    }

    /// A host says of what it held in earlier sessions what its engine does not show.
    fn looks(&self, world: &mut World, host: usize) -> Option<()> {
        let Engine { client, session, container, known, holds, .. } = world.engines[host];
        let replayed = container.is_none() || known || self.without == Some(Rule::Replayed);
        let shown = container.filter(|_| known);
        let session = session.filter(|_| holds && replayed)?;
        let evidence = match self.without {
            Some(Rule::Doubtful) => Evidence::Operator { force: true, note: None },
            _ => Evidence::Observation { session, began: world.berth.revision() },
        };
        // A container that is about to start is shown nowhere.
        let shown = shown.filter(|_| self.without != Some(Rule::Doubtful));
        for view in world.berth.addresses(&pool_id(None)).ok()? {
            let claim = view.claim?;
            if claim.client == name(client) && shown != Some(offset(view.address)) {
                let (pool, address) = (pool_id(None), Some(view.address));
                let evidence = evidence.clone();
                let free = FreeSuspect { pool, address, claim: claim.id, evidence };
                let _ = world.berth.send(client, Command::FreeSuspect(free));
            }
        }
        Some(())
    }

    /// An operator forgets a host that may live. In the midst of its replay it is refused the rest,
    /// until it claims the pool again; so that is left out.
    fn is_forgotten(&self, world: &mut World, host: usize) -> Option<()> {
        let Engine { client, holds, container, known, .. } = world.engines[host];
        (known || container.is_none() || !holds).then_some(())?;
        if self.without != Some(Rule::Forgotten) {
            return world
                .berth
                .send(0, Command::ForgetHost { client: name(client) })
                .ok()
                .map(|_| ());
        }
        for view in world.berth.addresses(&pool_id(None)).ok()? {
            let claim = view.claim.filter(|claim| claim.client == name(client));
            let Some(claim) = claim else { continue };
            let evidence = Evidence::Operator { force: true, note: None };
            let (pool, address) = (pool_id(None), Some(view.address));
            let free = FreeSuspect { pool, address, claim: claim.id, evidence };
            let _ = world.berth.send(0, Command::FreeSuspect(free));
        }
        Some(())
    }

    fn arrives(&self, world: &mut World, release: Release) {
        let Release { mut by, offset, mut claim } = release;
        let views = world.berth.addresses(&pool_id(None)).into_iter().flatten();
        let held = |view: &AddressView| {
            view.address == address(offset) && !matches!(view.state, AddressState::Cooling { .. })
        };
        let standing = views.into_iter().find(held).and_then(|view| view.claim);
        if let Some(standing) = standing {
            let own = standing.client == name(by);
            let owner = self.without == Some(Rule::Owner);
            if owner || (own && self.without == Some(Rule::ClaimId)) {
                claim = standing.id;
                by = (0..4).find(|host| name(*host) == standing.client).expect("it is registered");
            }
        }
        let (pool, address) = (pool_id(None), address(offset));
        let release = ReleaseAddress { pool, address, claim, verify: false };
        let _ = world.berth.send(by, Command::ReleaseAddress(release));
    }
}
