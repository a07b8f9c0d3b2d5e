//! A host's process as its service manager sees it: what it tells, and what it is told.

#[cfg(test)]
mod config;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod manager;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod units;
