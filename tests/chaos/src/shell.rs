//! Commands of this machine: docker, mount, nsenter.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Longer than any of them takes.
const PATIENCE: &str = "120s";

/// Runs a command, which must succeed; gives what it says.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let Output { status, stdout, stderr } = output(program, arguments).await?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        bail!("{program} {arguments:?} ended with {status}: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

/// Runs a command; gives all that it says, whether or not it succeeds.
pub(crate) async fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let Output { stdout, stderr, .. } = output(program, arguments).await?;
    Ok([String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat())
}

async fn output(program: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, program]).args(arguments).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await?;
    output.with_context(|| format!("cannot run {program}"))
}
