//! Many at once: nothing twice, nothing lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::task::JoinSet;

use crate::ErrorKind::{AddressInUse, NoMoreSubnets};
use crate::conformance::engine::Engine;
use crate::conformance::lab::{Lab, Setup};
use crate::conformance::verdict::{Stop, Verdict, ensure, expect};
use crate::{AllocatedPool, Family, Options};

/// The addresses that are held, as the requesters know it: in the order in which they were given.
#[derive(Default)]
struct Window {
    held: BTreeSet<IpAddr>,
    order: VecDeque<IpAddr>,
}

impl Window {
    /// Notes an address that was given. Returns the oldest, to be released, when there are more
    /// than `size`.
    fn push(&mut self, address: IpAddr, size: usize) -> Verdict<Option<IpAddr>> {
        ensure(self.held.insert(address), || format!("{address} was given while it was held"))?;
        self.order.push_back(address);
        if self.order.len() <= size {
            return Ok(None);
        }
        let oldest = self.order.pop_front();
        if let Some(oldest) = oldest {
            self.held.remove(&oldest);
        }
        Ok(oldest)
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
    const WORKERS: usize = 4;
    /// As many of the 510 addresses of a /23 as leaves each worker one to take, one to release.
    const WINDOW: usize = 500;
    let engine = lab.engine().await?;
    let pool = engine.pool(&engine.local, "198.168.0.0/23").await?;
    let window = Arc::new(Mutex::new(Window::default()));
    let mut tasks = JoinSet::new();
    for _ in 0..WORKERS {
        let (engine, pool, window) = (engine.clone(), pool.clone(), Arc::clone(&window));
        tasks.spawn(async move {
            let mut oldest = None;
            for _ in 0..REQUESTS / WORKERS {
                let release = async {
                    match oldest {
                        Some(address) => engine.release(&pool, address).await,
                        None => Ok(()),
                    }
                };
                let (given, released) = tokio::join!(engine.serial(&pool), release);
                released?;
                let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
                oldest = window.push(given?, WINDOW)?;
            }
            Ok(())
        });
    }
    all_of(tasks).await?;
    engine.release_pool(&pool.id).await?;
    engine.holds_nothing().await
}

pub(crate) async fn case_21_automatic_pools_in_parallel(lab: Lab) -> Verdict {
    let range: IpNet = "10.0.0.0/10".parse().expect("it is a prefix");
    let engine = lab.engine_for(Setup { ranges: vec![(range, 24)] }).await?;
    let expected: BTreeSet<IpNet> = range.subnets(24).expect("24 is longer than 10").collect();
    let mut tasks = JoinSet::new();
    for _ in 0..expected.len() {
        let engine = engine.clone();
        tasks.spawn(async move { engine.automatic(&engine.local, Family::V4).await });
    }
    let given = all_of(tasks).await?;
    let pools: BTreeSet<IpNet> = given.iter().map(|given| given.pool).collect();
    expect("different pools", pools.len(), given.len())?;
    ensure(pools == expected, || "pools were given that are not of the range".to_owned())?;
    engine.no_pool(&engine.local, "", NoMoreSubnets).await
}

/// Which addresses are not released, by their numbers: none, the even ones, the odd ones.
const KEEP: [fn(usize) -> bool; 3] =
    [|_| false, |number| number.is_multiple_of(2), |number| !number.is_multiple_of(2)];

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
    let taken = in_parallel(engine, pool, parallel, all.clone(), |engine, pool, _| async move {
        engine.address(&pool).await
    });
    let taken: BTreeSet<IpAddr> = taken.await?.into_values().collect();
    expect("different addresses", taken.len(), all.len())?;

    let numbered = all.iter().copied().enumerate();
    let (kept, released): (Vec<_>, Vec<_>) = numbered.partition(|(number, _)| keep(*number));
    let released: Vec<IpAddr> = released.into_iter().map(|(_, address)| address).collect();
    let kept: BTreeSet<IpAddr> = kept.into_iter().map(|(_, address)| address).collect();
    in_parallel(engine, pool, parallel, released, |engine, pool, address| async move {
        engine.release(&pool, address).await
    })
    .await?;

    let again = in_parallel(engine, pool, parallel, all, |engine, pool, address| async move {
        let answer = engine.ask_address(&pool.id, Some(address), Options::new()).await;
        Ok(answer.map(|given| given.addr()).map_err(|error| error.kind()))
    });
    for (address, answer) in again.await? {
        let expected = if kept.contains(&address) { Err(AddressInUse) } else { Ok(address) };
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
        let mine: Vec<IpAddr> = addresses.iter().copied().skip(worker).step_by(parallel).collect();
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
