//! Those who claim: the engine of a host, and a Swarm whose leading manager moves from host to host.
//!
//! Both do what Docker does: they keep a store of what they were given, and when they begin anew they
//! shake hands and ask for all of it again before they ask for anything new. What they do not hear of
//! they forget, and a request that failed they may make again.

mod answers;
mod choices;

use std::time::Duration;

use crate::call::{Answer, Call, Request};
use crate::history::{Recorded, Who, action, pool_id};
use crate::network::{HostId, Micros};
use crate::rng::Rng;
use crate::scene::Scene;
use crate::store::Net;

/// Pause before a request that got no answer is made again.
const RETRY: Micros = 200_000;
/// A replay that takes longer is begun anew, as an operator would restart the engine.
const REPLAY_MAX: Micros = 25_000_000;
/// How long the plugin's answer may be late before an engine gives up.
const LATE_MAX: Micros = 1_000_000;

/// Who claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The engine of a host, with networks of its own and in the shared space.
    Engine,
    /// A Swarm, with networks in the global space.
    Swarm,
}

/// How busy a claimant is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Mean time between two requests.
    pub(crate) think: Micros,
    /// Requests at a time.
    pub(crate) at_once: usize,
    /// Networks.
    pub(crate) networks: usize,
    /// Endpoints on each.
    pub(crate) endpoints: usize,
    /// How long a request may take.
    pub(crate) patience: Duration,
}

/// Where a claimant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not there until then.
    Down { until: Micros },
    /// It shakes hands.
    Greeting { again: Micros },
    /// It claims again what it keeps, since then.
    Replaying { since: Micros },
    /// It serves.
    Serving,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Handshake,
    Pool(u64),
    Gateway(u64),
    Endpoint(u64),
    Again(u64, u64),
    Release(u64, u64),
    ReleaseGateway(u64),
    ReleasePool(u64),
    List,
}

struct Pending {
    call: Call,
    request: Request,
    purpose: Purpose,
    recorded: Option<Recorded>,
    give_up: Micros,
    client: u32,
}

/// One who claims.
pub(crate) struct Claimant {
    /// Its name in the trace.
    pub(crate) name: String,
    kind: Kind,
    /// The host through which it speaks.
    pub(crate) host: HostId,
    nets: Vec<Net>,
    phase: Phase,
    pending: Vec<Pending>,
    load: Load,
    rng: Rng,
    next_action: Micros,
    next_id: u64,
    /// Its number of this run.
    run: u64,
    /// The latest epoch of its pools.
    epoch: u64,
    /// The first client number that it may use; those of past runs are never used again.
    clients: std::ops::Range<u32>,
    idle: Vec<u32>,
}

impl Claimant {
    /// A claimant that begins at once. `number` tells it from others.
    pub(crate) fn new(number: u32, kind: Kind, host: HostId, load: Load, rng: Rng) -> Self {
        let name = match kind {
            Kind::Engine => format!("engine{}", host + 1),
            Kind::Swarm => "swarm".to_owned(),
        };
        Self {
            name,
            kind,
            host,
            nets: Vec::new(),
            phase: Phase::Down { until: 0 },
            pending: Vec::new(),
            load,
            rng,
            next_action: 0,
            next_id: 0,
            run: 1,
            epoch: 0,
            clients: number * 1_000_000..(number + 1) * 1_000_000,
            idle: Vec::new(),
        }
    }

    /// Who leads or runs now vanishes, with whatever is under way; another begins, maybe elsewhere.
    pub(crate) fn restart(&mut self, scene: &mut Scene, host: HostId, pause: Micros) {
        let (from, name) = (self.host, &self.name);
        scene.event(format_args!("{name} vanishes at n{}, comes back at n{}", from + 1, host + 1));
        // Those who ask no more are other clients than those who will.
        self.idle.clear();
        for pending in std::mem::take(&mut self.pending) {
            self.forget(pending.purpose);
        }
        for net in &mut self.nets {
            net.begin_anew();
        }
        self.nets.retain(|net| net.pool.is_some() || net.wanted.is_some());
        if self.kind == Kind::Engine {
            scene.hosts[host].machine.runs_engine(0);
        }
        self.host = host;
        self.run += 1;
        self.phase = Phase::Down { until: scene.now + pause };
    }

    /// What becomes of an object whose request nobody waits for any more.
    fn forget(&mut self, purpose: Purpose) {
        // Whether an object leaves the store before its release or after is up to the engine.
        let kept = self.rng.chance(500);
        if let Purpose::Release(net, endpoint) = purpose
            && !kept
            && let Some(net) = self.net(net)
        {
            net.endpoints.retain(|known| known.id != endpoint);
        }
    }

    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it waits for nothing.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pending.is_empty()
    }

    /// Does what it does at this time; begins nothing unless it is to claim.
    pub(crate) fn step(&mut self, scene: &mut Scene, claims: bool) {
        self.hear(scene);
        if !claims {
            return;
        }
        match self.phase {
            Phase::Down { until } if scene.now < until => {}
            Phase::Down { .. } => {
                if self.kind == Kind::Engine {
                    scene.hosts[self.host].machine.runs_engine(self.pid());
                }
                self.phase = Phase::Greeting { again: scene.now };
            }
            Phase::Greeting { again } => {
                if self.pending.is_empty() && scene.now >= again {
                    self.ask(scene, Purpose::Handshake, Request::Handshake);
                    self.phase = Phase::Greeting { again: scene.now + RETRY };
                }
            }
            Phase::Replaying { since } => {
                if self.nets.iter().all(Net::is_replayed) {
                    self.phase = Phase::Serving;
                } else if scene.now - since > REPLAY_MAX {
                    scene.count("replays given up");
                    let (host, pause) = (self.host, 1_000_000);
                    self.restart(scene, host, pause);
                } else {
                    self.replay(scene);
                }
            }
            Phase::Serving => {
                if scene.now >= self.next_action && self.pending.len() < self.load.at_once {
                    let think = self.rng.between(0, 2 * self.load.think);
                    self.next_action = scene.now + think;
                    self.act(scene);
                }
            }
        }
    }

    /// Hears answers, and gives up on those that do not come.
    fn hear(&mut self, scene: &mut Scene) {
        let mut at = 0;
        while at < self.pending.len() {
            let answer = self.pending[at].call.answer(&scene.hosts[self.host]);
            let late = scene.now >= self.pending[at].give_up;
            let Some(answer) = answer.or_else(|| late.then_some(Answer::Lost)) else {
                at += 1;
                continue;
            };
            let pending = self.pending.remove(at);
            if pending.purpose != Purpose::List {
                self.idle.push(pending.client);
            }
            if let Some(recorded) = pending.recorded {
                scene.recorder.answer(scene.now, recorded, &pending.request, &answer);
            }
            let name = &self.name;
            scene.event(format_args!("{name} {:?}: {}", pending.purpose, brief(&answer)));
            scene.count(match &answer {
                Answer::Lost => "unknown",
                Answer::Refused(_) => "refused",
                _ => "done",
            });
            self.learn(scene, pending.purpose, answer);
        }
    }

    /// Asks the host's driver; false if nobody takes the request.
    fn ask(&mut self, scene: &mut Scene, purpose: Purpose, request: Request) -> bool {
        let host = &scene.hosts[self.host];
        let patience = self.load.patience;
        let Some(call) = Call::send(host, request.clone(), patience) else { return false };
        // A look is somebody else's: it must not be held to see what others have given up since.
        let idle = if purpose == Purpose::List { None } else { self.idle.pop() };
        let client = idle.or_else(|| self.clients.next()).unwrap_or(u32::MAX);
        let who = Who { client, host: host.name().to_owned(), session: self.session_of(&request) };
        let named = request_name(&request);
        let recorded =
            action(&request).map(|act| scene.recorder.invoke(scene.now, who, act, named));
        let name = &self.name;
        scene.event(format_args!("{name} asks {purpose:?}"));
        scene.count("asked");
        let patience = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX);
        let give_up = scene.now + patience + LATE_MAX;
        self.pending.push(Pending { call, request, purpose, recorded, give_up, client });
        true
    }

    /// The session of a request: in an exclusive space, the pool's epoch.
    fn session_of(&self, request: &Request) -> u64 {
        if self.kind == Kind::Engine {
            return self.run;
        }
        let pool = match request {
            Request::ReleasePool(pool) | Request::List(pool) => Some(pool),
            Request::Address(request) => Some(&request.pool_id),
            Request::ReleaseAddress(release) => Some(&release.pool_id),
            Request::Pool(_) | Request::Handshake => None,
        };
        let epoch = pool.and_then(pool_id).and_then(|pool| pool.epoch);
        epoch.map_or(self.epoch, berth_allocator::SessionId::get)
    }

    /// The process of an engine's run.
    fn pid(&self) -> u32 {
        self.clients.end - u32::try_from(self.run).unwrap_or(0)
    }

    fn net(&mut self, id: u64) -> Option<&mut Net> {
        self.nets.iter_mut().find(|net| net.id == id)
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// How a request is known in the log.
fn request_name(request: &Request) -> Option<String> {
    match request {
        Request::Pool(request) => request.options.get(choices::REQUEST).map(str::to_owned),
        Request::Address(request) => request.options.endpoint_name().map(str::to_owned),
        _ => None,
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Pool(given) => format!("{} (claim {:?})", given.id, given.mark),
        Answer::Address(given) => format!("{} (claim {:?})", given.address, given.mark),
        Answer::Listed(listed, index) => format!("{} addresses at {index:?}", listed.len()),
        Answer::Refused(error) => error.to_string(),
        Answer::Lost => "no answer".to_owned(),
    }
}
