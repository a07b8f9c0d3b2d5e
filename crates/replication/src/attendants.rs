//! Agents that attend to this node: they cannot be called, so they ask for questions, and answer with
//! their next request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::sync::{Mutex, MutexGuard};
use crate::{AskError, Deadline, NodeName, Replica};

/// Questions that may wait for one agent.
const QUESTIONS_MAX: usize = 64;
/// After this long without a word an agent counts as gone: more than it waits for a question.
const GONE_AFTER: Duration = Duration::from_secs(15);

type Reply = oneshot::Sender<Result<Bytes, String>>;
type Questions = mpsc::Receiver<(Bytes, Reply)>;

/// The agents that attend to this node. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Attendants(Arc<Mutex<BTreeMap<NodeName, Arc<Place>>>>);

/// One agent's place.
struct Place {
    ask: mpsc::Sender<(Bytes, Reply)>,
    /// Held by the request that waits for the next question.
    questions: tokio::sync::Mutex<Questions>,
    told: Mutex<Told>,
}

struct Told {
    since: Instant,
    heard: Instant,
    /// A request of the agent waits here.
    waits: bool,
    /// The number of the last question, and who waits for its answer.
    last: u64,
    reply: Option<Reply>,
}

/// An agent that attends to this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendant {
    /// Its name.
    pub name: NodeName,
    /// For how long it has attended without a gap.
    pub since: Duration,
}

impl Attendants {
    /// An agent's answer to its last question is handed on; gives its next one, or none in time.
    pub(crate) async fn attend(
        &self,
        agent: &NodeName,
        answered: Option<(u64, Result<Bytes, String>)>,
        deadline: Deadline,
    ) -> Option<(u64, Bytes)> {
        let place = self.place(agent);
        if let Some((number, answer)) = answered
            && let Some(reply) = place.heard_answer(number)
        {
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        }
        let _here = Here::new(&place);
        let mut questions = timeout_at(deadline.instant(), place.questions.lock()).await.ok()?;
        loop {
            let (body, reply) =
                timeout_at(deadline.instant(), questions.recv()).await.ok().flatten()?;
            if !reply.is_closed() {
                let mut told = place.told();
                told.last += 1;
                told.reply = Some(reply);
                return Some((told.last, body));
            }
        }
    }

    fn place(&self, agent: &NodeName) -> Arc<Place> {
        let mut places = self.places();
        places.retain(|_, place| place.attends());
        Arc::clone(places.entry(agent.clone()).or_insert_with(|| Arc::new(Place::new())))
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<NodeName, Arc<Place>>> {
        self.0.lock().expect("nothing panics while it holds the attendants")
    }

    fn list(&self) -> Vec<Attendant> {
        let places = self.places();
        let attending = places.iter().filter(|(_, place)| place.attends());
        attending
            .map(|(name, place)| Attendant {
                name: name.clone(),
                since: place.told().since.elapsed(),
            })
            .collect()
    }

    pub(crate) async fn ask(
        &self,
        agent: &NodeName,
        question: Bytes,
        deadline: Deadline,
    ) -> Result<Bytes, AskError> {
        let gone = || AskError::Silent(format!("{agent} does not attend to this node"));
        let place = self.places().get(agent).filter(|place| place.attends()).cloned();
        let place = place.ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        place
            .ask
            .try_send((question, reply))
            .map_err(|error| AskError::Silent(error.to_string()))?;
        let silent = |reason: &str| AskError::Silent(format!("{agent} {reason}"));
        let answer = timeout_at(deadline.instant(), answer).await;
        let answer = answer.map_err(|_| silent("did not answer in time"))?;
        answer.map_err(|_| silent("went away"))?.map_err(AskError::Refused)
    }
}

impl Place {
    fn new() -> Self {
        let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
        let now = Instant::now();
        let told = Told { since: now, heard: now, waits: false, last: 0, reply: None };
        Self { ask, questions: tokio::sync::Mutex::new(questions), told: Mutex::new(told) }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("nothing panics while it holds what was told")
    }

    fn attends(&self) -> bool {
        let told = self.told();
        told.waits || told.heard.elapsed() < GONE_AFTER
    }

    /// Who waits for the answer to this question.
    fn heard_answer(&self, number: u64) -> Option<Reply> {
        let mut told = self.told();
        #[cfg(shuttle)]
        let number = if crate::interleavings::sins(crate::interleavings::Sin::TakeAnyAnswer) {
            told.last
        } else {
            number
        };
        if told.last == number { told.reply.take() } else { None }
    }
}

/// A request of an agent waits at its place.
struct Here<'a>(&'a Place);

impl<'a> Here<'a> {
    fn new(place: &'a Place) -> Self {
        let mut told = place.told();
        (told.waits, told.heard) = (true, Instant::now());
        drop(told);
        Self(place)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        let mut told = self.0.told();
        (told.waits, told.heard) = (false, Instant::now());
    }
}

impl Replica {
    /// The agents that attend to this node.
    pub fn attendants(&self) -> Vec<Attendant> {
        self.attendants_here().list()
    }

    /// Asks an agent that attends to this node something.
    pub async fn ask_attendant(
        &self,
        agent: &NodeName,
        question: Bytes,
        deadline: Deadline,
    ) -> Result<Bytes, AskError> {
        self.attendants_here().ask(agent, question, deadline).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(20))
    }

    fn name() -> NodeName {
        NodeName::new("worker").unwrap()
    }

    #[tokio::test]
    async fn a_question_reaches_an_agent_and_its_answer_who_asked() {
        let attendants = Attendants::default();
        let silent = attendants.ask(&name(), Bytes::new(), soon()).await;
        assert!(matches!(silent, Err(AskError::Silent(_))), "{silent:?}");
        let now = Deadline::after(Duration::ZERO);
        assert_eq!(attendants.attend(&name(), None, now).await, None);
        let asking = {
            let attendants = attendants.clone();
            tokio::spawn(async move { attendants.ask(&name(), "what?".into(), soon()).await })
        };
        let (number, question) = attendants.attend(&name(), None, soon()).await.unwrap();
        assert_eq!(question, "what?");
        let stray = Some((number + 1, Ok(Bytes::from("not that"))));
        assert_eq!(attendants.attend(&name(), stray, now).await, None);
        let answer = Some((number, Ok(Bytes::from("that"))));
        assert_eq!(attendants.attend(&name(), answer, now).await, None);
        assert_eq!(asking.await.unwrap(), Ok(Bytes::from("that")));
        assert_eq!(attendants.list().len(), 1);
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_any_more_is_not_asked() {
        let attendants = Attendants::default();
        let now = Deadline::after(Duration::ZERO);
        attendants.attend(&name(), None, now).await;
        let late = attendants.ask(&name(), "late".into(), now).await;
        assert!(matches!(late, Err(AskError::Silent(_))), "{late:?}");
        let soon = Deadline::after(Duration::from_millis(50));
        assert_eq!(attendants.attend(&name(), None, soon).await, None);
    }
}
