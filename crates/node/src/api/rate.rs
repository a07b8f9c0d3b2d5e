//! How often one client may ask: a user of the socket, a token, or an agent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State as Of};
use axum::middleware::Next;
use axum::response::Response;
use berth_replication::NodeName;
use tokio::time::Instant;

use super::{Api, Problem};
use crate::audit::{self, Asker};
use crate::code::Code;

/// Requests of one client, for as long as it likes.
const REQUESTS_PER_SECOND: u32 = 200;
/// Requests of one client at once, after it was silent.
const REQUESTS_BURST: u32 = 1_000;
/// Clients above which those are forgotten that have been silent.
const CLIENTS_KEPT: usize = 256;
/// How often it is logged that a client asks too often.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// What always answers: whether the process lives and serves.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Requests that one client may still make: a token bucket, as the time at which it is full again.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
    /// When it was logged that it was empty.
    logged: Option<Instant>,
}

impl Bucket {
    /// What one request takes, in time.
    const TOKEN: Duration = Duration::from_secs(1).checked_div(REQUESTS_PER_SECOND).expect("some");
    /// How long an empty one takes to fill.
    const FILLS_IN: Duration = Self::TOKEN.saturating_mul(REQUESTS_BURST);

    fn full(now: Instant) -> Self {
        Self { full_at: now, logged: None }
    }

    /// Takes a request; or says in how long there is one again.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + Self::TOKEN;
        match full_at.duration_since(now).checked_sub(Self::FILLS_IN) {
            None | Some(Duration::ZERO) => {
                self.full_at = full_at;
                Ok(())
            }
            Some(short) => Err(short),
        }
    }

    /// Whether it is to be logged that it is empty.
    fn logs(&mut self, now: Instant) -> bool {
        let due = self.logged.is_none_or(|at| now.duration_since(at) >= LOG_EVERY);
        if due {
            self.logged = Some(now);
        }
        due
    }

    /// Whether it is as good as a new one.
    fn is_like_new(&self, now: Instant) -> bool {
        self.full_at <= now && self.logged.is_none_or(|at| now.duration_since(at) >= LOG_EVERY)
    }
}

/// One who asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Client {
    User(u32),
    Agent(NodeName),
    Bearer(u64),
}

impl Client {
    /// Nothing for this process itself.
    fn of(asker: Asker) -> Option<Self> {
        match asker {
            Asker::User(process) => Some(Self::User(process.uid)),
            Asker::Agent(name) => Some(Self::Agent(name)),
            Asker::Bearer(bearer) => Some(Self::Bearer(bearer.token.get())),
            _ => None,
        }
    }
}

/// The buckets of all clients.
#[derive(Default)]
pub(super) struct Rates(Mutex<BTreeMap<Client, Bucket>>);

impl Rates {
    fn take(&self, client: &Client, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS_KEPT && !buckets.contains_key(client) {
            buckets.retain(|_, bucket| !bucket.is_like_new(now));
        }
        let bucket = buckets.entry(client.clone()).or_insert_with(|| Bucket::full(now));
        bucket.take(now).inspect_err(|_| {
            if bucket.logs(now) {
                tracing::warn!(target: audit::TARGET, ?client, "a client asks the API too often");
            }
        })
    }
}

/// Refuses a client that asks too often.
pub(super) async fn limited(
    Of(api): Of<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !PROBES.contains(&request.uri().path())
        && let Some(client) = Client::of(audit::asker())
    {
        api.0.rates.take(&client, Instant::now()).map_err(too_often)?;
    }
    Ok(next.run(request).await)
}

fn too_often(short: Duration) -> Problem {
    let seconds = short.as_secs() + u64::from(short.subsec_nanos() > 0);
    let detail = format!(
        "nothing was done: one user, token or agent may make {REQUESTS_PER_SECOND} requests a second, and \
         {REQUESTS_BURST} at once; ask again in {seconds} s"
    );
    Problem { retry_after: Some(seconds), ..Problem::new(Code::TooOften, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate_and_the_time_to_wait() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        for _ in 0..REQUESTS_BURST {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Bucket::TOKEN));
        let soon = start + Bucket::TOKEN / 2;
        assert_eq!(bucket.take(soon), Err(Bucket::TOKEN / 2));
        let next = start + Bucket::TOKEN;
        assert_eq!(bucket.take(next), Ok(()));
        assert_eq!(bucket.take(next), Err(Bucket::TOKEN));
        let later = next + Duration::from_secs(1);
        let taken = std::iter::repeat_with(|| bucket.take(later)).take_while(Result::is_ok).count();
        assert_eq!(taken, REQUESTS_PER_SECOND as usize);
        assert!(!bucket.is_like_new(later));
        assert!(bucket.is_like_new(later + Bucket::FILLS_IN));
    }

    #[test]
    fn clients_do_not_take_from_each_other_and_silent_ones_are_forgotten() {
        let start = Instant::now();
        let rates = Rates::default();
        let noisy = Client::User(1);
        while rates.take(&noisy, start).is_ok() {}
        let agent = Client::Agent(NodeName::new("worker").unwrap());
        for client in [Client::User(2), agent] {
            assert_eq!(rates.take(&client, start), Ok(()));
        }
        for uid in 10..1_000 {
            assert_eq!(rates.take(&Client::User(uid), start), Ok(()));
        }
        assert!(rates.take(&noisy, start).is_err(), "it is not forgotten");
        let later = start + LOG_EVERY;
        assert_eq!(rates.take(&Client::User(3), later), Ok(()));
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
