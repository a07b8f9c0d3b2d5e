//! What the model knows: one list for each kind of thing.

use std::net::IpAddr;

use berth_allocator::{
    AddressKind, Command, Family, OpenSession, PoolName, Prefix, Reserve, Response, SessionId,
    Sharing, SpaceSettings, Text,
};

/// A response, or the code of the rejection.
pub(super) type Expected = Result<Response, &'static str>;

/// Everything, at one revision.
#[derive(Default)]
pub(super) struct Model {
    pub(super) revision: u64,
    pub(super) now: u64,
    pub(super) spaces: Vec<(String, SpaceSettings)>,
    /// Spaces that were restored, and at which revision.
    pub(super) restored: Vec<(String, u64)>,
    /// The same of the state as a whole.
    pub(super) behind: Option<u64>,
    pub(super) sessions: Vec<Session>,
    pub(super) pools: Vec<Pool>,
    pub(super) holds: Vec<Hold>,
    pub(super) claims: Vec<Claim>,
    pub(super) cooling: Vec<Cooling>,
    pub(super) reserved: Vec<Reserve>,
    /// The address that a dynamic request was given last: space, prefix, address.
    pub(super) cursors: Vec<(String, Prefix, u128)>,
    pub(super) keys: Vec<(String, Prefix, Text, IpAddr)>,
}

pub(super) struct Session {
    pub(super) space: String,
    pub(super) id: u64,
    pub(super) client: String,
    pub(super) opened: u64,
}

#[derive(Clone)]
pub(super) struct Pool {
    /// The revision that made it.
    pub(super) made: u64,
    pub(super) space: String,
    pub(super) prefix: Prefix,
    pub(super) part: Option<Prefix>,
    pub(super) name: Option<PoolName>,
    pub(super) gateway: Option<IpAddr>,
    pub(super) since: u64,
    pub(super) behind: bool,
}

#[derive(Clone)]
pub(super) struct Hold {
    pub(super) pool: u64,
    pub(super) client: String,
    pub(super) epoch: u64,
    pub(super) id: u64,
    pub(super) since: u64,
    pub(super) gateway_due: bool,
    pub(super) suspect: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Claim {
    pub(super) space: String,
    pub(super) prefix: Prefix,
    pub(super) address: IpAddr,
    pub(super) pool: u64,
    pub(super) client: String,
    pub(super) epoch: u64,
    pub(super) id: u64,
    pub(super) since: u64,
    pub(super) kind: AddressKind,
    pub(super) suspect: bool,
}

pub(super) struct Cooling {
    pub(super) claim: Claim,
    pub(super) released: u64,
    pub(super) at: u64,
    pub(super) unverified: bool,
}

/// An address as a number; families do not mix within one prefix.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Every address of a (small) prefix.
pub(super) fn addresses(prefix: Prefix) -> impl Iterator<Item = IpAddr> {
    let family = Family::of(prefix.network());
    (prefix.first()..=prefix.last()).map(move |number| family.address(number))
}

pub(super) fn inside(prefix: Prefix, address: IpAddr) -> bool {
    addresses(prefix).any(|other| other == address)
}

pub(super) fn share_an_address(one: Prefix, other: Prefix) -> bool {
    addresses(one).any(|address| inside(other, address))
}

impl Model {
    /// What a command is answered, and what it changes.
    pub(super) fn execute(&mut self, client: &str, command: &Command) -> Expected {
        self.revision += 1;
        match command {
            Command::CreateSpace { name, settings } => {
                self.spaces.push((name.to_string(), settings.clone()));
                self.restored.extend(self.behind.map(|since| (name.to_string(), since)));
                Ok(Response::Done)
            }
            Command::OpenSession(open) => self.open_session(client, open),
            Command::RequestPool(request) => self.request_pool(client, request),
            Command::ReleasePool(release) => self.release_pool(client, release),
            Command::RequestAddress(request) => self.request_address(client, request),
            Command::ReleaseAddress(release) => self.release_address(client, release),
            Command::FreeSuspect(free) => self.free_suspect(client, free),
            Command::ForgetHost { client } => {
                self.forget_host(client.as_str());
                Ok(Response::Done)
            }
            Command::Reserve(reserve) => self.reserve(reserve),
            Command::Unreserve { space, first } => {
                let before = self.reserved.len();
                self.reserved.retain(|r| r.space != *space || r.first != *first);
                if self.reserved.len() < before { Ok(Response::Done) } else { Err("BERTH-0028") }
            }
            Command::DeclareBehind => {
                self.pools.iter_mut().for_each(|pool| pool.behind = true);
                self.behind = Some(self.revision);
                let all = self.spaces.iter().map(|(name, _)| (name.clone(), self.revision));
                self.restored = all.collect();
                Ok(Response::Done)
            }
            Command::Resume { space } => {
                let named = |name: &str| space.as_ref().is_none_or(|space| space.as_str() == name);
                if !self.spaces.iter().any(|(name, _)| named(name)) && space.is_some() {
                    return Err("BERTH-0001");
                }
                self.behind = self.behind.filter(|_| space.is_some());
                self.restored.retain(|(name, _)| !named(name));
                let pools = self.pools.iter_mut().filter(|pool| named(&pool.space));
                pools.for_each(|pool| pool.behind = false);
                Ok(Response::Done)
            }
            Command::ClearBehind { pool } => {
                let made = self.pool(pool)?.made;
                self.pool_mut(made).behind = false;
                Ok(Response::Done)
            }
            other => panic!("the model knows no {other:?}"),
        }
    }

    pub(super) fn settings(&self, space: &str) -> Option<&SpaceSettings> {
        self.spaces.iter().find(|(name, _)| name == space).map(|(_, settings)| settings)
    }

    /// When a space was restored, if it is behind since.
    pub(super) fn restored(&self, space: &str) -> Option<u64> {
        self.restored.iter().find(|(name, _)| name == space).map(|(_, since)| *since)
    }

    pub(super) fn sharing(&self, space: &str) -> Sharing {
        self.settings(space).expect("it was looked up").sharing
    }

    /// True if two hosts claim as one in this space.
    pub(super) fn same(&self, space: &str, one: &str, other: &str) -> bool {
        self.sharing(space) != Sharing::Shared || one == other
    }

    pub(super) fn latest(&self, space: &str, client: &str) -> Option<u64> {
        let own = |session: &&Session| {
            session.space == space && self.same(space, &session.client, client)
        };
        self.sessions.iter().filter(own).map(|session| session.id).max()
    }

    fn open_session(&mut self, client: &str, open: &OpenSession) -> Expected {
        let space = open.space.as_str();
        self.settings(space).ok_or("BERTH-0001")?;
        let latest = self.latest(space, client);
        if latest.is_some() && open.known.map(SessionId::get) != latest {
            return Err("BERTH-0006");
        }
        let id = self.revision;
        let opened = self.now;
        self.sessions.push(Session { space: space.into(), id, client: client.into(), opened });
        Ok(Response::SessionOpened(SessionId::new(id)))
    }

    fn reserve(&mut self, reserve: &Reserve) -> Expected {
        self.settings(reserve.space.as_str()).ok_or("BERTH-0001")?;
        let (first, last) = (number(reserve.first), number(reserve.last));
        if reserve.first.is_ipv4() != reserve.last.is_ipv4() || first > last {
            return Err("BERTH-0026");
        }
        let touches = |r: &Reserve| {
            r.space == reserve.space
                && r.first.is_ipv4() == reserve.first.is_ipv4()
                && number(r.first) <= last
                && first <= number(r.last)
        };
        if self.reserved.iter().any(touches) {
            return Err("BERTH-0027");
        }
        self.reserved.push(reserve.clone());
        Ok(Response::Done)
    }

    /// The reservation that holds an address.
    pub(super) fn reservation(&self, space: &str, address: IpAddr) -> Option<&Reserve> {
        self.reserved.iter().find(|r| {
            r.space.as_str() == space
                && r.first.is_ipv4() == address.is_ipv4()
                && (number(r.first)..=number(r.last)).contains(&number(address))
        })
    }
}
