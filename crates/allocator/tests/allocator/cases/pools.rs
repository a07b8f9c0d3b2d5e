//! Automatic pools, and releases of pools.

use berth_allocator::{
    Ending, Family, PoolRange, Rejection, SettingsError, SpaceSettings, WantedPool,
};

use crate::world::{Host, pool_grant};

/// A host whose automatic pools come from these ranges: base and length.
fn with_ranges(ranges: &[(&str, u8)]) -> Host {
    let range = |&(base, length): &(&str, u8)| PoolRange { base: base.parse().unwrap(), length };
    let ranges = ranges.iter().map(range).collect();
    Host::with(SpaceSettings { ranges, ..SpaceSettings::local(None) })
}

fn next(host: &mut Host) -> Result<String, Rejection> {
    host.automatic(Family::V4, None, &[]).map(|pool| pool.prefix.to_string())
}

#[test]
fn case_03_a_pool_is_released_once() {
    let mut host = Host::new();
    let pool = host.pool("10.0.0.0/8", None).unwrap();
    assert_eq!(host.release_pool(&pool), Ok(Ending::Ended));
    assert_eq!(host.release_pool(&pool), Err(Rejection::UnknownPool { pool: Box::new(pool) }));
}

#[test]
fn case_05_two_automatic_requests_get_two_pools() {
    let mut host = Host::new();
    let first = host.automatic(Family::V4, None, &[]).unwrap();
    let second = host.automatic(Family::V4, None, &[]).unwrap();
    assert_eq!(first.prefix.to_string(), "172.17.0.0/16");
    assert_eq!(second.prefix.to_string(), "172.18.0.0/16");
    for pool in [first, second] {
        assert_eq!(host.release_pool(&pool), Ok(Ending::Ended));
    }
}

#[test]
fn case_06_an_automatic_pool_may_have_a_size() {
    let mut host = Host::new();
    assert_eq!(host.automatic(Family::V4, Some(24), &[]).unwrap().prefix.length(), 24);
    assert_eq!(host.automatic(Family::V4, None, &[]).unwrap().prefix.length(), 16);
    assert_eq!(host.automatic(Family::V4, Some(25), &[]).unwrap().prefix.length(), 25);
}

#[test]
fn case_21_parallel_automatic_pools_are_every_block_once() {
    let mut host = with_ranges(&[("10.0.0.0/10", 24)]);
    let wanted =
        WantedPool::Automatic { family: Family::V4, length: None, exclude: Vec::new(), name: None };
    let mut blocks = Vec::new();
    for _ in 0..16 {
        let request = host.pool_request(wanted.clone());
        let batch = (0..1_024).map(|_| host.world.envelope("host", request.clone())).collect();
        let answers = host.world.deliver_all(batch).into_iter();
        blocks.extend(answers.map(|answer| pool_grant(answer.outcome).unwrap().pool.prefix));
    }
    let expected = (0..16_384_u128).map(|block| (10 << 24) + (block << 8));
    assert!(blocks.iter().map(|prefix| prefix.first()).eq(expected));
}

#[test]
fn case_23_automatic_pools_fill_the_gaps() {
    let mut host = with_ranges(&[("192.168.0.0/16", 24)]);
    host.pool("192.168.255.0/24", None).unwrap();
    assert_eq!(next(&mut host).unwrap(), "192.168.0.0/24");

    let mut host = with_ranges(&[("192.168.0.0/16", 24)]);
    for taken in ["192.168.0.0/24", "192.168.1.0/24", "192.168.2.0/23", "192.168.4.0/30"] {
        host.pool(taken, None).unwrap();
    }
    assert_eq!(next(&mut host).unwrap(), "192.168.5.0/24");

    let mut host = with_ranges(&[("172.16.0.0/15", 16)]);
    host.pool("172.16.0.0/16", None).unwrap();
    assert_eq!(next(&mut host).unwrap(), "172.17.0.0/16");
    let mut host = with_ranges(&[("172.16.0.0/15", 16)]);
    host.pool("172.16.0.0/16", None).unwrap();
    host.pool("172.17.0.0/17", None).unwrap();
    assert_eq!(next(&mut host), Err(Rejection::NoMoreSubnets));

    let mut host = with_ranges(&[("10.0.0.0/8", 24), ("192.168.0.0/16", 24)]);
    let around = host.automatic(Family::V4, None, &["10.0.0.0/8"]).unwrap();
    assert_eq!(around.prefix.to_string(), "192.168.0.0/24");

    let mut host = with_ranges(&[("10.0.0.0/31", 31), ("192.168.0.0/16", 24)]);
    host.pool("10.0.0.0/32", None).unwrap();
    assert_eq!(next(&mut host).unwrap(), "192.168.0.0/24");

    let mut host = with_ranges(&[("172.17.0.0/12", 24)]);
    host.pool("172.17.0.0/20", None).unwrap();
    assert_eq!(next(&mut host).unwrap(), "172.17.16.0/24", "not before its base");
}

#[test]
fn case_23_a_size_that_no_range_has_is_refused() {
    let mut host = with_ranges(&[("10.0.0.0/8", 24)]);
    for length in [4, 33, 150] {
        let refused = host.automatic(Family::V4, Some(length), &[]);
        assert!(matches!(refused, Err(Rejection::NoRange { .. })), "{refused:?}");
    }
    let base = "10.0.0.0/8".parse().unwrap();
    for length in [7, 33, 150] {
        let ranges = vec![PoolRange { base, length }];
        let settings = SpaceSettings { ranges, ..SpaceSettings::local(None) };
        assert_eq!(settings.check(), Err(SettingsError::Length { base, length }));
    }
}

#[test]
fn case_23_the_top_of_the_address_space_does_not_wrap_around() {
    let mut host = with_ranges(&[("255.255.254.0/23", 24)]);
    assert_eq!(next(&mut host).unwrap(), "255.255.254.0/24");
    assert_eq!(next(&mut host).unwrap(), "255.255.255.0/24");
    assert_eq!(next(&mut host), Err(Rejection::NoMoreSubnets));
    let mut host = with_ranges(&[("ffff:ffff:ffff:ffff::/64", 64)]);
    host.automatic(Family::V6, None, &[]).unwrap();
    assert_eq!(host.automatic(Family::V6, None, &[]), Err(Rejection::NoMoreSubnets));
}

#[test]
fn case_24_released_blocks_are_given_again_first() {
    let mut host = with_ranges(&[("10.0.0.0/8", 24)]);
    let pools: Vec<_> = (0..3).map(|_| host.automatic(Family::V4, None, &[]).unwrap()).collect();
    host.release_pool(&pools[0]).unwrap();
    assert_eq!(next(&mut host).unwrap(), "10.0.0.0/24");
    assert_eq!(next(&mut host).unwrap(), "10.0.3.0/24");
    host.release_pool(&pools[1]).unwrap();
    host.release_pool(&pools[2]).unwrap();
    let mut again: Vec<_> = (0..3).map(|_| next(&mut host).unwrap()).collect();
    again.dedup();
    assert_eq!(again, ["10.0.1.0/24", "10.0.2.0/24", "10.0.4.0/24"]);
}

#[test]
fn spaces_that_are_apart_give_no_common_pools() {
    let mut host = Host::new();
    host.world.space("blue", SpaceSettings::exclusive(None));
    host.world.space("green", SpaceSettings::exclusive(None));
    host.world.space("red", SpaceSettings { apart: false, ..SpaceSettings::exclusive(None) });
    for (space, expected) in
        [("blue", "10.0.0.0/24"), ("green", "10.0.1.0/24"), ("red", "10.0.0.0/24")]
    {
        host.within(space);
        assert_eq!(next(&mut host).unwrap(), expected, "in {space}");
    }
}
