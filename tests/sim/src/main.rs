//! Runs seeds: `scripts/sim` builds it and says which.

#[cfg(tokio_unstable)]
mod campaign;

#[cfg(tokio_unstable)]
fn main() -> std::process::ExitCode {
    campaign::main()
}

#[cfg(not(tokio_unstable))]
fn main() -> Result<(), &'static str> {
    Err("built without `--cfg tokio_unstable`: use scripts/sim")
}
