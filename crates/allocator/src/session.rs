//! Sessions and clients: who speaks, in which incarnation, and what was answered.

use alloc::collections::VecDeque;
use serde::{Deserialize, Serialize};

use crate::claim::ClientNumber;
use crate::names::{ClientName, Text};
use crate::{Answer, Incarnation, Sequence, Timestamp};

/// A claimant's incarnation in a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The host through which it was opened.
    pub client: ClientNumber,
    /// When.
    pub opened: Timestamp,
}

/// A host, or an API user, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name.
    pub name: ClientName,
    /// The run that counts.
    pub incarnation: Incarnation,
    /// The random number of its process.
    pub instance: u128,
    /// Where the process runs.
    pub address: Text,
    /// When this run began.
    pub since: Timestamp,
    /// Nobody else may register under this name before.
    pub held_until: Timestamp,
    /// What this run was answered.
    pub window: Window,
    /// What the run before it was answered, for requests that it did not hear the answer of.
    pub previous: Option<(Incarnation, Window)>,
}

/// Answers kept until the client says that it heard them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// Answers below this number are no longer kept.
    pub heard: Sequence,
    /// In order of their sequence numbers, in which they mostly come and go.
    answers: VecDeque<(Sequence, Answer)>,
}

impl Window {
    /// What the command with this number was answered.
    pub(crate) fn get(&self, sequence: Sequence) -> Option<&Answer> {
        let (latest, _) = self.answers.back()?;
        if sequence > *latest {
            return None;
        }
        self.answers.get(self.find(sequence).ok()?).map(|(_, answer)| answer)
    }

    /// Keeps the answer to a command that was not answered before.
    pub(crate) fn insert(&mut self, sequence: Sequence, answer: Answer) {
        match self.answers.back() {
            Some((latest, _)) if sequence <= *latest => match self.find(sequence) {
                Ok(at) => drop(self.answers.get_mut(at).map(|there| there.1 = answer)),
                Err(at) => self.answers.insert(at, (sequence, answer)),
            },
            _ => self.answers.push_back((sequence, answer)),
        }
    }

    fn find(&self, sequence: Sequence) -> Result<usize, usize> {
        self.answers.binary_search_by_key(&sequence, |(sequence, _)| *sequence)
    }

    /// How many answers are kept.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// Forgets the answers below `heard`.
    pub(crate) fn forget(&mut self, heard: Sequence) {
        if heard > self.heard {
            self.heard = heard;
            while self.answers.pop_front_if(|(sequence, _)| *sequence < heard).is_some() {}
        }
    }

    /// Whether each answer stands once, and in its place: what came from elsewhere need not.
    pub(crate) fn is_in_order(&self) -> bool {
        self.answers.iter().is_sorted_by(|(one, _), (next, _)| one < next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Response, Revision};

    fn answer(number: u64) -> Answer {
        Answer { revision: Revision::new(number), outcome: Ok(Response::Done) }
    }

    fn sequences(window: &Window) -> alloc::vec::Vec<u64> {
        window.answers.iter().map(|(sequence, _)| sequence.get()).collect()
    }

    #[test]
    fn answers_are_kept_in_order_however_they_come() {
        let mut window = Window::default();
        for number in [5, 2, 9, 7, 3] {
            window.insert(Sequence::new(number), answer(number));
        }
        assert_eq!(sequences(&window), [2, 3, 5, 7, 9]);
        assert!(window.is_in_order());
        for number in 0..12 {
            let kept = [2, 3, 5, 7, 9].contains(&number).then(|| answer(number));
            assert_eq!(window.get(Sequence::new(number)).cloned(), kept, "{number}");
        }
        window.forget(Sequence::new(5));
        window.forget(Sequence::new(3));
        assert_eq!((window.heard, sequences(&window)), (Sequence::new(5), [5, 7, 9].into()));
    }

    #[test]
    fn answers_out_of_order_are_found() {
        for wrong in [[4, 3], [4, 4]] {
            let answers = wrong.map(|number| (Sequence::new(number), answer(number)));
            let window = Window { answers: answers.into(), ..Window::default() };
            assert!(!window.is_in_order(), "{wrong:?}");
        }
    }
}
