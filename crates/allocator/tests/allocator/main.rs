//! Tests of the allocator through its public interface, as its replicas use it.

mod cases;
mod world;
