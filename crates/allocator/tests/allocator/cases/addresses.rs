//! Which address a request gets.

use std::net::IpAddr;

use berth_allocator::{Ending, InUse, Order, PoolId, Rejection};

use crate::world::{Host, address};

/// Claims addresses until none is left; the last one.
fn drain(host: &mut Host, pool: &PoolId, order: Order) -> IpAddr {
    let mut last = None;
    loop {
        match host.request(pool, None, order) {
            Ok(address) => last = Some(address),
            Err(Rejection::NoAvailableAddresses { .. }) => return last.expect("one was free"),
            Err(other) => panic!("{other}"),
        }
    }
}

fn out_of_range(outcome: &Result<IpAddr, Rejection>) {
    assert!(matches!(outcome, Err(Rejection::OutOfRange { .. })), "{outcome:?}");
}

#[test]
fn case_07_an_address_is_given_once() {
    let mut host = Host::new();
    let pool = host.pool("192.168.100.0/24", None).unwrap();
    host.exactly(&pool, "192.168.100.250").unwrap();
    let again = host.exactly(&pool, "192.168.100.250");
    assert!(matches!(again, Err(Rejection::AddressInUse { .. })), "{again:?}");
}

#[test]
fn case_09_a_sub_pool_may_be_the_whole_pool() {
    let mut host = Host::new();
    let pool = host.pool("172.18.0.0/16", Some("172.18.0.0/16")).unwrap();
    assert_eq!(host.any(&pool), Ok(address("172.18.0.1")));
}

#[test]
fn case_10_a_drained_sub_pool_gives_what_was_released() {
    for order in [Order::First, Order::Serial] {
        let mut host = Host::new();
        let pool = host.pool("172.28.0.0/16", Some("172.28.30.0/24")).unwrap();
        assert_eq!(drain(&mut host, &pool, order), address("172.28.30.255"));
        assert_eq!(host.release(&pool, "172.28.30.97"), Ok(Ending::Ended));
        assert_eq!(host.request(&pool, None, order), Ok(address("172.28.30.97")));
    }
}

#[test]
fn case_11_pools_with_sub_pools_may_overlap_and_share_addresses() {
    let mut host = Host::new();
    let wide = host.pool("10.0.0.0/8", Some("10.0.0.0/16")).unwrap();
    let pool = host.pool("10.0.0.0/16", Some("10.0.0.0/24")).unwrap();
    assert_eq!(drain(&mut host, &pool, Order::First), address("10.0.0.255"));
    assert_eq!(host.any(&wide), Ok(address("10.0.1.0")), "what the other pool holds is taken");
    let held = host.exactly(&wide, "10.0.0.79");
    assert!(matches!(held, Err(Rejection::AddressInUse { .. })), "{held:?}");
    host.release(&pool, "10.0.0.79").unwrap();
    assert_eq!(host.any(&pool), Ok(address("10.0.0.79")));
}

#[test]
fn case_12_dynamic_addresses_come_from_the_sub_pool_lowest_first() {
    let mut host = Host::new();
    let pool = host.pool("10.2.0.0/16", Some("10.2.2.0/24")).unwrap();
    host.exactly(&pool, "10.2.2.1").unwrap();
    assert_eq!(host.any(&pool), Ok(address("10.2.2.0")));
    assert_eq!(host.any(&pool), Ok(address("10.2.2.2")));
    for released in ["10.2.2.0", "10.2.2.1"] {
        host.release(&pool, released).unwrap();
        assert_eq!(host.any(&pool), Ok(address(released)));
    }
}

#[test]
fn case_13_serial_order_goes_on_after_the_last() {
    let mut host = Host::new();
    let pool = host.pool("10.2.0.0/16", Some("10.2.2.0/24")).unwrap();
    host.exactly(&pool, "10.2.2.1").unwrap();
    for (released, given) in
        [(None, "10.2.2.0"), (None, "10.2.2.2"), (Some("10.2.2.0"), "10.2.2.3")]
    {
        if let Some(released) = released {
            host.release(&pool, released).unwrap();
        }
        assert_eq!(host.next(&pool), Ok(address(given)));
    }
    host.release(&pool, "10.2.2.1").unwrap();
    assert_eq!(host.next(&pool), Ok(address("10.2.2.4")));
}

#[test]
fn case_14_addresses_of_other_pools_are_out_of_range() {
    let mut host = Host::new();
    let pool = host.pool("10.0.0.0/24", None).unwrap();
    out_of_range(&host.exactly(&pool, "10.0.1.1"));
    out_of_range(&host.exactly(&pool, "fd00::1"));
    let released = host.release(&pool, "10.0.1.1");
    assert!(matches!(released, Err(Rejection::OutOfRange { .. })), "{released:?}");
    for text in ["", "Local", "Local/", "Local/10.0.0.0", "/10.0.0.0/24", "Local/10.0.0.1/24"] {
        assert!(text.parse::<PoolId>().is_err(), "{text:?} is no pool id");
    }
}

#[test]
fn case_15_the_nth_dynamic_address() {
    let expected = [
        ("192.168.1.0/24", 254, "192.168.1.254"),
        ("192.168.240.0/20", 255, "192.168.240.255"),
        ("192.168.0.0/16", 256, "192.168.1.0"),
        ("10.0.0.0/8", 256, "10.0.1.0"),
        ("192.168.128.0/18", 1_023, "192.168.131.255"),
    ];
    for (prefix, nth, last) in expected {
        let mut host = Host::new();
        let pool = host.pool(prefix, None).unwrap();
        let given = (0..nth).map(|_| host.any(&pool).unwrap()).last();
        assert_eq!(given, Some(address(last)));
    }
}

#[test]
fn case_17_the_smallest_pools() {
    let mut host = Host::new();
    let pair = host.pool("192.168.0.2/31", None).unwrap();
    for outside in ["192.168.0.1", "192.168.0.4", "192.168.0.100"] {
        out_of_range(&host.exactly(&pair, outside));
    }
    assert_eq!(host.any(&pair), Ok(address("192.168.0.2")));
    assert_eq!(host.any(&pair), Ok(address("192.168.0.3")));
    assert!(matches!(host.any(&pair), Err(Rejection::NoAvailableAddresses { .. })));
    let single = host.pool("1.1.1.1/32", None).unwrap();
    assert_eq!(host.any(&single), Ok(address("1.1.1.1")));
    assert!(matches!(host.any(&single), Err(Rejection::NoAvailableAddresses { .. })));
    let pair = host.pool("fd00::2/127", None).unwrap();
    assert_eq!(host.any(&pair), Ok(address("fd00::3")), "the first is the routers' anycast");
    assert!(matches!(host.any(&pair), Err(Rejection::NoAvailableAddresses { .. })));
    let single = host.pool("fd00::9/128", None).unwrap();
    assert!(matches!(host.any(&single), Err(Rejection::NoAvailableAddresses { .. })));
}

#[test]
fn case_18_a_full_pool_gives_what_was_released() {
    let mut host = Host::new();
    let pool = host.pool("192.168.0.0/23", None).unwrap();
    drain(&mut host, &pool, Order::First);
    for released in ["192.168.0.1", "192.168.0.31", "192.168.0.254", "192.168.1.1", "192.168.1.254"]
    {
        host.release(&pool, released).unwrap();
        assert_eq!(host.any(&pool), Ok(address(released)));
    }
}

#[test]
fn case_25_ipv6() {
    let mut host = Host::new();
    let pool = host.pool("fd00:0:0:100::/56", None).unwrap();
    assert_eq!(host.any(&pool), Ok(address("fd00:0:0:100::1")));
    let anycast = host.exactly(&pool, "fd00:0:0:100::");
    assert!(
        matches!(anycast, Err(Rejection::AddressInUse { ref by, .. }) if **by == InUse::Edge),
        "{anycast:?}"
    );
    let last = "fd00:0:0:1ff:ffff:ffff:ffff:ffff";
    host.exactly(&pool, last).unwrap();
    assert_eq!(host.release(&pool, "fd00:0:0:100::77"), Ok(Ending::Nothing));
    assert_eq!(host.release(&pool, last), Ok(Ending::Ended));
    let pool = host.pool("fd01::/64", None).unwrap();
    host.exactly(&pool, "fd01::f000:0:0:1").unwrap();
    let again = host.exactly(&pool, "fd01::f000:0:0:1");
    assert!(matches!(again, Err(Rejection::AddressInUse { .. })), "{again:?}");
}

#[test]
fn case_26_usage_counts_every_address() {
    let mut host = Host::new();
    let pool = host.pool("10.0.0.0/24", None).unwrap();
    drain(&mut host, &pool, Order::First);
    let usage = host.world.state.pool(&pool).unwrap().usage;
    assert_eq!((usage.size, usage.held, usage.reserved, usage.free()), (256, 254, 2, 0));
    for part in ["10.1.0.0/25", "10.1.0.128/25"] {
        let half = host.pool("10.1.0.0/24", Some(part)).unwrap();
        drain(&mut host, &half, Order::First);
        let usage = host.world.state.pool(&half).unwrap().usage;
        assert_eq!((usage.size, usage.held, usage.reserved, usage.free()), (128, 127, 1, 0));
    }
}
