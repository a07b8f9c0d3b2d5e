//! What the hot paths cost in instructions, counted by valgrind: the same from run to run, however busy the
//! machine is. Each has a limit; what needs more fails `make test`. Where that is meant, move the limit here,
//! in the change that needs it, and say why in its message. The limits are some five in a hundred above what
//! was counted on x86-64 when they were set.

#![allow(missing_docs, unused_qualifications, reason = "the library's macros make such")]

use std::hint::black_box;

use berth_allocator::{Answer, Batch, State};
use berth_benches::FullPool;
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

/// Commands in a batch, or pairs of them.
const BATCH: u64 = 64;

fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]).clone());
    config
}

/// A pool, and a batch of commands about it.
fn full(prefix: &str, per_mille: u128, batch: fn(&mut FullPool, u64) -> Batch) -> (State, Batch) {
    let mut pool = FullPool::new(prefix, per_mille);
    let batch = batch(&mut pool, BATCH);
    (pool.state, batch)
}

fn requests(per_mille: u128) -> (State, Batch) {
    full("10.0.0.0/16", per_mille, FullPool::requests)
}

fn pairs(per_mille: u128) -> (State, Batch) {
    full("10.0.0.0/16", per_mille, FullPool::pairs)
}

// What is given back is dropped behind the count.
#[library_benchmark]
#[bench::claims_in_an_empty_pool(args = (0), setup = requests, config = limit(123_000))]
#[bench::claims_in_a_pool_nine_tenths_full(args = (900), setup = requests, config = limit(149_000))]
#[bench::claims_in_an_almost_full_pool(args = (999), setup = requests, config = limit(200_000))]
#[bench::pairs_in_an_empty_pool(args = (0), setup = pairs, config = limit(268_000))]
#[bench::pairs_in_a_pool_nine_tenths_full(args = (900), setup = pairs, config = limit(291_000))]
#[bench::pairs_in_an_almost_full_pool(args = (999), setup = pairs, config = limit(385_000))]
fn apply((mut state, batch): (State, Batch)) -> (State, Batch, Vec<Answer>) {
    let answers = black_box(state.apply(black_box(&batch)));
    (state, batch, answers)
}

fn batch() -> Batch {
    full("10.0.0.0/24", 0, FullPool::requests).1
}

fn encoded() -> Vec<u8> {
    berth_codec::encode(&batch()).expect("a batch can be encoded")
}

#[library_benchmark]
#[bench::batch(args = (), setup = batch, config = limit(65_000))]
fn encode(batch: Batch) -> (Batch, Vec<u8>) {
    let bytes = berth_codec::encode(black_box(&batch)).expect("a batch can be encoded");
    (batch, bytes)
}

#[library_benchmark]
#[bench::batch(args = (), setup = encoded, config = limit(189_000))]
fn decode(bytes: Vec<u8>) -> (Vec<u8>, Batch) {
    let batch = berth_codec::decode(black_box(&bytes)).expect("a batch was encoded");
    (bytes, batch)
}

/// A connection with one request, as engines send it. The thread has what a server has from its start.
fn connection() -> String {
    let body = r#"{"PoolID":"GlobalDefault~1/10.0.0.0/24","Address":"","Options":null}"#;
    let head = "POST /IpamDriver.RequestAddress HTTP/1.1\r\nHost: plugin.moby.localhost\r\n\
        User-Agent: Go-http-client/1.1\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\
        Connection: close";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    ipamapi::fuzzing::connection(request.as_bytes());
    request
}

// Its driver answers at once.
#[library_benchmark]
#[bench::request(args = (), setup = connection, config = limit(88_000))]
fn plugin(request: String) -> String {
    ipamapi::fuzzing::connection(black_box(request.as_bytes()));
    request
}

library_benchmark_group!(name = allocator; benchmarks = apply);
library_benchmark_group!(name = codec; benchmarks = encode, decode);
library_benchmark_group!(name = server; benchmarks = plugin);
main!(library_benchmark_groups = allocator, codec, server);
