//! What the explorer's `JoinSet` lacks of tokio's.

use futures::FutureExt;
use tokio::task::{JoinError, JoinSet};

pub(crate) trait JoinSetExt<T> {
    /// A task that has ended, if there is one.
    fn try_join_next(&mut self) -> Option<Result<T, JoinError>>;

    /// Ends all tasks and waits for that.
    fn shutdown(&mut self) -> impl Future<Output = ()> + Send;
}

impl<T: Send + 'static> JoinSetExt<T> for JoinSet<T> {
    fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.join_next().now_or_never().flatten()
    }

    async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }
}
