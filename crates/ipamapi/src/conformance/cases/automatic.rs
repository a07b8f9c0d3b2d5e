//! Pools that the driver chooses.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::ErrorKind::{InvalidPool, NoMoreSubnets};
use crate::conformance::lab::{Lab, Setup};
use crate::conformance::verdict::{Stop, Verdict, ensure, expect};
use crate::{Family, Options, PoolRequest, PoolSpec};

pub(crate) async fn case_05_automatic_pools_differ(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    for space in [&engine.local, &engine.global] {
        let first = engine.automatic(space, Family::V4).await?;
        let second = engine.automatic(space, Family::V4).await?;
        let apart = !first.pool.contains(&second.pool) && !second.pool.contains(&first.pool);
        ensure(apart, || format!("{} and {} overlap", first.pool, second.pool))?;
        engine.release_pool(&first.id).await?;
        engine.release_pool(&second.id).await?;
    }
    engine.holds_nothing().await
}

pub(crate) async fn case_06_automatic_pools_of_a_size(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let local = engine.local.as_str();
    let length = |pool: crate::AllocatedPool| pool.pool.prefix_len();
    expect("0.0.0.0/24", length(engine.pool(local, "0.0.0.0/24").await?), 24)?;
    let default = length(engine.automatic(local, Family::V4).await?);
    ensure(default != 24, || "a size asked for once became the default".to_owned())?;
    engine.no_pool(local, "/24", InvalidPool).await?;
    engine.no_pool(local, "0.0.0.0/AB", InvalidPool).await?;
    expect("0.0.0.0/25", length(engine.pool(local, "0.0.0.0/25").await?), 25)
}

/// Ranges for automatic pools, the pools that are there, the prefixes to stay clear of; the
/// request, and the answer.
struct Gap {
    ranges: &'static [(&'static str, u8)],
    present: &'static [&'static str],
    exclude: &'static [&'static str],
    asked: &'static str,
    expected: Option<&'static str>,
}

const GAP: Gap = Gap { ranges: &[], present: &[], exclude: &[], asked: "", expected: None };

const GAPS: [Gap; 7] = [
    Gap {
        ranges: &[("192.168.0.0/16", 24)],
        present: &["192.168.255.0/24"],
        expected: Some("192.168.0.0/24"),
        ..GAP
    },
    Gap {
        ranges: &[("192.168.0.0/16", 24)],
        present: &["192.168.0.0/24", "192.168.1.0/24", "192.168.2.0/23", "192.168.4.3/30"],
        expected: Some("192.168.5.0/24"),
        ..GAP
    },
    Gap {
        ranges: &[("172.16.0.0/15", 16)],
        present: &["172.16.0.0/16"],
        expected: Some("172.17.0.0/16"),
        ..GAP
    },
    Gap { ranges: &[("172.16.0.0/15", 16)], present: &["172.16.0.0/16", "172.17.0.0/17"], ..GAP },
    Gap {
        ranges: &[("10.0.0.0/8", 24), ("192.168.0.0/16", 24)],
        exclude: &["10.0.0.0/8"],
        expected: Some("192.168.0.0/24"),
        ..GAP
    },
    Gap {
        ranges: &[("10.0.0.0/31", 31), ("192.168.0.0/16", 24)],
        present: &["10.0.0.0/32"],
        expected: Some("192.168.0.0/24"),
        ..GAP
    },
    // The base is the contract's 172.17.0.0/12; 172.16 is taken so that masking it is no matter.
    Gap {
        ranges: &[("172.16.0.0/12", 16)],
        present: &["172.16.0.0/16", "172.17.0.0/20"],
        asked: "0.0.0.0/24",
        expected: Some("172.17.16.0/24"),
        ..GAP
    },
];

pub(crate) async fn case_23_automatic_pools_fill_gaps(lab: Lab) -> Verdict {
    for (number, gap) in GAPS.iter().enumerate() {
        fill(&lab, gap).await.map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(format!("gap {}: {why}", number + 1)),
            skipped @ Stop::Skipped(_) => skipped,
        })?;
    }
    let engine = lab.engine().await?;
    engine.no_pool(&engine.local, "0.0.0.0/150", InvalidPool).await
}

async fn fill(lab: &Lab, gap: &Gap) -> Verdict {
    let prefix = |text: &&str| text.parse::<IpNet>().expect("the suite writes prefixes right");
    let ranges = gap.ranges.iter().map(|(base, size)| (prefix(base), *size)).collect();
    let engine = lab.engine_for(Setup { ranges }).await?;
    if !gap.exclude.is_empty() && !engine.is_direct() {
        return Ok(()); // The wire leaves exclusions out.
    }
    for present in gap.present {
        engine.pool(&engine.local, present).await?;
    }
    let request = PoolRequest {
        space: engine.local.clone(),
        pool: PoolSpec::parse(gap.asked, "", false).expect("the suite asks for pools right"),
        options: Options::new(),
        exclude: gap.exclude.iter().map(prefix).collect(),
    };
    let answer = engine.ask_pool(request).await;
    let found = answer.map(|given| given.pool.to_string()).map_err(|error| error.kind());
    expect("the pool", found, gap.expected.map(str::to_owned).ok_or(NoMoreSubnets))
}

pub(crate) async fn case_24_released_automatic_pools_come_first(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    if !engine.profile().reuses_at_once {
        return Err(Stop::skipped("released pools cool before they are given again"));
    }
    let local = engine.local.as_str();
    let next = async || engine.automatic(local, Family::V4).await;
    let (first, second, third) = (next().await?, next().await?, next().await?);
    engine.release_pool(&first.id).await?;
    expect("the pool after a release", next().await?.pool, first.pool)?;
    let fourth = next().await?;
    ensure(fourth.pool.network() > third.pool.network(), || {
        format!("{} was given after {}", fourth.pool, third.pool)
    })?;
    engine.release_pool(&second.id).await?;
    engine.release_pool(&third.id).await?;
    let mut seen = BTreeSet::from([first.pool, fourth.pool]);
    for _ in 0..3 {
        let given = next().await?.pool;
        ensure(seen.insert(given), || format!("{given} was given twice"))?;
    }
    Ok(())
}
