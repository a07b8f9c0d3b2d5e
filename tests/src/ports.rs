//! Ports for nodes to listen on. The tests of single crates include this file too.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that a kernel gives to outgoing connections: those of a dead node's peers must
/// not take its port before it is back.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Ports of loopback on which nothing listens.
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin in different places.
    let start = u16::try_from(std::process::id() % 1_000).unwrap() * 12;
    let candidates = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        FIRST + start.wrapping_add(step) % COUNT
    });
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports: Vec<u16> = candidates.filter(free).take(count).collect();
    assert_eq!(ports.len(), count, "too few free ports");
    ports
}
