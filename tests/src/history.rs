//! Who held which address when, as far as was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// One time for which an address was held.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The address.
    pub address: IpAddr,
    /// Through which node it was asked for.
    pub node: usize,
    /// When it was asked for.
    pub asked: Instant,
    /// When it was given: it was held from then at the latest.
    pub from: Instant,
    /// When its release was asked for: it was held until then at least.
    pub until: Option<Instant>,
}

/// All that clients were told, in the order in which they were told it.
#[derive(Default)]
pub struct History {
    holds: Mutex<Vec<Hold>>,
    refusals: Mutex<Vec<(usize, Instant, String)>>,
}

impl History {
    fn holds(&self) -> std::sync::MutexGuard<'_, Vec<Hold>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Instant, String)>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An address was given, just now. The number is for [`released`](Self::released).
    pub fn given(&self, node: usize, address: IpAddr, asked: Instant) -> usize {
        let mut holds = self.holds();
        holds.push(Hold { address, node, asked, from: Instant::now(), until: None });
        holds.len() - 1
    }

    /// The address of this hold is about to be released.
    pub fn released(&self, hold: usize) {
        if let Some(hold) = self.holds().get_mut(hold) {
            hold.until = Some(Instant::now());
        }
    }

    /// A request got an error instead of an answer.
    pub fn refused(&self, node: usize, error: String) {
        self.refusals().push((node, Instant::now(), error));
    }

    /// How many addresses were given.
    pub fn len(&self) -> usize {
        self.holds().len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Requests that got an error, through which node and when.
    pub fn errors(&self) -> Vec<(usize, Instant, String)> {
        self.refusals().clone()
    }

    /// When a node first gave an address that was asked for after `moment`.
    pub fn first_given_after(&self, node: usize, moment: Instant) -> Option<Instant> {
        let holds = self.holds();
        let asked_since = holds.iter().filter(|hold| hold.node == node && hold.asked > moment);
        asked_since.map(|hold| hold.from).min()
    }

    /// Addresses that were acknowledged, and whose release nobody asked for.
    pub fn held(&self) -> BTreeSet<IpAddr> {
        let holds = self.holds();
        holds.iter().filter(|hold| hold.until.is_none()).map(|hold| hold.address).collect()
    }

    /// Fails if an address was held twice at any moment.
    pub fn assert_never_twice(&self) {
        let mut by_address: BTreeMap<IpAddr, Vec<Hold>> = BTreeMap::new();
        for hold in self.holds().iter() {
            by_address.entry(hold.address).or_default().push(hold.clone());
        }
        for holds in by_address.values_mut() {
            holds.sort_by_key(|hold| hold.from);
            for (earlier, later) in holds.iter().zip(holds.iter().skip(1)) {
                let over = earlier.until.is_some_and(|until| until <= later.from);
                assert!(over, "{} was held twice: {earlier:?}, {later:?}", earlier.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "was held twice")]
    fn an_address_given_twice_is_found() {
        let history = History::default();
        let address = IpAddr::from([10, 0, 0, 1]);
        history.given(0, address, Instant::now());
        history.given(1, address, Instant::now());
        history.assert_never_twice();
    }

    #[test]
    fn an_address_given_again_after_its_release_is_right() {
        let history = History::default();
        let address = IpAddr::from([10, 0, 0, 1]);
        let first = history.given(0, address, Instant::now());
        history.released(first);
        history.given(1, address, Instant::now());
        history.assert_never_twice();
        assert_eq!(history.held(), BTreeSet::from([address]));
    }
}
