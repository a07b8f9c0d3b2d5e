//! `berth status`

use comfy_table::Cell;

use super::client::ApiClient;
use super::output::{Format, show};
use super::table::{cell, facts, table};
use super::{Failure, space};
use crate::api::types::{Disk, Fingerprint, Member, Status};
use crate::code::Code;
use crate::doctor::Ask;
use crate::room::mebibytes;

const EXAMPLES: &str = "\
Examples:
  berth status
  berth status && echo ready
  berth status --fingerprint --output json    equal on nodes that applied the same entries

It fails with exit code 3 until the cluster has a leader and a quorum that this node can reach.";

/// Show members, leader, log, spaces, and what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,

    /// Show a hash of all that this node holds of the cluster, instead
    #[arg(long)]
    fingerprint: bool,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    if arguments.fingerprint {
        let fingerprint: Fingerprint = api.get("/v1/fingerprint").await?;
        return show(arguments.output, &fingerprint, |hash| {
            format!("{} after log entry {}, revision {}", hash.value, hash.applied, hash.revision)
        });
    }
    let status: Status = api.get("/v1/status").await?;
    show(arguments.output, &status, summary)?;
    match status.problems.as_slice() {
        [] => Ok(()),
        [text] if status.disk.refuses.as_ref() == Some(text) => {
            Err(Failure::new(Code::NoRoom, text))
        }
        problems => Err(Failure::new(Code::Unavailable, problems.join("; "))),
    }
}

fn summary(status: &Status) -> String {
    let Status { node, version, cluster, role, server, term, log, ledger, .. } = status;
    let ready = if status.ready { "ready" } else { "not ready" };
    let leader = status.leader.as_deref().unwrap_or("no leader known");
    let mut known = vec![
        (
            "node",
            format!("{node}, {ready}, {role}{} (Berth {version})", speaks_to(server.as_deref())),
        ),
        ("cluster", cluster.clone()),
        ("channel", channel(status.certificate_expires.as_deref())),
        ("leader", format!("{leader}, term {term}")),
        (
            "log",
            format!(
                "{} written, {} committed, {} applied, {} in a snapshot",
                log.last, log.committed, log.applied, log.snapshot
            ),
        ),
        ("ledger", format!("{} written, {} in a snapshot", ledger.last, ledger.snapshot)),
    ];
    let Disk { free, reserve, .. } = status.disk;
    known.push(("disk", format!("{} free, {} in reserve", mebibytes(free), mebibytes(reserve))));
    if status.spaces.iter().any(|space| space.behind) {
        let text = "gives nothing new from what it may not know: see `berth cluster resume --help`";
        known.push(("restored", text.to_owned()));
    }
    let members = members(&status.members, status.leader.as_deref());
    [facts(known), members, space::summary(&status.spaces)].join("\n\n")
}

fn channel(certificate_expires: Option<&str>) -> String {
    match certificate_expires {
        Some(expires) => format!("TLS, certificate until {expires} unless renewed before"),
        None => "plaintext".to_owned(),
    }
}

fn speaks_to(server: Option<&str>) -> String {
    server.map(|server| format!(" of {server}")).unwrap_or_default()
}

/// The members, one a line.
pub(super) fn members(members: &[Member], leader: Option<&str>) -> String {
    let rows = members.iter().map(|member| {
        let heard = member.heard_ms_ago.map(|millis| format!("{millis} ms ago"));
        let matched = member.matched.map(|index| index.to_string());
        vec![
            Cell::new(&member.name),
            Cell::new(member.id),
            Cell::new(&member.address),
            Cell::new(role(member, leader)),
            cell(matched.as_deref()),
            cell(heard.as_deref()),
        ]
    });
    table(&["MEMBER", "#ID", "ADDRESS", "ROLE", "#LOG", "HEARD"], rows)
}

fn role(member: &Member, leader: Option<&str>) -> &'static str {
    match member.voter {
        _ if leader == Some(&member.name) => "leader",
        true => "voter",
        false => "learner",
    }
}
