//! One call of the driver, from its start until its answer arrived or is known not to have.
//!
//! The call runs on a task of its own: the engine may hang up or the deadline may pass, but what
//! was begun is brought to an end, and an answer nobody heard is given back to the driver.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::brief::brief;
use super::call::{Answer, Call};
use super::stream::Receipt;
use crate::{Ipam, IpamError, RequestContext, wire};

/// Status and body for the engine, and the receipt to pass on or drop.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) receipt: Option<Receipt>,
}

impl Reply {
    /// An error that nobody needs to hear of but the engine.
    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self { status, body: wire::of_error(text), receipt: None }
    }
}

impl From<&IpamError> for Reply {
    fn from(error: &IpamError) -> Self {
        Self::error(error.status(), &error.to_string())
    }
}

/// A call under way.
pub(crate) struct Exchange {
    pub(crate) driver: Arc<dyn Ipam>,
    pub(crate) context: RequestContext,
    pub(crate) call: Call,
    /// Where the engine's answer goes. Nobody listens if it hung up or the deadline passed.
    pub(crate) reply: oneshot::Sender<Reply>,
    /// One of the calls that may run at a time.
    pub(crate) permit: OwnedSemaphorePermit,
    /// Tells a stopping server that this call is not over.
    pub(crate) running: mpsc::Sender<()>,
}

impl Exchange {
    pub(crate) async fn run(self) {
        let Self { driver, context, call, reply, permit, running } = self;
        let started = Instant::now();
        let outcome = call.clone().perform(&*driver, &context).await;
        log(&call, &context, started, &outcome);

        let (receipt, arrival) = oneshot::channel();
        let (answer, given) = match outcome {
            Ok(Answer { body, given }) => {
                (Reply { status: 200, body, receipt: Some(receipt) }, given)
            }
            Err(error) => (Reply::from(&error), None),
        };
        let heard = reply.send(answer).is_ok();
        drop(permit);
        if let Some(given) = given
            && !(heard && arrival.await.is_ok())
        {
            let request = context.id();
            tracing::warn!(request, call = brief(&call), "the engine never got the answer");
            if let Some(answer) = call.in_vain(given) {
                driver.undelivered(&context, answer).await;
            }
        }
        drop(running);
    }
}

fn log(
    call: &Call,
    context: &RequestContext,
    started: Instant,
    outcome: &Result<Answer, IpamError>,
) {
    // A Swarm makes thousands a second: nothing is made of what is not logged.
    if outcome.is_ok() && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let request = context.id();
    let peer = context.peer().map(tracing::field::display);
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let call = brief(call);
    match outcome {
        Ok(answer) => {
            tracing::debug!(request, peer, call, answer = %answer.body, duration_us, "done");
        }
        Err(error) => {
            tracing::warn!(request, peer, call, error = brief(error), duration_us, "refused");
        }
    }
}
