//! Bad input to a real node: each gets one clear error, and changes nothing.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod starting;
