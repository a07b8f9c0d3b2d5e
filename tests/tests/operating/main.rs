//! What operators do, by the commands of `docs/operating`, word for word.

#[cfg(test)]
mod hosts;
#[cfg(test)]
mod members;
#[cfg(test)]
mod page;
