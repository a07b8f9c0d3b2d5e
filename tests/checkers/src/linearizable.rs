//! Is there an order, in keeping with real time, in which calls done one after the other give the
//! answers that they gave?
//!
//! The search of Wing and Gong, with Lowe's cache of what was tried: *Testing for linearizability*,
//! Concurrency and Computation 29(4), 2017. Whoever has calls on things that do not touch each other
//! should check each thing by itself (Herlihy and Wing's locality): the search is exponential in the
//! number of calls that are under way at once.

use std::collections::HashSet;
use std::hash::Hash;

/// How a thing behaves when calls on it are done one after the other.
pub trait Model {
    /// What it is.
    type State: Clone + Eq + Hash;
    /// A call with its answer.
    type Call;

    /// What it is at first.
    fn first(&self) -> Self::State;

    /// What it is after a call that gave this answer; `None` if it cannot have given it.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;
}

/// A call, and when it was under way.
#[derive(Debug, Clone)]
pub struct Timed<C> {
    /// When it was made.
    pub invoked: u64,
    /// When its answer came; `None` if it never did: the call may have had its effect at any time
    /// since, or have none.
    pub returned: Option<u64>,
    /// The call.
    pub call: C,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none. Of all orders tried, the longest explained these calls; one of the others that
    /// had returned cannot be explained after it.
    Impossible {
        /// The calls of the longest order, by their place in what was given.
        explained: Vec<usize>,
    },
    /// It was given up after the steps that it was allowed. This is not a pass.
    Undecided,
}

/// Looks for an order of the calls, in at most so many steps.
pub fn linearize<M: Model>(model: &M, calls: &[Timed<M::Call>], steps_max: u64) -> Verdict {
    let mut search = Search::new(model, calls);
    for _ in 0..steps_max {
        if let Some(verdict) = search.step() {
            return verdict;
        }
    }
    Verdict::Undecided
}

/// The place before the first event.
const HEAD: usize = 0;

/// A call, or its return.
#[derive(Clone, Copy)]
struct Event {
    call: usize,
    returns: bool,
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Timed<M::Call>],
    /// Events in the order of time, from 1; those of calls in the order that is tried are unlinked.
    events: Vec<Event>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Where each call returns.
    returns: Vec<Option<usize>>,
    /// Calls that returned, and are not in the order yet.
    open: usize,
    state: M::State,
    /// The order that is tried: the event of each call, and the state before it.
    order: Vec<(usize, M::State)>,
    chosen: Chosen,
    tried: HashSet<(Chosen, M::State)>,
    longest: Vec<usize>,
    at: usize,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, calls: &'a [Timed<M::Call>]) -> Self {
        let mut timed: Vec<(u64, Event)> = Vec::new();
        for (call, Timed { invoked, returned, .. }) in calls.iter().enumerate() {
            timed.push((*invoked, Event { call, returns: false }));
            timed.extend(returned.map(|at| (at, Event { call, returns: true })));
        }
        // What happens at the same instant may be in any order: calls come first.
        timed.sort_by_key(|(at, event)| (*at, event.returns));
        let head = Event { call: 0, returns: false };
        let events: Vec<Event> =
            std::iter::once(head).chain(timed.into_iter().map(|(_, event)| event)).collect();
        let mut returns = vec![None; calls.len()];
        for (at, event) in events.iter().enumerate().skip(1).filter(|(_, event)| event.returns) {
            returns[event.call] = Some(at);
        }
        let count = events.len();
        Self {
            model,
            calls,
            next: (1..=count).collect(),
            before: (0..=count).map(|at| at.saturating_sub(1)).collect(),
            open: returns.iter().flatten().count(),
            returns,
            events,
            state: model.first(),
            order: Vec::new(),
            chosen: Chosen(vec![0; calls.len().div_ceil(64)]),
            tried: HashSet::new(),
            longest: Vec::new(),
            at: 1,
        }
    }

    /// One step of the search; a verdict at its end.
    fn step(&mut self) -> Option<Verdict> {
        if self.open == 0 {
            return Some(Verdict::Linearizable);
        }
        let event = self.events[self.at];
        if event.returns {
            // This call had to be in the order by now: the last choice was wrong.
            return self.step_back();
        }
        let next = self.model.step(&self.state, &self.calls[event.call].call);
        let new = next.filter(|next| {
            self.chosen.set(event.call, true);
            let new = self.tried.insert((self.chosen.clone(), next.clone()));
            self.chosen.set(event.call, new);
            new
        });
        match new {
            Some(next) => {
                let before = std::mem::replace(&mut self.state, next);
                self.order.push((self.at, before));
                self.unlink(self.at);
                self.at = self.next[HEAD];
            }
            None => self.at = self.next[self.at],
        }
        None
    }

    fn step_back(&mut self) -> Option<Verdict> {
        if self.order.len() > self.longest.len() {
            self.longest = self.order.iter().map(|(at, _)| self.events[*at].call).collect();
        }
        let Some((at, state)) = self.order.pop() else {
            return Some(Verdict::Impossible { explained: std::mem::take(&mut self.longest) });
        };
        self.state = state;
        self.chosen.set(self.events[at].call, false);
        self.link(at);
        self.at = self.next[at];
        None
    }

    /// Takes a call and its return out of the list.
    fn unlink(&mut self, at: usize) {
        let returns = self.returns[self.events[at].call];
        self.open -= returns.iter().len();
        for at in std::iter::once(at).chain(returns) {
            let (before, next) = (self.before[at], self.next[at]);
            self.next[before] = next;
            self.before[next] = before;
        }
    }

    /// Puts them back, in the reverse order.
    fn link(&mut self, at: usize) {
        let returns = self.returns[self.events[at].call];
        self.open += returns.iter().len();
        for at in returns.into_iter().chain(std::iter::once(at)) {
            let (before, next) = (self.before[at], self.next[at]);
            self.next[before] = at;
            self.before[next] = at;
        }
    }
}

/// A set of calls.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Chosen(Vec<u64>);

impl Chosen {
    fn set(&mut self, call: usize, chosen: bool) {
        let bit = 1 << (call % 64);
        if chosen {
            self.0[call / 64] |= bit;
        } else {
            self.0[call / 64] &= !bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value that is written and read.
    struct Register;

    #[derive(Debug, Clone)]
    enum Call {
        Write(u32),
        Read(u32),
    }
    use Call::{Read, Write};

    impl Model for Register {
        type State = u32;
        type Call = Call;

        fn first(&self) -> u32 {
            0
        }

        fn step(&self, state: &u32, call: &Call) -> Option<u32> {
            match call {
                Write(value) => Some(*value),
                Read(value) => (value == state).then_some(*state),
            }
        }
    }

    fn verdict(calls: &[(u64, u64, Call)]) -> Verdict {
        let timed = |(invoked, returned, call): &(u64, u64, Call)| Timed {
            invoked: *invoked,
            returned: (*returned != u64::MAX).then_some(*returned),
            call: call.clone(),
        };
        linearize(&Register, &calls.iter().map(timed).collect::<Vec<_>>(), 1_000_000)
    }

    const NEVER: u64 = u64::MAX;

    #[test]
    fn a_read_of_what_was_written_is_right_and_a_stale_one_is_found() {
        assert_eq!(verdict(&[(0, 1, Write(1)), (2, 3, Read(1))]), Verdict::Linearizable);
        assert_eq!(
            verdict(&[(0, 1, Write(1)), (2, 3, Read(0))]),
            Verdict::Impossible { explained: vec![0] }
        );
    }

    #[test]
    fn calls_that_overlap_may_be_in_either_order() {
        let overlapping = [(0, 10, Write(1)), (0, 10, Write(2)), (11, 12, Read(1))];
        assert_eq!(verdict(&overlapping), Verdict::Linearizable);
        let twice = [overlapping.as_slice(), &[(13, 14, Read(2))]].concat();
        assert_eq!(verdict(&twice), Verdict::Impossible { explained: vec![1, 0, 2] });
    }

    #[test]
    fn a_call_without_return_may_have_its_effect_late_or_never_but_once() {
        let late = [(0, NEVER, Write(1)), (5, 6, Read(0)), (7, 8, Read(1))];
        assert_eq!(verdict(&late), Verdict::Linearizable);
        assert_eq!(verdict(&[(0, NEVER, Write(1)), (5, 6, Read(0))]), Verdict::Linearizable);
        let back = [late.as_slice(), &[(9, 10, Read(0))]].concat();
        assert!(matches!(verdict(&back), Verdict::Impossible { .. }));
        let before = [(0, 1, Read(1)), (2, NEVER, Write(1))];
        assert!(matches!(verdict(&before), Verdict::Impossible { .. }));
    }

    #[test]
    fn many_calls_at_once_are_decided_by_what_was_tried() {
        let mut calls: Vec<(u64, u64, Call)> = (1..11).map(|at| (0, 100, Write(at))).collect();
        calls.extend((1..11).map(|at| (101 + at, 102 + at, Read(3))));
        assert_eq!(verdict(&calls), Verdict::Linearizable);
        calls.push((200, 201, Read(4)));
        assert!(matches!(verdict(&calls), Verdict::Impossible { .. }));
    }

    #[test]
    fn a_search_that_is_cut_short_is_no_pass() {
        let calls: Vec<Timed<Call>> = (1..9)
            .map(|value| Timed { invoked: 0, returned: Some(9), call: Write(value) })
            .collect();
        assert_eq!(linearize(&Register, &calls, 3), Verdict::Undecided);
    }
}
