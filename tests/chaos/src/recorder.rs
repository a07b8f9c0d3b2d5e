//! Writes down what clients do, as they do it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use berth_allocator::{PoolId, SessionId};
use berth_checkers::{Action, Operation, Outcome, Scope};
use tokio::time::Instant;

/// The history under way.
pub struct Recorder {
    begin: Instant,
    clients: AtomicU32,
    requests: AtomicU32,
    operations: Mutex<Vec<Operation>>,
}

/// Something a client is about to ask.
pub struct Asked {
    /// The client.
    pub client: u32,
    /// Its host.
    pub host: String,
    /// Whose state it is about.
    pub scope: Scope,
    /// The session; that of an exclusive space's pool is in its id.
    pub session: SessionId,
    /// What is asked.
    pub action: Action,
    /// The request's own name, if Berth is told it.
    pub request: Option<String>,
}

impl Recorder {
    /// Times count from `begin`.
    pub fn new(begin: Instant) -> Self {
        Self {
            begin,
            clients: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            operations: Mutex::default(),
        }
    }

    /// A new client.
    pub fn client(&self) -> u32 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that no other request has.
    pub fn request(&self) -> String {
        format!("r{}", self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Nanoseconds since the beginning.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).expect("a run ends within 500 years")
    }

    /// Notes what was asked, at `invoked`, and answered just now.
    pub fn note(&self, asked: Asked, invoked: u64, outcome: Outcome, index: Option<u64>) {
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
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
