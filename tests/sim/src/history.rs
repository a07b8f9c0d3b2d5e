//! What clients did and were told, as the checkers want it.

use berth_allocator::{AddressKind, AddressState, ClaimId, PoolId, SessionId, SpaceName};
use berth_checkers::{Action, Listed, Operation, Outcome, Scope, refusal};
use ipamapi::{ErrorKind, IpamError, PoolSpec};

use crate::call::{Answer, Request};
use crate::network::Micros;
use crate::node::LOCAL_SPACE;

/// Codes of refusals that no checker looks at, but that the log must say too.
const NO_MORE_SUBNETS: &str = "BERTH-0010";
const POOL_OVERLAPS: &str = "BERTH-0011";

/// Operations, some of which are still under way.
#[derive(Default)]
pub(crate) struct Recorder {
    operations: Vec<Operation>,
    ticks: u64,
}

/// An operation that was recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded(usize);

/// Who does something.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The client.
    pub(crate) client: u32,
    /// The host's name.
    pub(crate) host: String,
    /// The session, as far as it is known.
    pub(crate) session: u64,
}

impl Recorder {
    /// A moment later than all that were recorded before it.
    fn moment(&mut self, now: Micros) -> u64 {
        self.ticks = (self.ticks + 1).max(now * 1_000);
        self.ticks
    }

    /// Something is about to be asked.
    pub(crate) fn invoke(
        &mut self,
        now: Micros,
        who: Who,
        action: Action,
        request: Option<String>,
    ) -> Recorded {
        let local = |space: &SpaceName| space.as_str() == LOCAL_SPACE;
        let is_local = match &action {
            Action::BeginSession { space } | Action::RequestPool { space, .. } => local(space),
            Action::ReleasePool { pool }
            | Action::RequestAddress { pool, .. }
            | Action::ReleaseAddress { pool, .. }
            | Action::Free { pool, .. }
            | Action::List { pool } => local(&pool.space),
        };
        let invoked = self.moment(now);
        self.operations.push(Operation {
            client: who.client,
            host: who.host,
            scope: if is_local { Scope::Local } else { Scope::Global },
            session: SessionId::new(who.session),
            invoked,
            returned: None,
            action,
            outcome: Outcome::Unknown,
            request,
            revision: None,
            index: None,
        });
        Recorded(self.operations.len() - 1)
    }

    /// It was answered. In an exclusive space a pool's id tells its session.
    pub(crate) fn answer(
        &mut self,
        now: Micros,
        Recorded(at): Recorded,
        request: &Request,
        answer: &Answer,
    ) {
        let returned = self.moment(now);
        let operation = &mut self.operations[at];
        let outcome = outcome(request, answer);
        if let Answer::Listed(_, index) = answer {
            operation.index = *index;
        }
        if let Outcome::Pool { pool, .. } = &outcome
            && let Some(epoch) = pool.epoch
        {
            operation.session = epoch;
        }
        operation.returned = Some(returned);
        operation.outcome = outcome;
    }

    /// All operations.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

/// What a request does; nothing is recorded of a handshake.
pub(crate) fn action(request: &Request) -> Option<Action> {
    Some(match request {
        Request::Handshake => return None,
        Request::Pool(request) => {
            let space = SpaceName::new(request.space.as_str()).ok()?;
            let space = match request.options.get("berth.space") {
                Some(named) => SpaceName::new(named).ok()?,
                None => space,
            };
            let (prefix, sub_pool) = match request.pool {
                PoolSpec::Automatic { .. } => (None, None),
                PoolSpec::Exact { prefix, sub_pool } => (Some(prefix), sub_pool),
            };
            let prefix = prefix.map(berth_allocator::Prefix::truncated);
            let sub_pool = sub_pool.map(berth_allocator::Prefix::truncated);
            Action::RequestPool { space, prefix, sub_pool }
        }
        Request::ReleasePool(pool) => Action::ReleasePool { pool: pool_id(pool)? },
        Request::Address(request) => Action::RequestAddress {
            pool: pool_id(&request.pool_id)?,
            address: request.address,
            kind: if request.options.is_gateway() {
                AddressKind::Gateway
            } else {
                AddressKind::Endpoint
            },
        },
        Request::List(pool) => Action::List { pool: pool_id(pool)? },
        Request::ReleaseAddress(release) => {
            Action::ReleaseAddress { pool: pool_id(&release.pool_id)?, address: release.address }
        }
    })
}

/// The pool that an engine's id names.
pub(crate) fn pool_id(id: &ipamapi::PoolId) -> Option<PoolId> {
    id.as_str().parse().ok()
}

/// What an answer tells.
pub(crate) fn outcome(request: &Request, answer: &Answer) -> Outcome {
    let release = matches!(request, Request::ReleasePool(_) | Request::ReleaseAddress(_));
    match answer {
        Answer::Done => Outcome::Done,
        Answer::Pool(given) => match pool_id(&given.id) {
            Some(pool) => Outcome::Pool { pool, claim: given.mark.map(ClaimId::new) },
            None => Outcome::Unknown,
        },
        Answer::Address(given) => {
            let claim = given.mark.map(ClaimId::new);
            Outcome::Address { address: given.address.addr(), claim }
        }
        Answer::Listed(listed, _) => Outcome::Listed(listed.clone()),
        // The driver carries a release out, whatever it could answer.
        Answer::Refused(error) if release && !is_refusal(error) => Outcome::Unknown,
        Answer::Refused(error) => refused(error),
        Answer::Lost => Outcome::Unknown,
    }
}

fn refused(error: &IpamError) -> Outcome {
    let code = match error.kind() {
        ErrorKind::PoolNotFound | ErrorKind::UnknownPool => refusal::UNKNOWN_POOL,
        ErrorKind::AddressInUse => refusal::ADDRESS_IN_USE,
        ErrorKind::NoAvailableAddresses => refusal::NO_AVAILABLE_ADDRESSES,
        ErrorKind::PoolOverlap => POOL_OVERLAPS,
        ErrorKind::NoMoreSubnets => NO_MORE_SUBNETS,
        ErrorKind::Unavailable if error.detail().starts_with("nothing was changed") => {
            return Outcome::NotDone;
        }
        _ => return Outcome::Unknown,
    };
    Outcome::Refused { code: code.to_owned() }
}

/// Whether an error is the state's own word, which another attempt would not change.
pub(crate) fn is_refusal(error: &IpamError) -> bool {
    matches!(refused(error), Outcome::Refused { .. })
}

/// The claimed addresses of a pool.
pub(crate) fn claimed(views: Vec<berth_allocator::AddressView>) -> Vec<Listed> {
    let claimed = |state: &AddressState| {
        matches!(state, AddressState::Held | AddressState::Stale | AddressState::Suspect)
    };
    let listed = views.into_iter().filter(|view| claimed(&view.state)).map(|view| Listed {
        address: view.address,
        session: None,
        claim: view.claim.map(|claim| claim.id),
    });
    listed.collect()
}
