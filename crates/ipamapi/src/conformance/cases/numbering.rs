//! Which address a dynamic request gets.

use crate::ErrorKind::NoAvailableAddresses;
use crate::conformance::engine::{Engine, parse, serial};
use crate::conformance::lab::Lab;
use crate::conformance::verdict::{Stop, Verdict, expect};
use crate::{AllocatedPool, Options};

pub(crate) async fn case_10_a_sub_pool_drains_to_its_last_address(lab: Lab) -> Verdict {
    for options in [Options::new(), serial()] {
        let engine = lab.engine().await?;
        let pool = engine.sub_pool(&engine.local, "172.28.0.0/16", "172.28.30.0/24").await?;
        drains_to(&engine, &pool, &options, 256, "172.28.30.255").await?;
        comes_back(&engine, &pool, &options, "172.28.30.97").await?;
    }
    Ok(())
}

pub(crate) async fn case_11_nested_pools_drain_apart(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    engine.sub_pool(&engine.local, "10.0.0.0/8", "10.0.0.0/16").await?;
    let inner = engine.sub_pool(&engine.local, "10.0.0.0/16", "10.0.0.0/24").await?;
    // The network address of the pool lies in the sub-pool.
    drains_to(&engine, &inner, &Options::new(), 255, "10.0.0.255").await?;
    comes_back(&engine, &inner, &Options::new(), "10.0.0.79").await
}

async fn drains_to(
    engine: &Engine,
    pool: &AllocatedPool,
    options: &Options,
    count: usize,
    last: &str,
) -> Verdict {
    let taken = engine.drain(pool, options, count).await?;
    expect("how many there are", taken.len(), count)?;
    expect("the last", taken.last().copied(), Some(parse(last)))?;
    engine.no_address(pool, None, NoAvailableAddresses).await
}

/// In a full pool, what is released is all that can be given.
async fn comes_back(
    engine: &Engine,
    pool: &AllocatedPool,
    options: &Options,
    address: &str,
) -> Verdict {
    engine.release(pool, parse(address)).await?;
    let given = engine.given(pool, None, options.clone()).await?;
    expect("after the release", given, parse(address))
}

pub(crate) async fn case_12_dynamic_addresses_are_the_lowest_free(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    if !engine.profile().reuses_at_once {
        return Err(Stop::skipped("released addresses cool before they are given again"));
    }
    let pool = engine.sub_pool(&engine.local, "10.2.0.0/16", "10.2.2.0/24").await?;
    engine.exact(&pool, "10.2.2.1").await?;
    expect("first", engine.address(&pool).await?, parse("10.2.2.0"))?;
    expect("second", engine.address(&pool).await?, parse("10.2.2.2"))?;
    for address in ["10.2.2.0", "10.2.2.1"] {
        engine.release(&pool, parse(address)).await?;
        expect("after the release", engine.address(&pool).await?, parse(address))?;
    }
    Ok(())
}

pub(crate) async fn case_13_serial_addresses_go_on(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.sub_pool(&engine.local, "10.2.0.0/16", "10.2.2.0/24").await?;
    engine.exact(&pool, "10.2.2.1").await?;
    expect("first", engine.serial(&pool).await?, parse("10.2.2.0"))?;
    expect("second", engine.serial(&pool).await?, parse("10.2.2.2"))?;
    engine.release(&pool, parse("10.2.2.0")).await?;
    expect("after .0 was released", engine.serial(&pool).await?, parse("10.2.2.3"))?;
    engine.release(&pool, parse("10.2.2.1")).await?;
    expect("after .1 was released", engine.serial(&pool).await?, parse("10.2.2.4"))
}

pub(crate) async fn case_15_the_nth_address(lab: Lab) -> Verdict {
    for (subnet, count, expected) in [
        ("192.168.0.0/24", 254, "192.168.0.254"),
        ("192.168.240.0/20", 255, "192.168.240.255"),
        ("192.168.0.0/16", 256, "192.168.1.0"),
        ("10.0.0.0/8", 256, "10.0.1.0"),
        ("192.168.128.0/18", 1023, "192.168.131.255"),
    ] {
        let engine = lab.engine().await?;
        let pool = engine.pool(&engine.local, subnet).await?;
        for _ in 1..count {
            engine.address(&pool).await?;
        }
        let what = format!("address {count} of {subnet}");
        expect(&what, engine.address(&pool).await?, parse(expected))?;
    }
    Ok(())
}

pub(crate) async fn case_18_a_full_pool_gives_what_comes_back(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.pool(&engine.local, "192.168.0.0/23").await?;
    drains_to(&engine, &pool, &Options::new(), 510, "192.168.1.254").await?;
    for address in [
        "192.168.0.1",
        "192.168.0.31",
        "192.168.0.32",
        "192.168.0.254",
        "192.168.0.255",
        "192.168.1.0",
        "192.168.1.1",
        "192.168.1.128",
        "192.168.1.254",
    ] {
        comes_back(&engine, &pool, &Options::new(), address).await?;
    }
    Ok(())
}
