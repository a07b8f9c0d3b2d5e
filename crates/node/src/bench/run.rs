//! The generator: a closed loop. Each client asks, waits for the answer, and asks again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{ErrorTexts, Holders, Latencies, Phase, Plan, Progress, Refused, Target};

/// Pause of a client after an error, so that a target which is down is not hammered.
const PAUSE: Duration = Duration::from_millis(10);
/// How long an answer is waited for once the run was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A client, and the realm in which its addresses are no one else's.
#[derive(Debug)]
pub struct Client<T> {
    /// What it asks.
    pub target: T,
    /// See [`Holders`].
    pub realm: u32,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// For how long clients were measured.
    pub lasted: Duration,
    /// Requests that were granted.
    pub requests: Latencies,
    /// Releases that were carried out.
    pub releases: Latencies,
    /// What was not; warm-up and clean-up included.
    pub errors: ErrorTexts,
    /// Clients that got no answer for seconds after an early end; what they did is not counted.
    pub unanswered: usize,
}

/// What all clients of a run share.
struct Shared {
    plan: Plan,
    begin: Instant,
    end: Instant,
    holders: Arc<Holders>,
    progress: Arc<Progress>,
}

/// Has each client ask for so many addresses, to hold them until the end; gives the clients back. Stops
/// at the first error.
pub async fn fill<T: Target>(
    clients: Vec<(Client<T>, u64)>,
    holders: &Arc<Holders>,
    progress: &Arc<Progress>,
) -> Result<Vec<Client<T>>, Refused> {
    progress.begin(Phase::Filling);
    let mut filling = JoinSet::new();
    for (at, (mut client, count)) in clients.into_iter().enumerate() {
        let (holders, progress) = (Arc::clone(holders), Arc::clone(progress));
        filling.spawn(async move {
            for _ in 0..count {
                if progress.is_stopped() {
                    break;
                }
                let address = client.target.request().await?;
                holders.given(client.realm, address);
                progress.given();
            }
            Ok((at, client))
        });
    }
    let mut filled = Vec::new();
    while let Some(ended) = filling.join_next().await {
        // Dropping the others ends them.
        filled.push(ended.map_err(Refused::because)??);
    }
    filled.sort_by_key(|(at, _)| *at);
    Ok(filled.into_iter().map(|(_, client)| client).collect())
}

/// Has all clients work as planned.
pub async fn run<T: Target>(
    plan: Plan,
    clients: Vec<Client<T>>,
    holders: &Arc<Holders>,
    progress: &Arc<Progress>,
) -> Measured {
    let begin = Instant::now() + plan.warm_up;
    let (holders, progress) = (Arc::clone(holders), Arc::clone(progress));
    let shared = Arc::new(Shared { plan, begin, end: begin + plan.duration, holders, progress });
    shared.progress.begin(Phase::WarmingUp);
    let mut working = JoinSet::new();
    for client in clients {
        working.spawn(Worker::new(client, Arc::clone(&shared)).work());
    }
    let mut measured = Measured::default();
    let phases = async {
        sleep_until(begin).await;
        shared.progress.begin(Phase::Measuring);
        sleep_until(shared.end).await;
    };
    tokio::select! {
        () = phases => {}
        () = shared.progress.stopped() => {}
    }
    measured.lasted = Instant::now().min(shared.end).saturating_duration_since(begin);
    gather(&mut working, &mut measured, &shared.progress).await;
    measured
}

/// Takes what clients recorded, when each has its last answer.
async fn gather(working: &mut JoinSet<Recorded>, measured: &mut Measured, progress: &Progress) {
    loop {
        let next = tokio::select! {
            next = working.join_next() => next,
            () = progress.stopped() => match timeout(GRACE, working.join_next()).await {
                Ok(next) => next,
                Err(_) => break,
            },
        };
        match next {
            Some(Ok(recorded)) => {
                measured.requests.add(&recorded.requests);
                measured.releases.add(&recorded.releases);
                measured.errors.merge(recorded.errors);
            }
            Some(Err(failed)) => measured.errors.add(&Refused::because(failed)),
            None => break,
        }
    }
    measured.unanswered = working.len();
    working.shutdown().await;
}

/// What one client recorded.
#[derive(Default)]
struct Recorded {
    requests: Latencies,
    releases: Latencies,
    errors: ErrorTexts,
}

struct Worker<T> {
    client: Client<T>,
    shared: Arc<Shared>,
    held: VecDeque<std::net::IpAddr>,
    recorded: Recorded,
}

impl<T: Target> Worker<T> {
    fn new(client: Client<T>, shared: Arc<Shared>) -> Self {
        Self { client, shared, held: VecDeque::new(), recorded: Recorded::default() }
    }

    async fn work(mut self) -> Recorded {
        while Instant::now() < self.shared.end && !self.shared.progress.is_stopped() {
            self.request().await;
            let hold = self.shared.plan.hold.unwrap_or(u64::MAX);
            if self.held.len() as u64 > hold {
                self.release_oldest().await;
            }
        }
        self.recorded
    }

    async fn request(&mut self) {
        let began = Instant::now();
        match self.client.target.request().await {
            Ok(address) => {
                let took = began.elapsed();
                self.shared.holders.given(self.client.realm, address);
                self.shared.progress.given();
                if self.counts(began) {
                    self.recorded.requests.record(took);
                }
                if self.shared.plan.hold.is_some() {
                    self.held.push_back(address);
                }
            }
            Err(refused) => self.refused(&refused).await,
        }
    }

    async fn release_oldest(&mut self) {
        let Some(address) = self.held.pop_front() else { return };
        self.shared.holders.given_up(self.client.realm, address);
        let began = Instant::now();
        match self.client.target.release(address).await {
            Ok(()) if self.counts(began) => self.recorded.releases.record(began.elapsed()),
            Ok(()) => {}
            Err(refused) => self.refused(&refused).await,
        }
    }

    fn counts(&self, began: Instant) -> bool {
        began >= self.shared.begin && began < self.shared.end
    }

    async fn refused(&mut self, refused: &Refused) {
        self.shared.progress.refused();
        self.recorded.errors.add(refused);
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Mutex;

    use super::*;

    /// Gives the lowest free address; every so many times it errs.
    #[derive(Clone)]
    struct Book {
        held: Arc<Mutex<BTreeSet<u32>>>,
        sins: Sins,
        asked: u32,
    }

    /// At which of a client's requests what goes wrong.
    #[derive(Clone, Copy, Default)]
    struct Sins {
        /// Gives the address 1, although somebody holds it.
        gives_twice: Option<u32>,
        /// Refuses.
        refuses: Option<u32>,
        /// Never answers.
        falls_silent: Option<u32>,
    }

    impl Book {
        fn clients(count: u32, sins: Sins) -> Vec<Client<Self>> {
            let held = Arc::new(Mutex::new(BTreeSet::new()));
            let book = Self { held, sins, asked: 0 };
            (0..count).map(|_| Client { target: book.clone(), realm: 0 }).collect()
        }
    }

    impl Target for Book {
        async fn request(&mut self) -> Result<IpAddr, Refused> {
            sleep(Duration::from_millis(1)).await;
            self.asked += 1;
            let now = Some(self.asked);
            if self.sins.falls_silent == now {
                std::future::pending::<()>().await;
            }
            if self.sins.refuses == now {
                return Err(Refused::because("not today"));
            }
            let mut held = self.held.lock().unwrap();
            let free = (1..=u32::MAX).find(|address| !held.contains(address)).unwrap();
            let given = if self.sins.gives_twice == now { 1 } else { free };
            held.insert(given);
            Ok(Ipv4Addr::from_bits(given).into())
        }

        async fn release(&mut self, address: IpAddr) -> Result<(), Refused> {
            sleep(Duration::from_millis(1)).await;
            let IpAddr::V4(address) = address else { unreachable!("it gives no other") };
            assert!(self.held.lock().unwrap().remove(&address.to_bits()));
            Ok(())
        }
    }

    fn plan(hold: Option<u64>) -> Plan {
        Plan { warm_up: Duration::from_millis(50), duration: Duration::from_millis(200), hold }
    }

    async fn measure(plan: Plan, sins: Sins) -> (Measured, Arc<Holders>) {
        let (holders, progress) = (Arc::default(), Arc::default());
        let measured = run(plan, Book::clients(4, sins), &holders, &progress).await;
        (measured, holders)
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_the_rules_is_found_to_keep_them() {
        let (measured, holders) = measure(plan(Some(3)), Sins::default()).await;
        assert_eq!(holders.twice().count, 0);
        assert_eq!(holders.count(), 12);
        assert_eq!(measured.errors.total(), 0);
        assert_eq!(measured.lasted, plan(None).duration);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_given_twice_is_found() {
        let sins = Sins { gives_twice: Some(2), ..Sins::default() };
        for hold in [None, Some(8)] {
            let (_, holders) = measure(plan(hold), sins).await;
            let twice = holders.twice();
            assert_eq!(twice.count, 4, "each client was given it");
            assert!(twice.examples.iter().all(|address| *address == Ipv4Addr::from_bits(1)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn errors_are_counted_with_their_texts() {
        let sins = Sins { refuses: Some(3), ..Sins::default() };
        let (measured, _) = measure(plan(None), sins).await;
        let counts = measured.errors.counts();
        assert_eq!((counts.len(), counts[0].text.as_str(), counts[0].count), (1, "not today", 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_stopped_waits_for_no_answer_that_never_comes() {
        let sins = Sins { falls_silent: Some(2), ..Sins::default() };
        let (holders, progress) = (Arc::default(), Arc::new(Progress::default()));
        let stopper = Arc::clone(&progress);
        tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            stopper.stop();
        });
        let clients = Book::clients(4, sins);
        let measured = run(plan(None), clients, &holders, &progress).await;
        assert_eq!(measured.unanswered, 4);
        assert_eq!(holders.count(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_filled_is_held_throughout() {
        let (holders, progress) = (Arc::default(), Arc::default());
        let clients = Book::clients(3, Sins::default()).into_iter().zip([5, 0, 7]).collect();
        let clients = fill(clients, &holders, &progress).await.unwrap();
        assert_eq!((clients.len(), holders.count(), progress.done()), (3, 12, 12));
        run(plan(Some(1)), clients, &holders, &progress).await;
        assert_eq!((holders.count(), holders.twice().count), (15, 0));
    }
}
