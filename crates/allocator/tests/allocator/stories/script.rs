//! The steps of a story, executed. Names that a step gives with `as NAME` stand for what it got.

use std::collections::BTreeMap;
use std::net::IpAddr;

use berth_allocator::{
    AddressGrant, AddressKind, Command, Envelope, Evidence, Family, FreeSuspect, Labels, Millis,
    OpenSession, Order, PoolGrant, PoolId, PoolName, ReleaseAddress, ReleasePool, Renew,
    RequestAddress, RequestPool, Reserve, Response, Sequence, SessionId, Sharing, SpaceSettings,
    Text, WantedPool,
};

use super::answer::{state_told, told};
use crate::world::{World, address, name, plain_request, prefix, space};

/// A story under way.
#[derive(Default)]
pub(super) struct Script {
    world: World,
    sessions: BTreeMap<(String, String), SessionId>,
    pools: BTreeMap<String, PoolGrant>,
    addresses: BTreeMap<String, (PoolId, AddressGrant)>,
    /// What each client sent, so that it can be sent again.
    sent: BTreeMap<String, Vec<Envelope>>,
    heard: BTreeMap<String, u64>,
}

/// The words of a step: positional ones, `KEY=VALUE`, and `as NAME`.
struct Words<'a> {
    line: &'a str,
    plain: Vec<&'a str>,
    set: BTreeMap<&'a str, &'a str>,
    label: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str, text: &'a str) -> Self {
        let (text, label) = match text.split_once(" as ") {
            Some((text, label)) => (text, Some(label.trim())),
            None => (text, None),
        };
        let (set, plain) = text.split_whitespace().partition::<Vec<_>, _>(|w| w.contains('='));
        let set = set.into_iter().filter_map(|word| word.split_once('=')).collect();
        Self { line, plain, set, label }
    }

    fn at(&self, place: usize) -> &'a str {
        self.plain.get(place).unwrap_or_else(|| panic!("{}: a word is missing", self.line))
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.set.get(key).map(|text| text.parse().unwrap())
    }
}

impl Script {
    /// Executes a step; what it was answered.
    pub(super) fn step(&mut self, text: &str, line: &str) -> Option<String> {
        let Some((client, rest)) = text.split_once(": ") else {
            self.stage_direction(&Words::of(line, text));
            return None;
        };
        let words = Words::of(line, rest);
        let answer = match words.at(0) {
            "start" => self.world.start(client, lease(&words)),
            "register" => {
                let instance = words.number("instance").unwrap_or_default();
                self.world.register(client, instance.into(), lease(&words))
            }
            "again" => {
                let place = usize::try_from(words.number("nth").unwrap()).unwrap() - 1;
                let envelope = self.sent.get(client).unwrap()[place].clone();
                self.world.deliver(envelope).outcome
            }
            "heard" => {
                self.heard.insert(client.into(), words.at(1).parse().unwrap());
                return None;
            }
            _ => self.command(client, &words),
        };
        Some(told(&answer))
    }

    /// What happens to the world, and what must be true of it.
    fn stage_direction(&mut self, words: &Words<'_>) {
        match words.at(0) {
            "space" => {
                let sharing = match words.at(2) {
                    "exclusive" => Sharing::Exclusive,
                    "shared" => Sharing::Shared,
                    "local" => Sharing::Local,
                    other => panic!("{}: {other} is no sharing", words.line),
                };
                let reuse_delay = Millis::new(words.number("reuse").unwrap_or(0));
                let v6 = Some(prefix("fd00:1::/48"));
                let settings =
                    SpaceSettings { sharing, reuse_delay, ..SpaceSettings::exclusive(v6) };
                self.world.space(words.at(1), settings);
            }
            "clock" => self.world.now = words.at(1).parse().unwrap(),
            "wait" => self.world.now += words.at(1).parse::<u64>().unwrap(),
            "must" => self.must(words),
            other => panic!("{}: {other} is no step", words.line),
        }
    }

    fn must(&self, words: &Words<'_>) {
        let (in_space, what, expected) = (space(words.at(1)), words.at(2), words.at(3));
        let found = if what.contains('/') {
            let pools = self.world.state.pools(&in_space).unwrap();
            let standing = pools.into_iter().find(|pool| pool.id.prefix == prefix(what));
            match standing {
                None => "free",
                Some(pool) if pool.holders.iter().all(|holder| holder.suspect) => "suspect",
                Some(_) => "held",
            }
        } else {
            let views = self.world.state.find(address(what));
            let view = views.iter().find(|view| view.pool.space == in_space);
            view.map_or("free", |view| state_told(&view.state))
        };
        assert_eq!(found, expected, "{}", words.line);
    }

    fn command(&mut self, client: &str, words: &Words<'_>) -> crate::world::Outcome {
        let command = match words.at(0) {
            "session" => self.open_session(client, words),
            "pool" => self.request_pool(client, words.at(1), exact(words)),
            "automatic" => self.request_pool(client, words.at(1), automatic(words)),
            "address" => Command::RequestAddress(self.request_address(words)),
            "release" => self.release(words),
            "observed" | "free" => self.free(client, words),
            "reserve" => Command::Reserve(Reserve {
                space: space(words.at(1)),
                first: address(words.at(2)),
                last: address(words.at(3)),
                note: Text::new("router").unwrap(),
                common: words.has("common"),
            }),
            "unreserve" => {
                Command::Unreserve { space: space(words.at(1)), first: address(words.at(2)) }
            }
            "forget" => Command::ForgetHost { client: name(words.at(1)) },
            "behind" => Command::DeclareBehind,
            "clear" => Command::ClearBehind { pool: self.pool(words.at(1)) },
            "resume" => Command::Resume { space: words.plain.get(1).map(|name| space(name)) },
            "renew" => Command::Renew(Renew {
                instance: words.number("instance").unwrap().into(),
                lease: lease(words),
            }),
            other => panic!("{}: {other} is no command", words.line),
        };
        let heard = self.heard.get(client).copied().unwrap_or(0);
        let envelope = self.world.envelope(client, command);
        let envelope = Envelope { heard: Sequence::new(heard), ..envelope };
        self.sent.entry(client.into()).or_default().push(envelope.clone());
        let outcome = self.world.deliver(envelope.clone()).outcome;
        self.remember(client, words, &envelope.command, &outcome);
        outcome
    }

    /// Keeps what was granted, by the name that the story gives it.
    fn remember(
        &mut self,
        client: &str,
        words: &Words<'_>,
        command: &Command,
        outcome: &crate::world::Outcome,
    ) {
        let label = words.label.map(String::from);
        match (command, outcome) {
            (Command::OpenSession(open), Ok(Response::SessionOpened(id))) => {
                self.sessions.insert((client.into(), open.space.to_string()), *id);
            }
            (_, Ok(Response::Pool(grant))) => {
                label.map(|label| self.pools.insert(label, (**grant).clone()));
            }
            (Command::RequestAddress(request), Ok(Response::Address(grant))) => {
                let granted = (request.pool.clone(), grant.clone());
                label.map(|label| self.addresses.insert(label, granted));
            }
            _ => {}
        }
    }

    fn open_session(&self, client: &str, words: &Words<'_>) -> Command {
        let space = space(words.at(1));
        let known = match words.number("known") {
            Some(0) => None,
            Some(known) => Some(SessionId::new(known)),
            None => self.world.state.latest_session(&space, &name(client)),
        };
        Command::OpenSession(OpenSession { space, known })
    }

    fn request_pool(&self, client: &str, in_space: &str, wanted: WantedPool) -> Command {
        let session = self.session(client, in_space);
        let space = space(in_space);
        Command::RequestPool(RequestPool { space, session, wanted, labels: Labels::default() })
    }

    fn session(&self, client: &str, space: &str) -> SessionId {
        self.sessions.get(&(client.into(), space.into())).copied().unwrap_or_default()
    }

    /// A pool by its name in the story, or by its id.
    fn pool(&self, word: &str) -> PoolId {
        self.pools.get(word).map_or_else(|| word.parse().unwrap(), |grant| grant.pool.clone())
    }

    fn request_address(&self, words: &Words<'_>) -> RequestAddress {
        let asked = words.plain.get(2).and_then(|word| word.parse::<IpAddr>().ok());
        RequestAddress {
            kind: match () {
                () if words.has("gateway") => AddressKind::Gateway,
                () if words.has("auxiliary") => AddressKind::Auxiliary,
                () => AddressKind::Endpoint,
            },
            order: if words.has("serial") { Order::Serial } else { Order::First },
            key: words.set.get("key").map(|key| Text::new(*key).unwrap()),
            unverified: words.has("unverified"),
            ..plain_request(&self.pool(words.at(1)), asked)
        }
    }

    fn release(&self, words: &Words<'_>) -> Command {
        let verify = words.has("verify");
        if words.at(1).contains('/') {
            return self.release_by_id(words, verify);
        }
        if let Some((pool, granted)) = self.addresses.get(words.at(1)) {
            let (pool, address, claim) = (pool.clone(), granted.address, granted.claim);
            return Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify });
        }
        let granted = self.granted_pool(words, 1);
        let (pool, claim) = (granted.pool.clone(), granted.claim);
        Command::ReleasePool(ReleasePool { pool, claim, verify })
    }

    /// A release of a claim, by another pool id than it was given under.
    fn release_by_id(&self, words: &Words<'_>, verify: bool) -> Command {
        let pool = self.pool(words.at(1));
        if let Some((_, granted)) = self.addresses.get(words.at(2)) {
            let (address, claim) = (granted.address, granted.claim);
            return Command::ReleaseAddress(ReleaseAddress { pool, address, claim, verify });
        }
        let claim = self.granted_pool(words, 2).claim;
        Command::ReleasePool(ReleasePool { pool, claim, verify })
    }

    fn granted_pool(&self, words: &Words<'_>, place: usize) -> &PoolGrant {
        self.pools.get(words.at(place)).unwrap_or_else(|| panic!("{}", words.line))
    }

    fn free(&self, client: &str, words: &Words<'_>) -> Command {
        let (pool, address, claim) = if let Some((pool, granted)) = self.addresses.get(words.at(1))
        {
            (pool.clone(), Some(granted.address), granted.claim)
        } else {
            let granted = self.granted_pool(words, 1);
            (granted.pool.clone(), None, granted.claim)
        };
        let evidence = if words.at(0) == "free" {
            Evidence::Operator { force: words.has("force"), note: None }
        } else {
            let session = self.session(client, pool.space.as_str());
            let began = words.number("began");
            let began = began.map_or(self.world.state.revision(), berth_allocator::Revision::new);
            Evidence::Observation { session, began }
        };
        Command::FreeSuspect(FreeSuspect { pool, address, claim, evidence })
    }
}

fn lease(words: &Words<'_>) -> Millis {
    Millis::new(words.number("lease").unwrap_or_default())
}

fn exact(words: &Words<'_>) -> WantedPool {
    let sub_pool = words.set.get("part").map(|part| prefix(part));
    WantedPool::Exact { prefix: prefix(words.at(2)), sub_pool }
}

fn automatic(words: &Words<'_>) -> WantedPool {
    WantedPool::Automatic {
        family: if words.has("v6") { Family::V6 } else { Family::V4 },
        length: words.number("length").map(|length| u8::try_from(length).unwrap()),
        exclude: words.set.get("exclude").map(|excluded| prefix(excluded)).into_iter().collect(),
        name: words.set.get("name").map(|name| PoolName::new(*name).unwrap()),
    }
}
