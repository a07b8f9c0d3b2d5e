//! `berth doctor`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use comfy_table::{Cell, Color};

use super::Failure;
use super::client::ApiClient;
use super::free::{self, Word};
use super::output::{Format, note, show};
use super::table::table;
use crate::api::types::Status;
use crate::code::Code;
use crate::doctor::{Ask, Books, Finding, Fix, Severity, TooMany, compare, observe, of_hosts};

const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// What is found twice, this far apart, was not just about to change.
const GRACE: Duration = Duration::from_secs(2);
/// Why a claim was freed.
const NOTE: &str = "berth doctor --fix: the engine showed no use of it, twice";

const EXAMPLES: &str = "\
Examples:
  berth doctor                      what is lost, and what is used and not held
  berth doctor --fix                the same, and free what was lost
  berth doctor --output json | jq -r '.[] | select(.severity == \"error\") | .detail'

It compares what Berth holds with what this host's engine shows, twice; on a manager of a Swarm also
what the Swarm uses. It frees nothing that the engine may still hold, and nothing at all without
--fix. Exit code 1: something is wrong, and was not fixed.";

/// Find leaks, and addresses that are used and not held
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Free what is lost: stale or in doubt, and shown by nothing
    #[arg(long)]
    fix: bool,

    /// Socket of the engine's API
    #[arg(
        long,
        env = "BERTH_DOCKER_SOCKET",
        hide_env_values = true,
        value_name = "PATH",
        default_value = DOCKER_SOCKET
    )]
    docker_socket: PathBuf,

    /// A further name under which networks name the driver [default: berth, with any tag]
    #[arg(long, value_name = "NAME")]
    driver: Vec<String>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let status: Status = api.get("/v1/status").await?;
    let mut found = look(&arguments, &api).await?;
    if !found.is_empty() {
        tokio::time::sleep(GRACE).await;
        let again = look(&arguments, &api).await?;
        found.retain(|finding| again.contains(finding));
    }
    let problem = |problem: &String| Finding {
        severity: Severity::Error,
        kind: "node",
        about: status.node.clone(),
        detail: problem.clone(),
        fix: None,
    };
    let mut findings: Vec<Finding> = status.problems.iter().map(problem).collect();
    findings.extend(found);
    show(arguments.output, &findings, |findings| summary(findings))?;
    let fixes: Vec<&Fix> = findings.iter().filter_map(|finding| finding.fix.as_ref()).collect();
    let freed = if arguments.fix { fix(&api, &fixes).await? } else { 0 };
    if !arguments.fix && !fixes.is_empty() {
        note(&format!("{} can be freed: berth doctor --fix", fixes.len()));
    }
    let wrong = findings.len();
    match wrong.saturating_sub(freed) {
        0 => Ok(()),
        left => Err(Failure::new(Code::Unhealthy, format!("{left} of {wrong} found are left"))),
    }
}

impl From<TooMany> for Failure {
    fn from(error: TooMany) -> Self {
        Self::new(Code::TooLarge, error.to_string())
    }
}

/// Looks once, at Berth first: what is claimed and used meanwhile is not found.
async fn look(arguments: &Arguments, api: &ApiClient) -> Result<BTreeSet<Finding>, Failure> {
    let before = Books::take(api).await?;
    let seen = observe(&arguments.docker_socket, &arguments.driver).await;
    let seen = seen.map_err(|error| Failure::new(Code::Engine, error.to_string()))?;
    let of_hosts = of_hosts(api, &before, &seen).await?;
    let after = Books::take(api).await?;
    Ok(compare(&before, &after, &of_hosts, &seen))
}

/// Frees them; gives how many are gone.
async fn fix(api: &ApiClient, fixes: &[&Fix]) -> Result<usize, Failure> {
    let word = Word { force: false, note: Some(NOTE.to_owned()) };
    let mut freed = 0;
    // Addresses first: a pool takes those that it still holds with it.
    let (addresses, pools): (Vec<&Fix>, Vec<&Fix>) =
        fixes.iter().partition(|fix| fix.address.is_some());
    for fix in addresses.into_iter().chain(pools) {
        let about = fix.address.map_or(fix.pool.clone(), |address| address.to_string());
        match free::end(api, &fix.pool, fix.address, fix.claim, &word).await {
            Ok(()) => {
                freed += 1;
                note(&format!("freed {about}"));
            }
            Err(failure) => note(&format!("left {about}: {failure}")),
        }
    }
    Ok(freed)
}

fn summary(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing is wrong: what is used is held, and nothing is lost".to_owned();
    }
    let rows = findings.iter().map(|finding| {
        let (name, colour) = match finding.severity {
            Severity::Error => ("error", Color::Red),
            Severity::Warning => ("warning", Color::Yellow),
        };
        vec![
            Cell::new(name).fg(colour),
            Cell::new(finding.kind),
            Cell::new(&finding.about),
            Cell::new(&finding.detail),
        ]
    });
    table(&["SEVERITY", "KIND", "ABOUT", "DETAIL"], rows)
}
