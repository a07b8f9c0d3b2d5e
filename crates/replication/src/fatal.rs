//! The end of a node: the first failed write or sync is its last, and whatever else it cannot go on
//! after.
//!
//! After a failed sync nobody knows what is on disk, and asking again may falsely succeed. So the
//! error is latched, further writes are refused, and the process is expected to end.

use std::sync::Arc;

use tokio::sync::watch;

/// Why the node cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {reason}; the node stops{}", because(*.disk))]
pub struct FatalError {
    /// What was being done.
    pub operation: &'static str,
    /// What happened.
    pub reason: String,
    /// It was a write or a sync: what is on disk is not known any more.
    pub disk: bool,
}

const fn because(disk: bool) -> &'static str {
    if disk { ", because what is on disk is not known any more" } else { "" }
}

/// Tells of the first [`FatalError`]. Clones tell of the same one.
#[derive(Debug, Clone)]
pub struct Fatal(Arc<watch::Sender<Option<FatalError>>>);

impl Fatal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }

    /// Latches an error that is no failed write, unless an earlier one is; gives the one that stands.
    pub(crate) fn raise(&self, operation: &'static str, reason: &impl ToString) -> FatalError {
        self.latch(FatalError { operation, reason: reason.to_string(), disk: false })
    }

    /// The same for a failed write or sync.
    pub(crate) fn raise_write(
        &self,
        operation: &'static str,
        reason: &impl ToString,
    ) -> FatalError {
        self.latch(FatalError { operation, reason: reason.to_string(), disk: true })
    }

    fn latch(&self, error: FatalError) -> FatalError {
        let first = self.0.send_if_modified(|latched| {
            let first = latched.is_none();
            latched.get_or_insert_with(|| error.clone());
            first
        });
        if first {
            let FatalError { operation, reason, .. } = &error;
            tracing::error!(operation, %reason, "fatal error, the node stops");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_write_leaves_the_disk_in_doubt() {
        let told = Fatal::new().raise_write("writing the log", &"no space").to_string();
        let doubt = "the node stops, because what is on disk is not known any more";
        assert_eq!(told, format!("writing the log failed: no space; {doubt}"));
        let told = Fatal::new().raise("running Raft", &"it ended").to_string();
        assert_eq!(told, "running Raft failed: it ended; the node stops");
    }

    #[test]
    fn the_first_error_stands() {
        let fatal = Fatal::new();
        let first = fatal.raise_write("writing the log", &"no space");
        assert_eq!(fatal.clone().raise("running Raft", &"it ended"), first);
        assert_eq!(fatal.error(), Some(first));
    }
}
