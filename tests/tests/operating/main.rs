//! What operators do, by the commands of `docs/operating`, word for word.

#[cfg(test)]
mod access;
#[cfg(test)]
mod members;
