//! How many connections each caller has: none may take the room of all others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handshake::Caller;

/// Connections of one node: four lanes, each of which may be replaced before its end is noticed, and
/// then some. An agent has one.
const CONNECTIONS_OF_ONE_MAX: usize = 32;

/// The connections of all callers. Clones are the same.
#[derive(Default, Clone)]
pub(super) struct Crowd(Arc<Mutex<BTreeMap<String, usize>>>);

/// One connection's place, until it is dropped.
pub(super) struct Place {
    crowd: Crowd,
    who: String,
}

impl Crowd {
    /// A place for a connection of this caller, unless it has enough.
    pub(super) fn enter(&self, caller: &Caller) -> Option<Place> {
        let who = match caller {
            Caller::Member(node, _) => format!("node {node}"),
            Caller::Agent(name) => format!("agent {name}"),
            Caller::Newcomer(name, _) => format!("newcomer {name}"),
        };
        let mut counts = self.counts();
        let count = counts.entry(who.clone()).or_default();
        if *count >= CONNECTIONS_OF_ONE_MAX {
            return None;
        }
        *count += 1;
        Some(Place { crowd: self.clone(), who })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Lane;
    use crate::{NodeId, NodeName};

    #[test]
    fn each_caller_has_its_own_places_and_gives_them_back() {
        let crowd = Crowd::default();
        let agent = |name| Caller::Agent(NodeName::new(name).unwrap());
        let greedy = agent("1");
        let mut places: Vec<Place> = std::iter::from_fn(|| crowd.enter(&greedy)).collect();
        assert_eq!(places.len(), CONNECTIONS_OF_ONE_MAX);
        let node = Caller::Member(NodeId::new(1), Lane::Forward);
        let others = (crowd.enter(&agent("2")).unwrap(), crowd.enter(&node).unwrap());
        places.pop();
        places.push(crowd.enter(&greedy).unwrap());
        assert!(crowd.enter(&greedy).is_none());
        drop((places, others));
        assert!(crowd.counts().is_empty());
    }
}
