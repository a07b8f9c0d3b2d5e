//! The check that no address is given twice.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Addresses given twice that are kept as examples.
const EXAMPLES_MAX: usize = 16;

/// Who holds what, as far as clients know: an address is held from the moment its holder was told,
/// until the moment its holder asks for its release. What is given in between was given twice.
///
/// Addresses of one realm differ from each other; two hosts' own spaces are two realms.
#[derive(Debug, Default)]
pub struct Holders(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    addresses: HashSet<(u32, IpAddr)>,
    twice: Twice,
}

/// Addresses that were given while somebody held them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Twice {
    /// How often that was so.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<IpAddr>,
}

impl Holders {
    /// An address was given.
    pub fn given(&self, realm: u32, address: IpAddr) {
        let mut held = self.held();
        if held.addresses.insert((realm, address)) {
            return;
        }
        held.twice.count += 1;
        if held.twice.examples.len() < EXAMPLES_MAX {
            held.twice.examples.push(address);
        }
    }

    /// The holder of an address is about to ask for its release.
    pub fn given_up(&self, realm: u32, address: IpAddr) {
        self.held().addresses.remove(&(realm, address));
    }

    /// How many addresses are held.
    pub fn count(&self) -> usize {
        self.held().addresses.len()
    }

    /// What was given twice so far.
    pub fn twice(&self) -> Twice {
        self.held().twice.clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_given_twice_only_while_it_is_held_and_in_one_realm() {
        let holders = Holders::default();
        let address = IpAddr::from([198, 18, 0, 1]);
        holders.given(0, address);
        holders.given(1, address);
        holders.given_up(0, address);
        holders.given(0, address);
        assert_eq!((holders.count(), holders.twice()), (2, Twice::default()));
        holders.given(1, address);
        assert_eq!(holders.twice(), Twice { count: 1, examples: vec![address] });
    }
}
