//! Chance, all of which follows from the seed.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A stream of random choices. Each part of a simulation has its own, so that a new choice in one
/// part does not change all others.
#[derive(Debug)]
pub(crate) struct Rng(SmallRng);

impl Rng {
    /// The stream of this name, of this seed.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let name = xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), seed);
        Self(SmallRng::seed_from_u64(name))
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.random()
    }

    /// A number from `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..=to)
    }

    /// An index below `count`, which must not be zero.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, of_thousand: u64) -> bool {
        self.between(1, 1_000) <= of_thousand
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Fills the buffer.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
