//! Tests of the allocator through its public interface, as its replicas use it.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod world;
