//! Where random numbers come from.

/// Fills the buffer from the system's source.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    #[cfg(feature = "sim")]
    if let Some(machine) = crate::sim::current() {
        machine.fill_random(bytes);
        return Ok(());
    }
    getrandom::fill(bytes)
}
