//! Where random numbers come from.

/// Random bytes of the system's source.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    #[cfg(feature = "sim")]
    if let Some(machine) = crate::sim::current() {
        machine.fill_random(&mut bytes);
        return Ok(bytes);
    }
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
