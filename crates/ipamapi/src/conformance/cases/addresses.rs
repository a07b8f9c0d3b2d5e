//! Addresses: once each, within their pool, in both families.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::ErrorKind::{AddressInUse, AddressOutOfRange, NoAvailableAddresses};
use crate::Options;
use crate::conformance::engine::parse;
use crate::conformance::lab::Lab;
use crate::conformance::verdict::{Verdict, ensure, expect};

pub(crate) async fn case_07_an_address_is_given_once(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.pool(&engine.local, "192.168.100.0/24").await?;
    engine.exact(&pool, "192.168.100.250").await?;
    engine.no_address(&pool, Some("192.168.100.250"), AddressInUse).await
}

pub(crate) async fn case_17_tiny_pools(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pair = engine.pool(&engine.local, "192.168.0.2/31").await?;
    for outside in ["192.168.0.1", "192.168.0.4", "192.168.0.100"] {
        engine.no_address(&pair, Some(outside), AddressOutOfRange).await?;
    }
    expect("the first", engine.address(&pair).await?, parse("192.168.0.2"))?;
    expect("the second", engine.address(&pair).await?, parse("192.168.0.3"))?;
    engine.no_address(&pair, None, NoAvailableAddresses).await?;

    let single = engine.pool(&engine.local, "192.168.1.7/32").await?;
    expect("the only one", engine.address(&single).await?, parse("192.168.1.7"))?;
    engine.no_address(&single, None, NoAvailableAddresses).await?;

    let swarm = engine.pool(&engine.global, "1.1.1.1/32").await?;
    expect("the gateway", engine.gateway(&swarm, None).await?, parse("1.1.1.1"))
}

pub(crate) async fn case_19_half_released_and_asked_for_again(lab: Lab) -> Verdict {
    const TOTAL: usize = 384;
    for sub_pool in ["", "172.25.252.0/22"] {
        let engine = lab.engine().await?;
        let pool = engine.sub_pool(&engine.local, "172.25.0.0/16", sub_pool).await?;
        let mut held = BTreeSet::new();
        for _ in 0..TOTAL {
            let given = engine.address(&pool).await?;
            ensure(held.insert(given), || format!("{given} was given twice"))?;
        }
        for address in some_half(&held) {
            engine.release(&pool, address).await?;
            held.remove(&address);
        }
        while held.len() < TOTAL {
            let given = engine.address(&pool).await?;
            ensure(held.insert(given), || format!("{given} was given twice"))?;
        }
    }
    Ok(())
}

/// Half of the addresses, scattered, the same ones each time.
fn some_half(held: &BTreeSet<IpAddr>) -> Vec<IpAddr> {
    let mut state: u32 = 2_463_534_242;
    let mut scattered: Vec<(u32, IpAddr)> = Vec::new();
    for address in held {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        scattered.push((state, *address));
    }
    scattered.sort_unstable();
    scattered.into_iter().take(held.len() / 2).map(|(_, address)| address).collect()
}

pub(crate) async fn case_25_v6_addresses(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.pool(&engine.local, "2001:db8:1::/56").await?;
    expect("the first", engine.address(&pool).await?, parse("2001:db8:1::1"))?;
    engine.exact(&pool, "2001:db8:1:ff:ffff:ffff:ffff:ffff").await?;
    engine.release(&pool, parse("2001:db8:1:7::7")).await?;

    let wide = engine.pool(&engine.local, "2001:db8:2::/64").await?;
    engine.exact(&wide, "2001:db8:2:0:ffff:ffff:ffff:fff0").await?;
    engine.no_address(&wide, Some("2001:db8:2:0:ffff:ffff:ffff:fff0"), AddressInUse).await
}

pub(crate) async fn case_26_usage_counts_reserved_addresses(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let usage = engine.usage()?;
    let whole = engine.pool(&engine.local, "10.7.0.0/24").await?;
    engine.drain(&whole, &Options::new(), 256).await?;
    expect("in use in a full /24", usage.addresses_in_use(&whole.id).await, 256)?;
    for half in ["10.8.0.0/25", "10.8.0.128/25"] {
        let pool = engine.sub_pool(&engine.local, "10.8.0.0/24", half).await?;
        engine.drain(&pool, &Options::new(), 128).await?;
        expect(half, usage.addresses_in_use(&pool.id).await, 128)?;
    }
    Ok(())
}
