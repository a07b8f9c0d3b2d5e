//! Answers what servers ask of this host. They cannot call it, so it waits for their questions.

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::transport::{Request, Response};
use crate::{Deadline, Respond};

/// How long a server is waited on for a question; then it is asked again, as a sign of life.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the answer may take beyond that.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Goes on until it is dropped.
pub(super) async fn run(core: Core, respondent: Arc<dyn Respond>) {
    let mut answered = None;
    loop {
        let Some(server) = core.server(Deadline::after(PATIENCE)).await else { continue };
        let patience_ms = Deadline::after(PATIENCE).millis();
        let request = Request::Attend { answered: answered.take(), patience_ms };
        match core.call(&server, &request, Deadline::after(PATIENCE + ANSWER_MAX)).await {
            Ok(Response::Asked { question: Some((number, body)) }) => {
                answered = Some((number, respondent.respond(body).await));
            }
            Ok(Response::Asked { question: None }) => {}
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}
