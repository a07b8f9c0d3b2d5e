//! Entries on their way to a follower.
//!
//! Messages follow each other without waiting for answers, which come in their order. What is committed is
//! told along with the next entries: a message for that alone waits a little for some, since under load it
//! would double all messages.

use std::pin::Pin;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, Stream, StreamExt};
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use tokio::time::{Instant, Sleep, sleep};

use super::TypeConfig;

/// Messages without an answer yet.
const UNDER_WAY_MAX: usize = 8;
/// How long a message without entries waits for some. A follower's readers wait as long.
const LINGER: Duration = Duration::from_millis(2);

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;
type Sent = Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>>;

/// The messages to one follower, from a stream of requests to a stream of answers.
pub(super) struct Appending<'a, Requests, Call> {
    requests: Requests,
    /// Sends a message, and waits for its answer.
    call: Call,
    under_way: FuturesOrdered<BoxFuture<'a, Answered>>,
    /// A message without entries, and when it goes.
    lingering: Option<(Request, Instant)>,
    /// When that is looked at next. Under load it comes to nothing, and setting it anew for each message
    /// would cost what is to be saved.
    alarm: Pin<Box<Sleep>>,
    is_set: bool,
    /// Whether further requests may come.
    more: bool,
}

/// An answer, and whether there may be another one behind it.
struct Answered {
    answer: Answer,
    goes_on: bool,
}

impl<'a, Requests, Call, Calling> Appending<'a, Requests, Call>
where
    Requests: Stream<Item = Request> + Unpin + Send + 'a,
    Call: Fn(Request) -> Calling + Send + 'a,
    Calling: Future<Output = Sent> + Send + 'a,
{
    pub(super) fn new(requests: Requests, call: Call) -> Self {
        let (under_way, alarm) = (FuturesOrdered::new(), Box::pin(sleep(LINGER)));
        Self { requests, call, under_way, lingering: None, alarm, is_set: false, more: true }
    }

    /// The answers; none comes behind one that is no success.
    pub(super) fn answers(self) -> impl Stream<Item = Answer> + Send + 'a {
        futures::stream::unfold(Some(self), async |appending| {
            let mut appending = appending?;
            let Answered { answer, goes_on } = appending.next().await?;
            Some((answer, goes_on.then_some(appending)))
        })
    }

    async fn next(&mut self) -> Option<Answered> {
        loop {
            let room = self.more && self.under_way.len() < UNDER_WAY_MAX;
            tokio::select! {
                biased;
                Some(answered) = self.under_way.next() => return Some(answered),
                request = self.requests.next(), if room => match request {
                    Some(request) if request.entries.is_empty() => self.linger(request),
                    Some(request) => {
                        // It says what is committed, too.
                        self.lingering = None;
                        self.begin(request);
                    }
                    None => {
                        self.more = false;
                        self.begin_lingering();
                    }
                },
                () = &mut self.alarm, if self.is_set => self.look_at_lingering(),
                else => return None,
            }
        }
    }

    fn linger(&mut self, request: Request) {
        let earlier = self.lingering.take().map(|(_, goes)| goes);
        let goes = earlier.unwrap_or_else(|| Instant::now() + LINGER);
        self.lingering = Some((request, goes));
        if !self.is_set {
            self.alarm.as_mut().reset(goes);
            self.is_set = true;
        }
    }

    fn look_at_lingering(&mut self) {
        self.is_set = false;
        match &self.lingering {
            Some((_, goes)) if *goes > Instant::now() => {
                self.alarm.as_mut().reset(*goes);
                self.is_set = true;
            }
            _ => self.begin_lingering(),
        }
    }

    fn begin_lingering(&mut self) {
        if let Some((request, _)) = self.lingering.take() {
            self.begin(request);
        }
    }

    fn begin(&mut self, request: Request) {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let sending = (self.call)(request);
        self.under_way.push_back(Box::pin(async move {
            let answer = sending.await.map(|response| {
                let all = match &response {
                    AppendEntriesResponse::PartialSuccess(upto) => *upto == last,
                    _ => true,
                };
                (response.into_stream_result(previous, last), all)
            });
            match answer {
                Ok((answer, all)) => {
                    Answered { goes_on: all && answer.is_ok(), answer: Ok(answer) }
                }
                Err(error) => Answered { answer: Err(error), goes_on: false },
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::{Arc, Mutex};

    use futures::channel::mpsc;
    use futures::stream::BoxStream;
    use openraft::errors::Unreachable;
    use openraft::raft::StreamAppendError;
    use tokio::sync::Notify;

    use super::*;
    use crate::raft::config::{Leader, Payload};
    use crate::raft::{Entry, LogId};

    const AT: fn(u64) -> LogId = |index| LogId::new(Leader { term: 1, node_id: 1 }, index);

    /// A request with an entry at `index`, or without any.
    fn request(index: u64, empty: bool, committed: u64) -> Request {
        let entry = Entry { log_id: AT(index), payload: Payload::Blank };
        let (previous, entries) = if empty { (index, vec![]) } else { (index - 1, vec![entry]) };
        let (prev_log_id, leader_commit) = (Some(AT(previous)), Some(AT(committed)));
        AppendEntriesRequest {
            vote: openraft::Vote::new(1, 1),
            prev_log_id,
            entries,
            leader_commit,
        }
    }

    /// What was sent: how many entries, and what was said to be committed.
    type Seen = Arc<Mutex<Vec<(usize, u64)>>>;

    fn see(seen: &Seen, request: &Request) {
        let committed = request.leader_commit.map_or(0, |id| id.index());
        seen.lock().unwrap().push((request.entries.len(), committed));
    }

    fn answers(
        respond: impl Fn() -> Sent + Send + 'static,
    ) -> (mpsc::UnboundedSender<Request>, Seen, BoxStream<'static, Answer>) {
        let (requests, queue) = mpsc::unbounded();
        let seen = Seen::default();
        let noted = Arc::clone(&seen);
        let call = move |request| {
            see(&noted, &request);
            std::future::ready(respond())
        };
        (requests, seen, Box::pin(Appending::new(queue, call).answers()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_committed_goes_with_entries_that_follow_soon() {
        let (requests, seen, mut answers) = answers(|| Ok(AppendEntriesResponse::Success));
        requests.unbounded_send(request(1, false, 0)).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(AT(1))));
        requests.unbounded_send(request(1, true, 1)).unwrap();
        tokio::spawn(async move {
            sleep(LINGER / 2).await;
            requests.unbounded_send(request(2, false, 1)).unwrap();
            sleep(LINGER * 9).await;
        });
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(AT(2))));
        assert_eq!(*seen.lock().unwrap(), [(1, 0), (1, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_committed_goes_alone_after_a_little() {
        let (requests, seen, mut answers) = answers(|| Ok(AppendEntriesResponse::Success));
        let began = Instant::now();
        for committed in [3, 4] {
            requests.unbounded_send(request(5, true, committed)).unwrap();
        }
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(AT(5))));
        assert_eq!((began.elapsed(), seen.lock().unwrap().clone()), (LINGER, vec![(0, 4)]));
        // Nothing follows: it need not wait.
        requests.unbounded_send(request(5, true, 5)).unwrap();
        drop(requests);
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(AT(5))));
        assert_eq!(began.elapsed(), LINGER);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn messages_do_not_wait_for_answers_which_come_in_order() {
        let (requests, queue) = mpsc::unbounded();
        let (seen, first, second) =
            (Seen::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (noted, begun) = (Arc::clone(&seen), Arc::clone(&second));
        let call = move |request: Request| {
            see(&noted, &request);
            let index = request.entries.first().map_or(0, |entry| entry.log_id.index());
            let (first, begun) = (Arc::clone(&first), Arc::clone(&begun));
            async move {
                if index == 1 {
                    // The answer to the first comes once the second was sent, and answered.
                    first.notified().await;
                } else {
                    first.notify_one();
                    begun.notify_one();
                }
                Ok(AppendEntriesResponse::Success)
            }
        };
        let mut answers = pin!(Appending::new(queue, call).answers());
        for index in 1..=2 {
            requests.unbounded_send(request(index, false, 0)).unwrap();
        }
        for index in 1..=2 {
            assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(AT(index))));
        }
        second.notified().await;
        assert_eq!(seen.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn nothing_comes_behind_what_is_no_success() {
        let unreachable = || RPCError::from(Unreachable::from_string("gone"));
        let conflict = Err(StreamAppendError::Conflict(AT(0)));
        let (requests, _, mut failing) = answers(move || Err(unreachable()));
        requests.unbounded_send(request(1, false, 0)).unwrap();
        assert!(failing.next().await.unwrap().is_err());
        let (requests, _, mut conflicting) = answers(|| Ok(AppendEntriesResponse::Conflict));
        requests.unbounded_send(request(1, false, 0)).unwrap();
        assert_eq!(conflicting.next().await.unwrap().unwrap(), conflict);
        let partly = || Ok(AppendEntriesResponse::PartialSuccess(Some(AT(0))));
        let (requests, _, mut partial) = answers(partly);
        requests.unbounded_send(request(1, false, 0)).unwrap();
        assert_eq!(partial.next().await.unwrap().unwrap(), Ok(Some(AT(0))));
        for mut ended in [failing, conflicting, partial] {
            assert!(ended.next().await.is_none());
        }
    }
}
