//! Three real nodes: what they promise while nodes, disks and engines fail.

#[cfg(test)]
mod agents;
#[cfg(test)]
mod disks;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod members;
#[cfg(test)]
mod quorum;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod room;
#[cfg(test)]
mod security;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod stale;
