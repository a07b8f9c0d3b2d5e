//! Requests that wait for each other: somebody carries out all that wait at once, as a driver on one host
//! may do for that host's callers.

use std::net::IpAddr;

use berth_node::bench::{Refused, Target};
use tokio::sync::{mpsc, oneshot};

/// Requests that wait at a time.
const WAITING_MAX: usize = 1_024;

/// Answers to a request for an address.
pub(crate) type Answer = oneshot::Sender<Result<IpAddr, Refused>>;

/// Something that is asked of the one who carries it out.
pub(crate) enum Asked {
    /// For an address.
    Request(Answer),
    /// To take one back.
    Release(IpAddr, Answer),
}

/// A client of somebody who carries requests out together.
#[derive(Clone)]
pub(crate) struct Waiting(mpsc::Sender<Asked>);

/// A queue, and clients of it.
pub(crate) fn queue(clients: usize) -> (Vec<Waiting>, mpsc::Receiver<Asked>) {
    let (sender, queue) = mpsc::channel(WAITING_MAX);
    (vec![Waiting(sender); clients], queue)
}

impl Waiting {
    async fn ask(&self, ask: impl FnOnce(Answer) -> Asked) -> Result<IpAddr, Refused> {
        let (answer, answered) = oneshot::channel();
        self.0.send(ask(answer)).await.map_err(Refused::because)?;
        answered.await.map_err(Refused::because)?
    }
}

impl Target for Waiting {
    async fn request(&mut self) -> Result<IpAddr, Refused> {
        self.ask(Asked::Request).await
    }

    async fn release(&mut self, address: IpAddr) -> Result<(), Refused> {
        self.ask(|answer| Asked::Release(address, answer)).await.map(|_| ())
    }
}
