//! Pools of the user's choosing: overlap, sub-pools, release.

use crate::ErrorKind::{InvalidSubPool, PoolOverlap, UnknownPool};
use crate::conformance::lab::Lab;
use crate::conformance::verdict::{Verdict, ensure, expect};

pub(crate) async fn case_01_pools_overlap_within_their_space(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let (local, global) = (engine.local.as_str(), engine.global.as_str());
    let here = engine.pool(local, "10.0.0.0/8").await?;
    let there = engine.pool(global, "10.0.0.0/8").await?;
    ensure(here.id != there.id, || format!("{} names a pool of each space", here.id))?;
    engine.no_pool(global, "10.0.0.0/8", PoolOverlap).await?;
    engine.no_pool(global, "10.128.0.0/9", PoolOverlap).await?;
    engine.sub_pool(global, "10.0.0.0/8", "10.128.0.0/9").await?;
    engine.no_sub_pool(global, "10.0.0.0/8", "10.128.0.0/9", PoolOverlap).await?;
    engine.no_pool(local, "10.20.2.0/24", PoolOverlap).await
}

pub(crate) async fn case_02_v6_pools_overlap(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    engine.pool(&engine.local, "1003:1:2:3:4:5:6::/112").await?;
    engine.no_pool(&engine.local, "1003:1:2:3::/64", PoolOverlap).await
}

pub(crate) async fn case_03_a_pool_is_released_once(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.pool(&engine.local, "10.0.0.0/8").await?;
    engine.release_pool(&pool.id).await?;
    let again = engine.try_release_pool(&pool.id).await.map_err(|error| error.kind());
    expect("ReleasePool of a released pool", again, Err(UnknownPool))
}

pub(crate) async fn case_04_parent_and_child_pools_are_released_apart(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let local = engine.local.as_str();
    let parent = engine.pool(local, "10.0.0.0/8").await?;
    let child = engine.sub_pool(local, "10.0.0.0/8", "10.0.0.0/16").await?;
    ensure(parent.id != child.id, || format!("{} names parent and child", parent.id))?;
    engine.no_sub_pool(local, "10.0.0.0/8", "10.0.0.0/16", PoolOverlap).await?;
    engine.release_pool(&child.id).await?;
    engine.no_address(&child, None, None).await?;
    engine.address(&parent).await?;
    engine.release_pool(&parent.id).await?;
    engine.no_address(&parent, None, None).await?;
    let again = engine.pool(local, "10.0.0.0/8").await?;
    expect("the pool's id after it came back", again.id, parent.id)
}

pub(crate) async fn case_08_sub_pools_share_their_pool(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let local = engine.local.as_str();
    let first = engine.sub_pool(local, "10.0.0.0/8", "10.10.0.0/16").await?;
    engine.no_sub_pool(local, "10.0.0.0/8", "10.10.0.0/16", PoolOverlap).await?;
    let inner = engine.sub_pool(local, "10.0.0.0/8", "10.10.0.0/17").await?;
    engine.sub_pool(local, "10.0.0.0/8", "10.11.0.0/16").await?;
    let (one, two) = (engine.address(&first).await?, engine.address(&inner).await?);
    ensure(one != two, || format!("{one} was given under two sub-pools of one pool"))
}

pub(crate) async fn case_09_a_sub_pool_may_be_the_pool(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.sub_pool(&engine.local, "172.18.0.0/16", "172.18.0.0/16").await?;
    engine.address(&pool).await?;
    Ok(())
}

pub(crate) async fn case_16_overlap_matrix(lab: Lab) -> Verdict {
    const V6_119: &str = "9287:2e20:5134:fab6:9061:a0c6:bfe3:9400/119";
    for (present, asked) in [("10.0.0.0/8", "11.0.0.0/8"), ("74.0.0.0/7", "9.111.99.72/30")] {
        let engine = lab.engine().await?;
        engine.pool(&engine.local, present).await?;
        engine.pool(&engine.local, asked).await?;
    }
    for (present, asked) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("16.182.0.0/15", "16.182.0.0/16"),
        ("16.182.0.0/16", "16.182.0.0/15"),
        ("10.0.0.0/8", "8.0.0.0/6"),
        ("10.0.0.0/8", "10.0.0.0/6"),
        ("25.173.144.0/20", "25.173.143.0/16"),
        ("f656::/20", "f656::/16"),
        ("c000::/2", "8000::/1"),
        (V6_119, "8000::/1"),
    ] {
        let engine = lab.engine().await?;
        engine.pool(&engine.local, present).await?;
        engine.no_pool(&engine.local, asked, PoolOverlap).await?;
    }
    // An unspecified prefix with a length asks for a size, and none is so large.
    let engine = lab.engine().await?;
    engine.pool(&engine.local, "96.0.0.0/3").await?;
    engine.no_pool(&engine.local, "0.0.0.0/1", None).await?;
    if engine.profile().automatic_v6 {
        let first = engine.pool(&engine.local, "::/0").await?;
        let second = engine.pool(&engine.local, "::/0").await?;
        ensure(first.pool != second.pool, || format!("{} was given twice", first.pool))?;
    }
    Ok(())
}

pub(crate) async fn case_27_sub_pools_wider_than_or_outside_their_pool(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let local = engine.local.as_str();
    let pool = engine.sub_pool(local, "10.20.0.0/16", "10.20.0.0/15").await?;
    engine.address(&pool).await?;
    engine.no_sub_pool(local, "10.30.0.0/16", "10.31.0.0/24", InvalidSubPool).await?;
    engine.no_sub_pool(local, "10.30.0.0/16", "fd00::/64", InvalidSubPool).await?;
    engine.no_sub_pool(local, "", "10.30.0.0/24", InvalidSubPool).await?;
    engine.pool(local, "10.30.0.0/16").await?;
    Ok(())
}
