//! Writes down what clients do, as they do it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use berth_allocator::{PoolId, SessionId};
use berth_checkers::{Action, Operation, Outcome, Scope};
use tokio::time::Instant;

/// The history under way.
pub(crate) struct Recorder {
    begin: Instant,
    clients: AtomicU32,
    requests: AtomicU32,
    operations: Mutex<Vec<Operation>>,
}

/// Something a client is about to ask.
pub(crate) struct Asked {
    /// The client.
    pub(crate) client: u32,
    /// Its host.
    pub(crate) host: String,
    /// Whose state it is about.
    pub(crate) scope: Scope,
    /// The session; that of an exclusive space's pool is in its id.
    pub(crate) session: SessionId,
    /// What is asked.
    pub(crate) action: Action,
    /// The request's own name, if Berth is told it.
    pub(crate) request: Option<String>,
}

impl Recorder {
    /// Times count from `begin`.
    pub(crate) fn new(begin: Instant) -> Self {
        Self {
            begin,
            clients: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            operations: Mutex::default(),
        }
    }

    /// A new client.
    pub(crate) fn client(&self) -> u32 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that no other request has.
    pub(crate) fn request(&self) -> String {
        format!("r{}", self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Nanoseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).expect("a run ends within 500 years")
    }

    /// Notes what was asked, at `invoked`, and answered just now.
    pub(crate) fn note(&self, asked: Asked, invoked: u64, outcome: Outcome, index: Option<u64>) {
        let Asked { client, host, scope, mut session, action, request } = asked;
        let epoch = |pool: &PoolId| pool.epoch;
        if let Outcome::Pool { pool, .. } = &outcome {
            session = epoch(pool).unwrap_or(session);
        }
        let returned = Some(self.now());
        let revision = None;
        let operation = Operation {
            client,
            host,
            scope,
            session,
            invoked,
            returned,
            action,
            outcome,
            request,
            revision,
            index,
        };
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    /// All that was noted so far.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
