//! The plugin server and the remote client over real sockets, byte by byte where bytes matter.

#[cfg(test)]
mod delivery;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod remote;
