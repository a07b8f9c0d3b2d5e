//! Tests of the allocator through its public interface, as its replicas use it.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod naive_model;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod world;
