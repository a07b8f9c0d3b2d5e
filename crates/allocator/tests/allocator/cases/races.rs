//! Many requests and releases: no address twice, none lost. The state machine executes one command
//! at a time, so a race is an order of commands.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use berth_allocator::{Order, Rejection};

use crate::world::Host;

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Shuffle(u64);

impl Shuffle {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let high = usize::try_from(self.0 >> 33).unwrap();
        high % bound
    }
}

#[test]
fn case_19_half_released_and_given_again() {
    for part in [None, Some("10.1.0.0/22")] {
        let mut host = Host::new();
        let pool = host.pool("10.1.0.0/16", part).unwrap();
        let mut held: Vec<IpAddr> = (0..384).map(|_| host.any(&pool).unwrap()).collect();
        let mut shuffle = Shuffle(19);
        for _ in 0..192 {
            let released = held.swap_remove(shuffle.below(held.len()));
            host.release(&pool, &released.to_string()).unwrap();
        }
        held.extend((0..192).map(|_| host.any(&pool).unwrap()));
        assert_eq!(held.iter().collect::<BTreeSet<_>>().len(), 384, "no duplicates");
        assert_eq!(host.world.state.pool(&pool).unwrap().usage.held, 384);
    }
}

#[test]
fn case_20_a_window_of_serial_requests_moves_through_the_pool() {
    let mut host = Host::new();
    let pool = host.pool("198.168.0.0/25", None).unwrap();
    let (mut window, mut held) = (VecDeque::new(), BTreeSet::new());
    for _ in 0..2_000 {
        if window.len() == 120 {
            let oldest: IpAddr = window.pop_front().unwrap();
            assert!(held.remove(&oldest), "{oldest} is released once");
            host.release(&pool, &oldest.to_string()).unwrap();
        }
        let given = host.next(&pool).unwrap();
        assert!(held.insert(given), "{given} is held once");
        window.push_back(given);
    }
}

#[test]
fn case_22_exactly_what_was_released_can_be_claimed() {
    for prefix in ["10.0.0.0/29", "10.0.0.0/25", "10.0.0.0/24"] {
        for (name, released) in [("all", 0..2), ("even", 0..1), ("odd", 1..2)] {
            let mut host = Host::new();
            let pool = host.pool(prefix, None).unwrap();
            let mut all = Vec::new();
            while let Ok(address) = host.request(&pool, None, Order::First) {
                all.push(address.to_string());
            }
            let chosen = |at: usize| released.contains(&(at % 2));
            for (at, address) in all.iter().enumerate().filter(|(at, _)| chosen(*at)) {
                host.release(&pool, address).unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            for (at, address) in all.iter().enumerate() {
                match host.exactly(&pool, address) {
                    Ok(_) => assert!(chosen(at), "{address} of {prefix} was held ({name})"),
                    Err(Rejection::AddressInUse { .. }) => assert!(!chosen(at), "{address}"),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}
