//! Every limit of the allocator, in one place. Reaching one is a [`Rejection`](crate::Rejection),
//! never a panic and never a silent cut.

/// Bytes in the name of a space, pool or client.
pub const NAME_BYTES_MAX: usize = 128;
/// Labels on a pool, or on the owner of an address.
pub const LABELS_MAX: usize = 64;
/// Bytes in any other text: the key or value of a label, a note, a key by which an address is found
/// again, an owner's name or MAC address.
pub const TEXT_BYTES_MAX: usize = 256;
/// Spaces in a cluster.
pub const SPACES_MAX: usize = 1_024;
/// Ranges from which a space makes automatic pools.
pub const RANGES_MAX: usize = 256;
/// Prefixes with pools in a space.
pub const PREFIXES_PER_SPACE_MAX: usize = 100_000;
/// Pools over one prefix: the prefix itself and its sub-pools.
pub const POOLS_PER_PREFIX_MAX: usize = 1_024;
/// Hosts that hold one pool of a shared space.
pub const HOLDERS_PER_POOL_MAX: usize = 10_000;
/// Addresses of one prefix that are claimed or cooling: a full IPv4 /8.
pub const CLAIMS_PER_PREFIX_MAX: u64 = 1 << 24;
/// Addresses, pools, keys and reservations of all spaces together, in bytes that they take in a
/// snapshot at most: 2 GiB, a full IPv4 /8 of containers with MAC addresses. An adoption is never
/// refused, though it may tell more of an owner.
pub const STATE_BYTES_MAX: u64 = 2 << 30;
/// Reservations in a space.
pub const RESERVATIONS_PER_SPACE_MAX: usize = 10_000;
/// Prefixes that one automatic request may exclude.
pub const EXCLUSIONS_MAX: usize = 1_024;
/// Keys that a prefix remembers the address of.
pub const KEYS_PER_PREFIX_MAX: usize = 100_000;
/// Clients, live and forgotten.
pub const CLIENTS_MAX: usize = 10_000;
/// Tokens that may be used.
pub const TOKENS_MAX: usize = 1_024;
/// Sessions that a space remembers; the oldest go first.
pub const SESSIONS_PER_SPACE_MAX: usize = 1_024;
/// Answers kept for a client that has not said yet that it heard them.
pub const WINDOW_MAX: usize = 4_096;
/// Commands in one [`Command::Batch`](crate::Command::Batch).
pub const BATCH_MAX: usize = 1_024;
/// Longest time that a released address may cool: one year, in milliseconds.
pub const REUSE_DELAY_MS_MAX: u64 = 365 * 24 * 3_600 * 1_000;
/// Longest identity lease: one day, in milliseconds.
pub const LEASE_MS_MAX: u64 = 24 * 3_600 * 1_000;
