//! An engine: it calls its host's plugin, once for each request, and everything is written down.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use berth_allocator::{AddressKind, PoolId, Prefix, SessionId, SpaceName};
use berth_checkers::{Action, Listed, Outcome, Scope, refusal};
use berth_node::api::types::AddressState;
use ipamapi::constants::{ENDPOINT_NAME, GATEWAY, REQUEST_ADDRESS_TYPE};
use ipamapi::remote::RetryPolicy;
use ipamapi::{
    AddressRelease, AddressRequest, ErrorKind, Ipam, IpamError, Options, PoolRequest, RemoteIpam,
    RequestContext,
};

use crate::api::Api;
use crate::hosts::Host;
use crate::recorder::{Asked, Recorder};

/// Longer than a host takes to answer whatever happens, if it runs.
const PATIENCE: Duration = Duration::from_secs(15);
/// The label of a pool, and the endpoint's name, under which the log knows a request.
pub const REQUEST: &str = "chaos.request";
/// The space of each host's own networks.
pub const LOCAL: &str = "LocalDefault";
/// The space that all hosts share.
pub const SHARED: &str = "lab";

/// The engine of one host. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    /// Its host's name.
    pub host: String,
    remote: Arc<RemoteIpam>,
    api: Api,
    recorder: Arc<Recorder>,
    /// Which run of the engine it is.
    run: Arc<AtomicU64>,
}

/// In which space a pool is asked for.
#[derive(Debug, Clone)]
pub enum Space {
    /// The realm's.
    Realm(String),
    /// The one that hosts share.
    Shared,
    /// The host's own.
    Local,
}

impl Space {
    /// Whose state it is in.
    pub fn scope(&self) -> Scope {
        if matches!(self, Self::Local) { Scope::Local } else { Scope::Global }
    }

    fn name(&self) -> SpaceName {
        let name = match self {
            Self::Realm(name) => name,
            Self::Shared => SHARED,
            Self::Local => LOCAL,
        };
        name.parse().expect("it is the name of a space")
    }
}

/// One client of an engine: it does one thing at a time.
pub struct Client {
    number: u32,
    engine: Engine,
}

impl Engine {
    /// The engine of a host.
    pub fn new(host: &Host, recorder: &Arc<Recorder>) -> Self {
        let remote = RemoteIpam::new(&host.plugin_socket)
            .with_retry(RetryPolicy::NEVER)
            .with_timeout(PATIENCE);
        Self {
            host: host.name.clone(),
            remote: Arc::new(remote),
            api: Api::new(host.api_socket.clone()),
            recorder: Arc::clone(recorder),
            run: Arc::default(),
        }
    }

    /// A new client of it.
    pub fn client(&self) -> Client {
        Client { number: self.recorder.client(), engine: self.clone() }
    }

    fn run(&self) -> SessionId {
        SessionId::new(self.run.load(Ordering::SeqCst))
    }
}

fn context() -> RequestContext {
    RequestContext::in_process()
}

impl Client {
    /// The engine begins anew, or one of its managers leads: in all spaces a session begins.
    pub async fn handshake(&self) -> bool {
        // A run that Berth did not hear of is one all the same.
        self.engine.run.fetch_add(1, Ordering::SeqCst);
        let space = Space::Local.name();
        let asked = self.asked(Scope::Local, Action::BeginSession { space }, None);
        let invoked = self.engine.recorder.now();
        let outcome = match self.engine.remote.capability(&context()).await {
            Ok(_) => Outcome::Done,
            Err(error) => failed(&error, false),
        };
        let done = outcome == Outcome::Done;
        self.engine.recorder.note(asked, invoked, outcome, None);
        done
    }

    /// A claim on this pool.
    pub async fn pool(&self, space: &Space, prefix: Option<Prefix>) -> Outcome {
        let request = self.engine.recorder.request();
        let action = Action::RequestPool { space: space.name(), prefix, sub_pool: None };
        let asked = self.asked(space.scope(), action, Some(request.clone()));
        let mut options = Options::new().with(REQUEST, request);
        // A network of one host names the shared space as its user does.
        let named = match space {
            Space::Realm(name) => name.as_str(),
            Space::Local => LOCAL,
            Space::Shared => {
                options = options.with("berth.space", SHARED);
                LOCAL
            }
        };
        let text = prefix.map_or_else(String::new, |prefix| prefix.to_string());
        let request = PoolRequest::parse(named, &text, "", false).expect("it is a pool");
        let invoked = self.engine.recorder.now();
        let given =
            self.engine.remote.request_pool(&context(), request.with_options(options)).await;
        let outcome = match given {
            Ok(given) => match given.id.as_str().parse() {
                Ok(pool) => Outcome::Pool { pool, claim: None },
                Err(_) => Outcome::Unknown,
            },
            Err(error) => failed(&error, false),
        };
        self.engine.recorder.note(asked, invoked, outcome.clone(), None);
        outcome
    }

    /// The end of a claim on a pool.
    pub async fn release_pool(&self, scope: Scope, pool: &PoolId) -> Outcome {
        let asked = self.asked(scope, Action::ReleasePool { pool: pool.clone() }, None);
        let id = ipamapi::PoolId::new(pool.to_string()).expect("an id is not empty");
        let invoked = self.engine.recorder.now();
        let outcome = match self.engine.remote.release_pool(&context(), id).await {
            Ok(()) => Outcome::Done,
            Err(error) => failed(&error, true),
        };
        self.engine.recorder.note(asked, invoked, outcome.clone(), None);
        outcome
    }

    /// A claim on this address, or any; on the pool's gateway.
    pub async fn address(
        &self,
        scope: Scope,
        pool: &PoolId,
        address: Option<IpAddr>,
        kind: AddressKind,
    ) -> Outcome {
        let request = self.engine.recorder.request();
        let action = Action::RequestAddress { pool: pool.clone(), address, kind };
        let asked = self.asked(scope, action, Some(request.clone()));
        let mut options = Options::new().with(ENDPOINT_NAME, request);
        if kind == AddressKind::Gateway {
            options = options.with(REQUEST_ADDRESS_TYPE, GATEWAY);
        }
        let pool_id = ipamapi::PoolId::new(pool.to_string()).expect("an id is not empty");
        let request = AddressRequest { pool_id, address, options };
        let invoked = self.engine.recorder.now();
        let outcome = match self.engine.remote.request_address(&context(), request).await {
            Ok(given) => Outcome::Address { address: given.address.addr(), claim: None },
            Err(error) => failed(&error, false),
        };
        self.engine.recorder.note(asked, invoked, outcome.clone(), None);
        outcome
    }

    /// The end of a claim on an address.
    pub async fn release(&self, scope: Scope, pool: &PoolId, address: IpAddr) -> Outcome {
        let action = Action::ReleaseAddress { pool: pool.clone(), address };
        let asked = self.asked(scope, action, None);
        let pool_id = ipamapi::PoolId::new(pool.to_string()).expect("an id is not empty");
        let invoked = self.engine.recorder.now();
        let release = AddressRelease { pool_id, address };
        let outcome = match self.engine.remote.release_address(&context(), release).await {
            Ok(()) => Outcome::Done,
            Err(error) => failed(&error, true),
        };
        self.engine.recorder.note(asked, invoked, outcome.clone(), None);
        outcome
    }

    /// A look at a pool, through the API.
    pub async fn list(&self, scope: Scope, pool: &PoolId) -> Outcome {
        let pool = PoolId { epoch: None, ..pool.clone() };
        let asked = self.asked(scope, Action::List { pool: pool.clone() }, None);
        let invoked = self.engine.recorder.now();
        let (outcome, index) = match listed(&self.engine.api, &pool).await {
            Ok((listed, index)) => (Outcome::Listed(listed), index),
            Err(_) => (Outcome::NotDone, None),
        };
        self.engine.recorder.note(asked, invoked, outcome.clone(), index);
        outcome
    }

    fn asked(&self, scope: Scope, action: Action, request: Option<String>) -> Asked {
        let epoch = match &action {
            Action::ReleasePool { pool }
            | Action::RequestAddress { pool, .. }
            | Action::ReleaseAddress { pool, .. } => pool.epoch,
            _ => None,
        };
        let session = epoch.unwrap_or_else(|| self.engine.run());
        let (client, host) = (self.number, self.engine.host.clone());
        Asked { client, host, scope, session, action, request }
    }
}

/// The claimed addresses of a pool, and the log index up to which they were read.
pub async fn listed(api: &Api, pool: &PoolId) -> Result<(Vec<Listed>, Option<u64>)> {
    let listing = api.addresses(&pool.to_string()).await?;
    anyhow::ensure!(!listing.truncated, "{pool} has more addresses than are listed");
    let claimed = [AddressState::Held, AddressState::Stale, AddressState::Suspect];
    let items = listing.items.into_iter().filter(|item| claimed.contains(&item.state));
    let listed = items.map(|item| Listed {
        address: item.address,
        session: item.claim.as_ref().map(|claim| SessionId::new(claim.session)),
        claim: item.claim.as_ref().map(|claim| berth_allocator::ClaimId::new(claim.id)),
    });
    Ok((listed.collect(), listing.read.map(|read| read.applied)))
}

/// What an error tells. What it does not tell for certain is unknown; and so is every release that was
/// not done, since it is carried out all the same.
fn failed(error: &IpamError, release: bool) -> Outcome {
    let refused = |code: &str| Outcome::Refused { code: code.to_owned() };
    match error.kind() {
        ErrorKind::AddressInUse => refused(refusal::ADDRESS_IN_USE),
        ErrorKind::NoAvailableAddresses => refused(refusal::NO_AVAILABLE_ADDRESSES),
        ErrorKind::PoolNotFound | ErrorKind::UnknownPool => refused(refusal::UNKNOWN_POOL),
        ErrorKind::PoolOverlap => refused("BERTH-0011"),
        ErrorKind::AddressOutOfRange => refused("BERTH-0013"),
        ErrorKind::NoMoreSubnets => refused("BERTH-0010"),
        _ => {
            let text = error.to_string();
            let not_sent = text.contains("cannot connect to plugin socket");
            let not_done = !release && text.starts_with("nothing was changed");
            if not_sent || not_done { Outcome::NotDone } else { Outcome::Unknown }
        }
    }
}
