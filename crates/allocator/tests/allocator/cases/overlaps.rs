//! Which pools may stand side by side.

use berth_allocator::{Ending, Family, PoolId, Prefix, Rejection, Sharing};

use crate::world::Host;

fn overlaps(outcome: &Result<PoolId, Rejection>) {
    assert!(matches!(outcome, Err(Rejection::PoolOverlaps(_))), "{outcome:?}");
}

#[test]
fn case_01_pools_of_one_space_do_not_overlap() {
    let mut host = Host::new();
    let local = host.pool("10.0.0.0/8", None).unwrap();
    overlaps(&host.pool("10.20.2.0/24", None));
    host = host.and("Global", Sharing::Exclusive);
    let global = host.pool("10.0.0.0/8", None).unwrap();
    assert_ne!(local, global);
    overlaps(&host.pool("10.0.0.0/8", None));
    overlaps(&host.pool("10.128.0.0/9", None));
    host.pool("10.0.0.0/8", Some("10.128.0.0/9")).unwrap();
    overlaps(&host.pool("10.0.0.0/8", Some("10.128.0.0/9")));
}

#[test]
fn case_02_a_longer_ipv6_pool_is_in_the_way_of_a_shorter() {
    let mut host = Host::new();
    host.pool("1003:1:2:3:4:5:6:0/112", None).unwrap();
    overlaps(&host.pool("1003:1:2:3::/64", None));
}

#[test]
fn case_04_the_prefix_is_free_when_its_last_pool_has_gone() {
    let mut host = Host::new();
    let parent = host.pool("10.0.0.0/8", None).unwrap();
    let child = host.pool("10.0.0.0/8", Some("10.0.0.0/16")).unwrap();
    assert_ne!(parent, child);
    overlaps(&host.pool("10.0.0.0/8", Some("10.0.0.0/16")));
    assert_eq!(host.release_pool(&child), Ok(Ending::Ended));
    assert_eq!(host.release_pool(&parent), Ok(Ending::Ended));
    for gone in [&child, &parent] {
        assert_eq!(
            host.release_pool(gone),
            Err(Rejection::UnknownPool { pool: Box::new((*gone).clone()) })
        );
    }
    assert_eq!(host.pool("10.0.0.0/8", None), Ok(parent), "the same id as before");
}

#[test]
fn case_08_one_prefix_may_have_many_sub_pools() {
    let mut host = Host::new();
    host.pool("10.0.0.0/8", Some("10.10.0.0/16")).unwrap();
    overlaps(&host.pool("10.0.0.0/8", Some("10.10.0.0/16")));
    host.pool("10.0.0.0/8", Some("10.10.0.0/17")).unwrap();
    host.pool("10.0.0.0/8", Some("10.11.0.0/16")).unwrap();
    overlaps(&host.pool("10.0.0.0/8", None));
}

#[test]
fn case_16_every_overlap_is_seen() {
    let refused = [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("16.182.0.0/15", "16.182.0.0/16"),
        ("16.182.0.0/16", "16.182.0.0/15"),
        ("96.0.0.0/3", "0.0.0.0/1"),
        ("10.0.0.0/8", "8.0.0.0/6"),
        ("10.0.0.0/8", "10.0.0.0/6"),
        ("25.173.144.0/20", "25.173.143.0/16"),
        ("f656::/20", "f656::/16"),
        ("c000::/2", "8000::/1"),
        ("9287:1:2:3:4:5:6:9400/119", "8000::/1"),
    ];
    for (standing, asked) in refused {
        let mut host = Host::new();
        host.pool(standing, None).unwrap();
        // As the front-end does: engines send networks with host bits.
        let asked = Prefix::truncated(asked.parse().unwrap()).to_string();
        overlaps(&host.pool(&asked, None));
    }
    for (standing, asked) in [("10.0.0.0/8", "11.0.0.0/8"), ("74.0.0.0/7", "9.111.99.72/30")] {
        let mut host = Host::new();
        host.pool(standing, None).unwrap();
        host.pool(asked, None).unwrap();
    }
    let mut host = Host::new();
    let first = host.automatic(Family::V6, None, &[]).unwrap();
    assert_ne!(host.automatic(Family::V6, None, &[]), Ok(first));
}

#[test]
fn case_27_a_sub_pool_wider_than_its_pool_is_the_whole_pool() {
    let mut host = Host::new();
    let wide = host.pool("10.20.0.0/16", Some("10.20.0.0/15")).unwrap();
    assert_eq!(wide.sub_pool, Some(wide.prefix));
    let outside = host.pool("10.30.0.0/16", Some("10.31.0.0/24"));
    assert!(matches!(outside, Err(Rejection::InvalidSubPool { .. })), "{outside:?}");
    let other_family = host.pool("10.30.0.0/16", Some("fd00::/64"));
    assert!(matches!(other_family, Err(Rejection::InvalidSubPool { .. })), "{other_family:?}");
}
