//! A driver whose address requests wait until they are let through, and a running server for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, ErrorKind,
    Ipam, PoolId, PoolRequest, PoolSpec, RequestContext, Result, Server, ServerConfig, Undelivered,
    async_trait, parse_interface, parse_prefix,
};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// What happened in the driver, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Asked { peer: Option<u32> },
    CallerGone,
    Undelivered(Undelivered),
}

/// Gives 10.9.0.1/16 once the gate is open. `10.9.6.6` makes it panic.
pub(crate) struct Gate {
    open: Semaphore,
    events: mpsc::UnboundedSender<Event>,
    changes: AtomicUsize,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// How many calls reached the driver that change something.
    pub(crate) fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn tell(&self, event: Event) {
        self.events.send(event).expect("the test listens");
    }
}

#[async_trait]
impl Ipam for Gate {
    async fn default_address_spaces(&self, _: &RequestContext) -> Result<AddressSpaces> {
        Ok(AddressSpaces::new("cl", "cg"))
    }

    async fn request_pool(
        &self,
        _: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool> {
        self.change();
        match request.pool {
            PoolSpec::Exact { prefix, .. } if prefix == parse_prefix("10.66.0.0/16").unwrap() => {
                Err(ErrorKind::PoolOverlap.because("by the other one"))
            }
            _ => Ok(AllocatedPool::new(PoolId::new("p")?, parse_prefix("10.9.0.0/16").unwrap())),
        }
    }

    async fn release_pool(&self, _: &RequestContext, _: PoolId) -> Result<()> {
        self.change();
        Ok(())
    }

    async fn request_address(
        &self,
        context: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress> {
        self.change();
        self.tell(Event::Asked { peer: context.peer().and_then(|peer| peer.pid) });
        let sabotage = request.address.is_some_and(|address| address.to_string() == "10.9.6.6");
        assert!(!sabotage, "asked to panic");
        let opened = tokio::select! {
            opened = self.open.acquire() => opened,
            () = context.caller_gone() => {
                self.tell(Event::CallerGone);
                self.open.acquire().await
            }
        };
        opened.expect("never closed").forget();
        Ok(AllocatedAddress::new(parse_interface("10.9.0.1/16").unwrap()).with_mark(7))
    }

    async fn release_address(&self, _: &RequestContext, _: AddressRelease) -> Result<()> {
        self.change();
        Ok(())
    }

    async fn undelivered(&self, _: &RequestContext, answer: Undelivered) {
        self.tell(Event::Undelivered(answer));
    }
}

/// A server for a gate.
pub(crate) struct Plugin {
    pub(crate) gate: Arc<Gate>,
    pub(crate) path: PathBuf,
    events: mpsc::UnboundedReceiver<Event>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    _directory: TempDir,
}

impl Plugin {
    pub(crate) async fn start(config: ServerConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plugins/gate.sock");
        let (sender, events) = mpsc::unbounded_channel();
        let open = Semaphore::new(0);
        let gate = Arc::new(Gate { open, events: sender, changes: AtomicUsize::new(0) });
        let server = Server::bind(&path, gate.clone(), config).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async move { drop(stopped.await) }));
        Self { gate, path, events, stop: Some(stop), serving, _directory: directory }
    }

    pub(crate) async fn event(&mut self) -> Event {
        timeout(LONG, self.events.recv()).await.expect("an event").expect("the driver lives")
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    pub(crate) fn no_event(&mut self) {
        assert_eq!(self.next_event(), None, "nothing more happened");
    }

    /// Asks the server to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server and waits until it did what was under way.
    pub(crate) async fn drained(&mut self) {
        self.stop();
        timeout(LONG, &mut self.serving).await.expect("it stops").unwrap();
    }

    pub(crate) async fn stopped(mut self) {
        self.drained().await;
    }
}
