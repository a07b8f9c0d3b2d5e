//! What a claimant makes of an answer.

use std::net::IpAddr;

use super::{Claimant, Kind, Phase, Purpose, RETRY};
use crate::call::Answer;
use crate::history::{is_refusal, pool_id};
use crate::scene::Scene;
use crate::store::{Endpoint, Net, Stage};

impl Claimant {
    pub(super) fn learn(&mut self, scene: &mut Scene, purpose: Purpose, answer: Answer) {
        let again = scene.now + RETRY;
        if matches!(answer, Answer::Lost | Answer::Refused(_)) {
            self.next_action = self.next_action.max(again);
        }
        match purpose {
            Purpose::Handshake => match answer {
                Answer::Done => self.phase = Phase::Replaying { since: scene.now },
                _ => self.phase = Phase::Greeting { again },
            },
            Purpose::Pool(net) => self.pool(scene, net, answer),
            Purpose::Gateway(net) => self.gateway(scene, net, answer),
            Purpose::Endpoint(net) => self.endpoint(net, &answer),
            Purpose::Again(net, endpoint) => self.again(scene, net, endpoint, answer),
            // Whatever came of a release, the object is gone from the store.
            Purpose::Release(net, endpoint) => {
                if let Some(net) = self.net(net) {
                    net.endpoints.retain(|known| known.id != endpoint);
                }
            }
            Purpose::ReleaseGateway(net) => {
                if let Some(net) = self.net(net) {
                    (net.gateway, net.busy) = (None, false);
                }
            }
            Purpose::ReleasePool(net) => self.nets.retain(|known| known.id != net),
            Purpose::List => {}
        }
    }

    fn pool(&mut self, scene: &mut Scene, id: u64, answer: Answer) {
        let swarm = self.kind == Kind::Swarm;
        let Some(net) = self.net(id) else { return };
        net.busy = false;
        match answer {
            Answer::Pool(given) => {
                let epoch = pool_id(&given.id).and_then(|pool| pool.epoch);
                net.pool = Some((given.id, given.pool));
                net.certain = true;
                net.replay = false;
                if net.stage == Stage::Wanted {
                    net.stage = Stage::Gateway;
                }
                if let Some(epoch) = epoch.filter(|_| swarm) {
                    self.epoch = self.epoch.max(epoch.get());
                }
            }
            Answer::Refused(error) if is_refusal(&error) => {
                if net.replay && net.certain {
                    let pool = net.pool.clone();
                    let name = &self.name;
                    scene
                        .violation(format!("K2: {name} keeps pool {pool:?}, and is told: {error}"));
                }
                self.nets.retain(|known| known.id != id);
            }
            // It asks again.
            _ => {}
        }
    }

    fn gateway(&mut self, scene: &mut Scene, id: u64, answer: Answer) {
        let name = self.name.clone();
        let Some(net) = self.net(id) else { return };
        net.busy = false;
        match answer {
            Answer::Address(given) => {
                (net.gateway, net.gateway_certain) = (Some(given.address.addr()), true);
            }
            Answer::Refused(error) if is_refusal(&error) => {
                if net.replay_gateway && net.gateway_certain {
                    let what = format!("K2: {name} keeps gateway {:?}: {error}", net.gateway);
                    scene.violation(what);
                }
                net.gateway = None;
            }
            _ => return,
        }
        net.replay_gateway = false;
        if net.stage == Stage::Gateway {
            net.stage = Stage::Ready;
        }
    }

    fn endpoint(&mut self, id: u64, answer: &Answer) {
        let endpoint = self.id();
        let Some(net) = self.net(id) else { return };
        net.under_way = net.under_way.saturating_sub(1);
        if let Answer::Address(given) = answer {
            net.endpoints.push(Endpoint::new(endpoint, given.address.addr()));
        }
    }

    fn again(&mut self, scene: &mut Scene, id: u64, endpoint: u64, answer: Answer) {
        let name = self.name.clone();
        let Some(net) = self.net(id) else { return };
        let Net { endpoints, pool, .. } = net;
        let Some(known) = endpoints.iter_mut().find(|known| known.id == endpoint) else { return };
        known.busy = false;
        match answer {
            Answer::Address(_) => (known.replay, known.certain) = (false, true),
            Answer::Refused(error) if is_refusal(&error) => {
                if known.certain {
                    let (address, pool) = (known.address, pool.clone());
                    scene.violation(format!("K2: {name} keeps {address} of {pool:?}: {error}"));
                }
                endpoints.retain(|known| known.id != endpoint);
            }
            _ => {}
        }
    }
}

impl Endpoint {
    fn new(id: u64, address: IpAddr) -> Self {
        Self { id, address, busy: false, replay: false, certain: true }
    }
}
