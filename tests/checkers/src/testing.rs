//! Small histories, written down as a test tells them.

use std::net::IpAddr;

use berth_allocator::{AddressKind, ClaimId, PoolId, SessionId};

use crate::{Action, History, Listed, Listing, Operation, Outcome, Scope, refusal};

/// One operation after the other, each with a client of its own, on one pool.
pub(crate) struct Script {
    operations: Vec<Operation>,
    pool: PoolId,
    scope: Scope,
    next: Option<(u64, Option<u64>)>,
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Script {
    /// On a pool of an exclusive space.
    pub(crate) fn new() -> Self {
        Self::of("Global~1/10.0.0.0/24", Scope::Global)
    }

    pub(crate) fn shared() -> Self {
        Self::of("Shared/10.0.0.0/24", Scope::Global)
    }

    pub(crate) fn local() -> Self {
        Self::of("Local/10.0.0.0/24", Scope::Local)
    }

    fn of(pool: &str, scope: Scope) -> Self {
        Self { operations: Vec::new(), pool: pool.parse().unwrap(), scope, next: None }
    }

    pub(crate) fn history(&self) -> History {
        History { operations: self.operations.clone(), last: None }
    }

    /// What was there in the end: addresses, each with its session.
    pub(crate) fn listing(&self, addresses: &[(&str, u64)]) -> Listing {
        let listed = |(text, session): &(&str, u64)| Listed {
            address: address(text),
            session: Some(SessionId::new(*session)),
            claim: None,
        };
        Listing {
            scope: self.scope,
            host: "host".to_owned(),
            pool: PoolId { epoch: None, ..self.pool.clone() },
            addresses: addresses.iter().map(listed).collect(),
        }
    }

    /// The next operation's times.
    pub(crate) fn at(&mut self, invoked: u64, returned: u64) -> &mut Self {
        self.next = Some((invoked, Some(returned)));
        self
    }

    /// The pool from here on.
    pub(crate) fn prefix(&mut self, prefix: &str) -> &mut Self {
        self.pool.prefix = prefix.parse().unwrap();
        self
    }

    /// The host of the last operation.
    pub(crate) fn host(&mut self, host: &str) -> &mut Self {
        host.clone_into(&mut self.last().host);
        self
    }

    /// The claim of the last operation.
    pub(crate) fn claim(&mut self, number: u64) -> &mut Self {
        if let Outcome::Address { claim, .. } | Outcome::Pool { claim, .. } =
            &mut self.last().outcome
        {
            *claim = Some(ClaimId::new(number));
        }
        self
    }

    /// The request id of the last operation.
    pub(crate) fn request(&mut self, id: &str) -> &mut Self {
        self.last().request = Some(id.to_owned());
        self
    }

    /// Revision and log index of the last operation's answer.
    pub(crate) fn index(&mut self, revision: u64, index: u64) -> &mut Self {
        self.last().revision = Some(revision);
        self.last().index = Some(index);
        self
    }

    pub(crate) fn last(&mut self) -> &mut Operation {
        self.operations.last_mut().unwrap()
    }

    fn id(&self, session: u64) -> PoolId {
        let epoch = self.pool.epoch.map(|_| SessionId::new(session));
        PoolId { epoch, ..self.pool.clone() }
    }

    fn push(&mut self, session: u64, action: Action, outcome: Outcome) -> &mut Self {
        let begin = 10 * self.operations.len() as u64;
        let (invoked, returned) = self.next.take().unwrap_or((begin, Some(begin + 5)));
        self.operations.push(Operation {
            client: u32::try_from(self.operations.len()).unwrap(),
            host: "host".to_owned(),
            scope: self.scope,
            session: SessionId::new(session),
            invoked,
            returned,
            action,
            outcome,
            request: None,
            revision: None,
            index: None,
        });
        self
    }

    fn ask(
        &mut self,
        session: u64,
        address: Option<IpAddr>,
        kind: AddressKind,
        outcome: Outcome,
    ) -> &mut Self {
        let action = Action::RequestAddress { pool: self.id(session), address, kind };
        self.push(session, action, outcome)
    }

    /// The pool was given.
    pub(crate) fn pool(&mut self, session: u64) -> &mut Self {
        let pool = self.id(session);
        let (space, prefix) = (pool.space.clone(), Some(pool.prefix));
        let action = Action::RequestPool { space, prefix, sub_pool: None };
        self.push(session, action, Outcome::Pool { pool, claim: None })
    }

    pub(crate) fn released_pool(&mut self, session: u64) -> &mut Self {
        let pool = self.id(session);
        self.push(session, Action::ReleasePool { pool }, Outcome::Done)
    }

    /// Any address was asked for, and this one given.
    pub(crate) fn given(&mut self, session: u64, text: &str) -> &mut Self {
        let outcome = Outcome::Address { address: address(text), claim: None };
        self.ask(session, None, AddressKind::Endpoint, outcome)
    }

    /// This address was asked for, and given.
    pub(crate) fn exact(&mut self, session: u64, text: &str) -> &mut Self {
        let address = address(text);
        let outcome = Outcome::Address { address, claim: None };
        self.ask(session, Some(address), AddressKind::Endpoint, outcome)
    }

    /// This address was asked for as the gateway, and given.
    pub(crate) fn gateway(&mut self, session: u64, text: &str) -> &mut Self {
        let address = address(text);
        let outcome = Outcome::Address { address, claim: None };
        self.ask(session, Some(address), AddressKind::Gateway, outcome)
    }

    /// An address was asked for, this one or any, and who asked never heard.
    pub(crate) fn unknown(&mut self, session: u64, text: Option<&str>) -> &mut Self {
        self.ask(session, text.map(address), AddressKind::Endpoint, Outcome::Unknown)
    }

    /// An address was asked for, this one or any, and refused.
    pub(crate) fn refused(&mut self, session: u64, text: Option<&str>) -> &mut Self {
        let code = match text {
            Some(_) => refusal::ADDRESS_IN_USE,
            None => refusal::NO_AVAILABLE_ADDRESSES,
        };
        let outcome = Outcome::Refused { code: code.to_owned() };
        self.ask(session, text.map(address), AddressKind::Endpoint, outcome)
    }

    fn release(&mut self, session: u64, text: &str, outcome: Outcome) -> &mut Self {
        let action = Action::ReleaseAddress { pool: self.id(session), address: address(text) };
        self.push(session, action, outcome)
    }

    pub(crate) fn released(&mut self, session: u64, text: &str) -> &mut Self {
        self.release(session, text, Outcome::Done)
    }

    pub(crate) fn unknown_release(&mut self, session: u64, text: &str) -> &mut Self {
        self.release(session, text, Outcome::Unknown)
    }

    pub(crate) fn refused_release(&mut self, session: u64, text: &str) -> &mut Self {
        let code = refusal::UNKNOWN_POOL.to_owned();
        self.release(session, text, Outcome::Refused { code })
    }

    /// The pool was listed, with these addresses.
    pub(crate) fn listed(&mut self, addresses: &[&str]) -> &mut Self {
        let pool = PoolId { epoch: None, ..self.pool.clone() };
        let listed = |text: &&str| Listed { address: address(text), session: None, claim: None };
        let outcome = Outcome::Listed(addresses.iter().map(listed).collect());
        self.push(0, Action::List { pool }, outcome)
    }
}
