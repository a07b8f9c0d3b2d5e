//! Requests of the API that change something: on record by the commands that they begin, or, where
//! they begin none here, as what they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use super::change::Change;
use super::outcome::Outcome;
use super::{Asker, asker, cut, write};

tokio::task_local! {
    /// Whether the request has begun a command.
    static BEGUN: Arc<AtomicBool>;
}

/// The request under way, if there is one, is on record by a command.
pub(super) fn has_begun() {
    // Most commands are an engine's.
    let _ = BEGUN.try_with(|begun| begun.store(true, Ordering::Relaxed));
}

/// Records requests that were refused before they began a command, or handed to a server.
pub(crate) async fn of_requests(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let change = Change::named(format!("{} {}", request.method(), cut(request.uri().path())));
    let begun = Arc::default();
    let asked = Asked { asker: asker(), change, begun: Arc::clone(&begun), over: false };
    let response = BEGUN.scope(begun, next.run(request)).await;
    asked.answered(&Outcome::of_response(&response));
    response
}

/// A request under way. One that is dropped has an unknown outcome.
struct Asked {
    asker: Asker,
    change: Change,
    begun: Arc<AtomicBool>,
    over: bool,
}

impl Asked {
    fn answered(mut self, outcome: &Outcome) {
        self.over = true;
        self.write(outcome);
    }

    fn write(&self, outcome: &Outcome) {
        if !self.begun.load(Ordering::Relaxed) {
            write(&self.asker, &self.change, outcome);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.over {
            self.write(&Outcome::unheard());
        }
    }
}
