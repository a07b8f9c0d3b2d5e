//! What is about the network and its pool, and what happens to requests, looks and backups.

use berth_allocator::{
    AddressState, Command, Ending, Evidence, FreeSuspect, Labels, Rejection, ReleaseAddress,
    ReleasePool, RequestPool, Response, Revision, SessionId, WantedPool,
};

use super::{Action, Flight, Handshake, Look, Manager, Swarm, World, pool_id};
use crate::berth::{Host, Offset, address, name, offset, prefix, space};
use crate::canonical::Moment;
use crate::rule::Rule;

impl Swarm {
    pub(super) fn about_the_network(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::ClaimsPool(host) => self.claims_pool(world, host),
            Action::ClaimsPoolUnheard(host) => {
                let session = world.pool_to_claim(host)?;
                (!world.manager(host).pool_unheard).then_some(())?;
                self.claim_pool(world, host, session).ok()?;
                world.manager(host).pool_unheard = self.without != Some(Rule::Unheard);
                Some(())
            }
            Action::FailsAfterClaimingPoolAndReleasesIt(host) => {
                let session = world.pool_to_claim(host)?;
                let anew = !world.manager(host).pool_unheard;
                (world.view(host).network && anew).then_some(())?;
                let epoch = self.claim_pool(world, host, session).ok()?;
                self.release_pool(world, host, epoch)
            }
            Action::CommitsNetwork(host) => {
                let can = world.leader == Some(host)
                    && world.manager(host).epoch.is_some()
                    && !world.store.network;
                can.then(|| world.store.network = true)
            }
            Action::RemovesNetwork(host) => {
                let epoch = world.removes_network(host)?;
                self.release_pool(world, host, epoch)
            }
            Action::RemovesNetworkReleaseLost(host) => world.removes_network(host).map(|_| ()),
            Action::Arrives(flight) => {
                world.flight.retain(|other| *other != flight);
                self.arrives(world, flight);
                Some(())
            }
            Action::OperatorFrees(offset) => world.operator_frees(offset),
            Action::BeginsLook(host) => world.begins_look(host),
            Action::EndsLook => self.ends_look(world),
            Action::BackupTaken => {
                (world.backup.is_none() && !world.restored).then_some(())?;
                world.backup = Some(world.berth.clone());
                Some(())
            }
            Action::BackupRestored => self.restore(world),
            other => panic!("nobody knows what {other:?} is"),
        }
    }

    fn claims_pool(&self, world: &mut World, host: Host) -> Option<()> {
        let session = world.pool_to_claim(host)?;
        let granted = if world.manager(host).pool_unheard {
            Ok(session)
        } else {
            self.claim_pool(world, host, session)
        };
        let committed = world.leader == Some(host) && world.store.network;
        let latest = world.latest();
        let manager = world.manager(host);
        match granted {
            Ok(epoch) => {
                (manager.epoch, manager.pool_unheard) = (Some(epoch), false);
                manager.unheard = Default::default();
            }
            // It was opened after the backup.
            Err(Rejection::UnknownSession { .. }) => {
                manager.session = None;
                manager.handshake = Some(Handshake { known: latest });
            }
            Err(_) if committed => world.refused = true,
            Err(_) => return None,
        }
        Some(())
    }

    fn claim_pool(
        &self,
        world: &mut World,
        host: Host,
        session: SessionId,
    ) -> Result<SessionId, Rejection> {
        if self.without != Some(Rule::Order) {
            let by_it = |flight: &Flight| matches!(flight, Flight::ReleasePool { by, epoch, .. } if *by == host && *epoch == session);
            for flight in world.flight.extract_if(.., |flight| by_it(flight)).collect::<Vec<_>>() {
                self.arrives(world, flight);
            }
        }
        let again = Self::pool_epoch(world).filter(|_| self.without == Some(Rule::PoolAdoption));
        let wanted = WantedPool::Exact { prefix: prefix(), sub_pool: None };
        let (session, labels) = (again.unwrap_or(session), Labels::default());
        let request = RequestPool { space: space(), session, wanted, labels };
        match world.berth.send(host, Command::RequestPool(request))? {
            Response::Pool(grant) => Ok(grant.pool.epoch.expect("the space is exclusive")),
            other => panic!("{other:?}"),
        }
    }

    /// The front-end resolves the release when the engine's request arrives.
    fn release_pool(&self, world: &mut World, host: Host, epoch: SessionId) -> Option<()> {
        let id = pool_id(Some(self.epoch_asked(world, epoch)));
        match world.berth.pool_claim(&id, &name(host)) {
            Ok(claim) => self.launch(world, Flight::ReleasePool { by: host, epoch, claim }),
            Err(_) => Some(()),
        }
    }

    /// A request that lay in the network is executed; nobody waits for its answer.
    fn arrives(&self, world: &mut World, flight: Flight) {
        match flight {
            Flight::Claim { by, epoch, offset } => {
                let granted = self.claim(world, by, epoch, Some(offset)).is_ok();
                let task = world.view(by).tasks.iter().position(|task| *task == Some(offset));
                // The engine will ask again: it is the same command, and has its answer.
                if let Some(task) = task.filter(|_| granted && self.without != Some(Rule::Unheard))
                    && world.manager(by).epoch == Some(epoch)
                {
                    world.manager(by).unheard[task] = true;
                }
            }
            Flight::Release { by, epoch, offset, mut claim } => {
                let pool = pool_id(Some(self.epoch_asked(world, epoch)));
                let standing = world.berth.address_claim(&pool, &name(by), address(offset));
                if let (Some(Rule::ClaimId), Ok(Some(standing))) = (self.without, standing) {
                    claim = standing;
                }
                let (address, verify) = (address(offset), self.without != Some(Rule::Verified));
                let release = ReleaseAddress { pool, address, claim, verify };
                let _ = world.berth.send(by, Command::ReleaseAddress(release));
            }
            Flight::ReleasePool { by, epoch, mut claim } => {
                let mut pool = pool_id(Some(self.epoch_asked(world, epoch)));
                if self.without == Some(Rule::PoolClaim)
                    && let Some(latest) = Self::pool_epoch(world)
                {
                    pool = pool_id(Some(latest));
                    claim = world.berth.pool_claim(&pool, &name(by)).expect("it stands");
                }
                let release = ReleasePool { pool: pool.clone(), claim, verify: true };
                let ending = world.berth.send(by, Command::ReleasePool(release));
                let in_doubt = ending == Ok(Response::Released(Ending::Suspected));
                if in_doubt && self.without == Some(Rule::PoolInDoubt) {
                    let evidence = Evidence::Operator { force: true, note: None };
                    let free = FreeSuspect { pool, address: None, claim, evidence };
                    let _ = world.berth.send(by, Command::FreeSuspect(free));
                }
            }
        }
    }

    /// What is in doubt now, and was not shown, is said to be unused.
    fn ends_look(&self, world: &mut World) -> Option<()> {
        let Look { by, session, began, shown } = world.look.take()?;
        let pool = world.berth.pool(&pool_id(None)).ok()?;
        let (mut by, mut session, mut began) = (by, session, Revision::new(began.0));
        if self.without == Some(Rule::Observer) {
            session = pool.id.epoch?;
            let (opener, _) = world.berth.session(&space(), session)?;
            by = (0..2).find(|host| name(*host) == opener)?;
        }
        if self.without == Some(Rule::Began) {
            began = world.berth.revision();
        }
        let any = self.without == Some(Rule::Doubtful);
        let evidence = if any {
            Evidence::Operator { force: true, note: None }
        } else {
            Evidence::Observation { session, began }
        };
        let mut freed = Vec::new();
        for view in world.berth.addresses(&pool.id).ok()? {
            let unshown = !shown.tasks.contains(&Some(offset(view.address)));
            if unshown && (any || view.state != AddressState::Held) {
                freed.push((Some(view.address), view.claim?.id));
            }
        }
        if !shown.network {
            freed.push((None, pool.holders.first()?.claim));
        }
        for (address, claim) in freed {
            let (pool, evidence) = (pool.id.clone(), evidence.clone());
            let free = FreeSuspect { pool, address, claim, evidence };
            let _ = world.berth.send(by, Command::FreeSuspect(free));
        }
        Some(())
    }

    /// Berth comes back from a backup. Engines live on, and know more than it does; no revision names
    /// two things.
    fn restore(&self, world: &mut World) -> Option<()> {
        let latest = world.berth.revision();
        world.berth = world.backup.take()?;
        while world.berth.revision() < latest {
            let nothing = Command::Unreserve { space: space(), first: prefix().network() };
            let _ = world.berth.send(0, nothing);
        }
        world.restored = true;
        world.flight.clear();
        world.look = None;
        if self.without != Some(Rule::Behind) {
            world.berth.send(0, Command::DeclareBehind).ok()?;
        }
        Some(())
    }
}

impl World {
    /// The session in which a manager has still to claim the pool.
    fn pool_to_claim(&mut self, host: Host) -> Option<SessionId> {
        let wanted = self.view(host).network || self.leader == Some(host);
        let Manager { leads, handshake, session, epoch, .. } = *self.manager(host);
        session.filter(|_| wanted && leads && handshake.is_none() && epoch.is_none())
    }

    fn removes_network(&mut self, host: Host) -> Option<SessionId> {
        let leads = self.leader == Some(host) && self.store.network;
        let memory = self.manager(host).memory;
        let empty = self.store.tasks.iter().chain(&memory).all(Option::is_none);
        (leads && empty).then_some(())?;
        self.store.network = false;
        self.manager(host).epoch.take()
    }

    /// A manager's API shows what is committed, as far as it knows, and nothing that it will commit.
    fn begins_look(&mut self, host: Host) -> Option<()> {
        let manager = self.manager(host);
        let session = manager.session.filter(|_| manager.leads)?;
        self.look.is_none().then_some(())?;
        let (began, shown) = (Moment(self.berth.revision().get()), self.view(host));
        self.look = Some(Look { by: host, session, began, shown });
        Some(())
    }

    /// An operator forces what is held for nobody.
    fn operator_frees(&mut self, offset: Offset) -> Option<()> {
        let memories = self.managers.iter().map(|manager| manager.memory);
        let used = memories.chain([self.store.tasks]).flatten().flatten().any(|o| o == offset);
        let pool = self.berth.pool(&pool_id(None)).ok().filter(|_| !used)?.id;
        let claim = self.berth.address_claim(&pool, &name(0), address(offset)).ok()??;
        let evidence = Evidence::Operator { force: true, note: None };
        let free = FreeSuspect { pool, address: Some(address(offset)), claim, evidence };
        self.berth.send(0, Command::FreeSuspect(free)).ok().map(|_| ())
    }
}
