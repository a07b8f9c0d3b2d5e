//! Many at once: nothing twice, nothing lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ErrorKind::{AddressInUse, NoMoreSubnets};
use crate::conformance::engine::Engine;
use crate::conformance::lab::{Lab, Setup};
use crate::conformance::verdict::{Stop, Verdict, ensure, expect};
use crate::{AllocatedPool, Family, Options};

/// The addresses that are held, as the requesters know it. An address enters when it was given,
/// and leaves before its release is sent.
#[derive(Clone, Default)]
struct Holders(Arc<Mutex<BTreeSet<IpAddr>>>);

impl Holders {
    fn take(&self, address: IpAddr) -> Verdict {
        let new = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(address);
        ensure(new, || format!("{address} was given while it was held"))
    }

    fn leave(&self, address: IpAddr) -> Verdict {
        let held = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&address);
        ensure(held, || format!("{address} is to be released twice"))
    }
}

async fn all_of<T: Send + 'static>(mut tasks: JoinSet<Verdict<T>>) -> Verdict<Vec<T>> {
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result.map_err(|error| Stop::failed(error.to_string()))??);
    }
    Ok(results)
}

pub(crate) async fn case_20_requests_race_releases(lab: Lab) -> Verdict {
    const REQUESTS: usize = 10_000;
    const REQUESTERS: usize = 4;
    /// Fewer than the 510 addresses of a /23 by what requesters and releasers have in hand.
    const WINDOW: usize = 500;
    let engine = lab.engine().await?;
    let pool = engine.pool(&engine.local, "198.168.0.0/23").await?;
    let holders = Holders::default();
    let (given, to_release) = mpsc::channel::<IpAddr>(WINDOW);
    let to_release = Arc::new(tokio::sync::Mutex::new(to_release));
    let mut tasks = JoinSet::new();
    for _ in 0..REQUESTERS {
        let (engine, pool) = (engine.clone(), pool.clone());
        let (holders, given) = (holders.clone(), given.clone());
        tasks.spawn(async move {
            for _ in 0..REQUESTS / REQUESTERS {
                let address = engine.serial(&pool).await?;
                holders.take(address)?;
                given
                    .send(address)
                    .await
                    .map_err(|_| Stop::failed("no releaser is left"))?;
            }
            Ok(())
        });
    }
    drop(given);
    for _ in 0..REQUESTERS {
        let (engine, pool) = (engine.clone(), pool.clone());
        let (holders, to_release) = (holders.clone(), Arc::clone(&to_release));
        tasks.spawn(async move {
            loop {
                let Some(address) = to_release.lock().await.recv().await else {
                    return Ok(());
                };
                holders.leave(address)?;
                engine.release(&pool, address).await?;
            }
        });
    }
    all_of(tasks).await?;
    engine.release_pool(&pool.id).await?;
    engine.holds_nothing().await
}

pub(crate) async fn case_21_automatic_pools_in_parallel(lab: Lab) -> Verdict {
    let range: IpNet = "10.0.0.0/10".parse().expect("it is a prefix");
    let engine = lab
        .engine_for(Setup {
            ranges: vec![(range, 24)],
        })
        .await?;
    let expected: BTreeSet<IpNet> = range.subnets(24).expect("24 is longer than 10").collect();
    let mut tasks = JoinSet::new();
    for _ in 0..expected.len() {
        let engine = engine.clone();
        tasks.spawn(async move { engine.automatic(&engine.local, Family::V4).await });
    }
    let given = all_of(tasks).await?;
    let pools: BTreeSet<IpNet> = given.iter().map(|given| given.pool).collect();
    expect("different pools", pools.len(), given.len())?;
    ensure(pools == expected, || {
        "pools were given that are not of the range".to_owned()
    })?;
    engine.no_pool(&engine.local, "", NoMoreSubnets).await
}

/// Which addresses are not released, by their numbers: none, the even ones, the odd ones.
const KEEP: [fn(usize) -> bool; 3] = [
    |_| false,
    |number| number.is_multiple_of(2),
    |number| !number.is_multiple_of(2),
];

pub(crate) async fn case_22_addresses_in_parallel(lab: Lab) -> Verdict {
    for parallel in [2, 4, 8] {
        for subnet in ["10.9.0.0/29", "10.9.0.0/25", "10.9.0.0/24", "10.9.0.0/21"] {
            for keep in KEEP {
                let engine = lab.engine().await?;
                let pool = engine.pool(&engine.local, subnet).await?;
                fill_and_refill(&engine, &pool, parallel, keep).await?;
            }
        }
    }
    Ok(())
}

/// Takes everything, releases all but what `keep` says, and asks for each address again: exactly
/// the released ones are given.
async fn fill_and_refill(
    engine: &Engine,
    pool: &AllocatedPool,
    parallel: usize,
    keep: fn(usize) -> bool,
) -> Verdict {
    let all: Vec<IpAddr> = pool.pool.hosts().collect();
    let taken = in_parallel(
        engine,
        pool,
        parallel,
        all.clone(),
        |engine, pool, _| async move { engine.address(&pool).await },
    );
    let taken: BTreeSet<IpAddr> = taken.await?.into_values().collect();
    expect("different addresses", taken.len(), all.len())?;

    let numbered = all.iter().copied().enumerate();
    let (kept, released): (Vec<_>, Vec<_>) = numbered.partition(|(number, _)| keep(*number));
    let released: Vec<IpAddr> = released.into_iter().map(|(_, address)| address).collect();
    let kept: BTreeSet<IpAddr> = kept.into_iter().map(|(_, address)| address).collect();
    in_parallel(
        engine,
        pool,
        parallel,
        released,
        |engine, pool, address| async move { engine.release(&pool, address).await },
    )
    .await?;

    let again = in_parallel(
        engine,
        pool,
        parallel,
        all,
        |engine, pool, address| async move {
            let answer = engine
                .ask_address(&pool.id, Some(address), Options::new())
                .await;
            Ok(answer
                .map(|given| given.addr())
                .map_err(|error| error.kind()))
        },
    );
    for (address, answer) in again.await? {
        let expected = if kept.contains(&address) {
            Err(AddressInUse)
        } else {
            Ok(address)
        };
        expect(&format!("asking for {address} again"), answer, expected)?;
    }
    Ok(())
}

/// Does something for each address, so many at a time.
async fn in_parallel<T, Fut>(
    engine: &Engine,
    pool: &AllocatedPool,
    parallel: usize,
    addresses: Vec<IpAddr>,
    act: fn(Engine, AllocatedPool, IpAddr) -> Fut,
) -> Verdict<BTreeMap<IpAddr, T>>
where
    T: Send + 'static,
    Fut: Future<Output = Verdict<T>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for worker in 0..parallel {
        let mine: Vec<IpAddr> = addresses
            .iter()
            .copied()
            .skip(worker)
            .step_by(parallel)
            .collect();
        let (engine, pool) = (engine.clone(), pool.clone());
        tasks.spawn(async move {
            let mut results = Vec::with_capacity(mine.len());
            for address in mine {
                results.push((address, act(engine.clone(), pool.clone(), address).await?));
            }
            Ok(results)
        });
    }
    Ok(all_of(tasks).await?.into_iter().flatten().collect())
}
