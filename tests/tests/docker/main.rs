//! A real Docker Engine whose networks get their addresses from Berth.
//!
//! `BERTH_TEST_ENGINE_ROOT` names a root file system with another engine than this host's.

#[cfg(test)]
mod daemon;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod example;
#[cfg(test)]
mod networks;
