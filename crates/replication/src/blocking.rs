//! Work that blocks: on threads of its own, so that nothing else waits for it.

use tokio::task::JoinHandle;

/// Starts work that blocks. It goes on whether or not anybody waits for it.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[cfg(feature = "sim")]
    if crate::sim::current().is_some() {
        return tokio::spawn(async move { work() });
    }
    tokio::task::spawn_blocking(work)
}
