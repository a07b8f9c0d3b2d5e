//! Allocators alone, in memory: what criterion found of Berth's, and what a Go program found of
//! libnetwork's.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

/// What one address takes in a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoreFigure {
    /// Whose allocator.
    pub(crate) allocator: String,
    /// Of the pool.
    pub(crate) prefix: String,
    /// How much of it is taken.
    pub(crate) full: String,
    /// How what is taken lies in the pool.
    pub(crate) pattern: String,
    /// A request, in nanoseconds.
    pub(crate) claim_ns: f64,
    /// A request and its release.
    pub(crate) claim_and_release_ns: f64,
}

/// All there is.
pub(crate) async fn read(
    criterion: Option<&Path>,
    libnetwork: Option<&Path>,
) -> Result<Vec<CoreFigure>> {
    let mut figures = Vec::new();
    if let Some(dir) = criterion {
        figures.extend(of_criterion(dir)?);
    }
    if let Some(program) = libnetwork {
        figures.extend(of_program(program).await?);
    }
    Ok(figures)
}

/// What `cargo bench -p berth-benches` left in criterion's directory.
fn of_criterion(dir: &Path) -> Result<Vec<CoreFigure>> {
    let group = dir.join("allocate");
    let mut figures = Vec::new();
    let cases = fs::read_dir(group.join("claim"));
    let cases = cases.with_context(|| format!("nothing of criterion's in {}", dir.display()))?;
    for case in cases {
        let name = case?.file_name();
        let mean = |function: &str| -> Result<f64> {
            let file = group.join(function).join(&name).join("new/estimates.json");
            let found: Value = serde_json::from_slice(&fs::read(file)?)?;
            found["mean"]["point_estimate"].as_f64().context("criterion gives no mean")
        };
        let Some((prefix, full)) = name.to_str().and_then(|name| name.split_once(' ')) else {
            continue;
        };
        figures.push(CoreFigure {
            allocator: "berth".into(),
            prefix: prefix.replace("___", "::/").replace('_', "/"),
            full: full.into(),
            pattern: "scattered".into(),
            claim_ns: mean("claim")?,
            claim_and_release_ns: mean("claim and release")?,
        });
    }
    Ok(figures)
}

/// What a program prints, a figure a line.
async fn of_program(program: &Path) -> Result<Vec<CoreFigure>> {
    let output = Command::new(program).stderr(Stdio::inherit()).output().await;
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{} failed", program.display());
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
}
