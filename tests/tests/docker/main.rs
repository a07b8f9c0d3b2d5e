//! A real Docker Engine whose networks get their addresses from Berth.

#[cfg(test)]
mod daemon;
#[cfg(test)]
mod networks;
