//! What one dynamic allocation costs, by the size of the pool and how full it is (P7: it must not
//! depend on either).
//!
//! A pool is filled with claims, spread over it so that what is free lies scattered, up to a million
//! claims; what a larger pool lacks to its degree is reserved. "claim" is a batch of requests for the
//! lowest free address, as a log entry holds them; "claim and release" has the release of each behind
//! it. Commands are made before the time begins.

use std::hint::black_box;
use std::time::{Duration, Instant};

use berth_allocator::{Answer, Ending, Response};
use berth_benches::FullPool;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Requests in one batch.
const BATCH: u64 = 64;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_secs(1);

/// The time that this many requests take, which are released again.
fn claims(pool: &mut FullPool, count: u64) -> Duration {
    let requests = pool.requests(count);
    let begun = Instant::now();
    let answers: Vec<Answer> = black_box(pool.state.apply(black_box(&requests)));
    let spent = begun.elapsed();
    let releases = pool.releases(&answers);
    assert!(pool.state.apply(&releases).iter().all(|answer| answer.outcome.is_ok()));
    spent
}

/// The time that this many requests take, each released before the next.
fn pairs(pool: &mut FullPool, count: u64) -> Duration {
    let commands = pool.pairs(count);
    let begun = Instant::now();
    let answers = black_box(pool.state.apply(black_box(&commands)));
    let spent = begun.elapsed();
    let ended = Ok(Response::Released(Ending::Ended));
    assert!(answers.iter().skip(1).step_by(2).all(|answer| answer.outcome == ended));
    spent
}

fn allocate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocate");
    for prefix in ["10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "fd00::/64"] {
        for per_mille in [0, 100, 900, 999] {
            let mut pool = FullPool::new(prefix, per_mille);
            let full = format!("{prefix} {}.{} %", per_mille / 10, per_mille % 10);
            let at_once = pool.free().min(BATCH);
            group.bench_function(BenchmarkId::new("claim", &full), |bencher| {
                bencher.iter_custom(|iterations| {
                    in_batches(iterations, at_once, |count| claims(&mut pool, count))
                });
            });
            group.bench_function(BenchmarkId::new("claim and release", &full), |bencher| {
                bencher.iter_custom(|iterations| {
                    in_batches(iterations, BATCH, |count| pairs(&mut pool, count))
                });
            });
        }
    }
    group.finish();
}

/// The time for so many, in batches of a size.
fn in_batches(mut left: u64, size: u64, mut run: impl FnMut(u64) -> Duration) -> Duration {
    let mut spent = Duration::ZERO;
    while left > 0 {
        let count = left.min(size);
        spent += run(count);
        left -= count;
    }
    spent
}

criterion_group! {
    name = benches;
    // Making commands takes several times as long as what is measured.
    config = Criterion::default().sample_size(20).warm_up_time(WARM_UP).measurement_time(MEASURED);
    targets = allocate
}
criterion_main!(benches);
