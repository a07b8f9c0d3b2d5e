//! The allocator's cases of libnetwork's contract, numbered as there, in a local space that reuses
//! addresses at once.

mod addresses;
mod overlaps;
mod pools;
mod races;
