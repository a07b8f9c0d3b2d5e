//! The end of a node: the first failed write or sync is its last.
//!
//! After a failed sync nobody knows what is on disk, and asking again may falsely succeed. So the
//! error is latched, further writes are refused, and the process is expected to end.

use std::sync::Arc;

use tokio::sync::watch;

/// Why the node cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{operation} failed: {reason}; the node stops, because what is on disk is not known any more"
)]
pub struct FatalError {
    /// What was being done.
    pub operation: &'static str,
    /// What happened.
    pub reason: String,
}

/// Tells of the first [`FatalError`]. Clones tell of the same one.
#[derive(Debug, Clone)]
pub struct Fatal(Arc<watch::Sender<Option<FatalError>>>);

impl Fatal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Latches the error, unless an earlier one is; gives the one that stands.
    pub(crate) fn raise(&self, operation: &'static str, reason: &impl ToString) -> FatalError {
        let error = FatalError { operation, reason: reason.to_string() };
        let first = self.0.send_if_modified(|latched| {
            let first = latched.is_none();
            latched.get_or_insert_with(|| error.clone());
            first
        });
        if first {
            tracing::error!(operation, reason = %error.reason, "fatal error, the node stops");
        }
        self.0.borrow().clone().unwrap_or(error)
    }

    /// The error, if there was one.
    pub fn error(&self) -> Option<FatalError> {
        self.0.borrow().clone()
    }

    /// Waits for the error. The process must end then.
    pub async fn wait(&self) -> FatalError {
        let mut changes = self.0.subscribe();
        let latched = changes.wait_for(Option::is_some).await.expect("self holds the sender");
        latched.clone().expect("waited for an error")
    }
}
