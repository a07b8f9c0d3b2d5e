//! `berth cluster upgrade`

use comfy_table::Cell;
use hyper::Method;

use crate::api::types::{ClusterLevel, NewLevel};
use crate::cli::Failure;
use crate::cli::client::ApiClient;
use crate::cli::output::{Format, print, show};
use crate::cli::table::{cell, table};
use crate::doctor::Ask;

const EXAMPLES: &str = "\
Examples:
  berth cluster upgrade             which member runs what, and what all of them know
  berth cluster upgrade --raise     once all run the new version, and none is to go back

Until the level is raised each server can go back to the version before. A level is never lowered.";

/// Show what the members know, and raise the cluster's level to it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Raise the level to what all members know: from then on no older version can be a member
    #[arg(long)]
    raise: bool,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    if arguments.raise {
        let new = NewLevel::default();
        let raised: ClusterLevel = api.change(Method::POST, "/v1/level", &new).await?;
        return print(&format!("the cluster is at level {}", raised.level));
    }
    let cluster: ClusterLevel = api.get("/v1/level").await?;
    show(arguments.output, &cluster, told)
}

fn told(cluster: &ClusterLevel) -> String {
    let rows = cluster.members.iter().map(|member| {
        let newest = member.newest.map(|newest| newest.to_string());
        vec![
            Cell::new(&member.name),
            cell(member.version.as_deref()),
            cell(newest.as_deref()),
            cell(member.silent.as_deref()),
        ]
    });
    let members = table(&["MEMBER", "VERSION", "#LEVEL", "SILENT"], rows);
    let next = match cluster.all_know {
        Some(all) if all > cluster.level => {
            format!("; all members know level {all}: raise it with `berth cluster upgrade --raise`")
        }
        Some(_) => ", the newest that all members know".to_owned(),
        None => "; not all members have said what they know".to_owned(),
    };
    format!("{members}\n\nthe cluster is at level {}{next}", cluster.level)
}
