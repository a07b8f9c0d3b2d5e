//! `berth cluster restore`

use std::fmt::Write;
use std::path::PathBuf;

use berth_replication::{Clock, RestorationId, Restore, Restored, SystemClock, restore};

use super::super::failure::chain;
use super::super::output::print;
use super::super::{Common, Failure};
use super::backup::described;
use crate::code::Code;
use crate::config::{FirstMember, MemberSettings, Settings};
use crate::server::CLUSTER;

const EXAMPLES: &str = "\
Examples:
  berth cluster restore berth.backup --name n1 --data-dir /var/lib/berth
  berth cluster restore berth.backup --name n1 --initial-cluster n1=10.0.0.1:7100,n2=10.0.0.2:7100,n3=10.0.0.3:7100
  berth cluster restore berth.backup --name n2 --initial-cluster … --restoration ID     on the second host

The server must not run, and DIR/raft must not be there. What is made is a member of a new cluster,
to which nodes of the old one are strangers. It knows that it is behind: what was given after the
backup it does not know, so it gives nothing new until it is told more (`berth cluster resume --help`).";

/// Make the data directory of a first member of a new cluster out of a backup
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in super::super) struct Arguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// This host's name, one of the members' [default: the host's name]
    #[arg(long, env = "BERTH_NAME", hide_env_values = true)]
    name: Option<String>,

    /// Where the server will keep its data [default: /var/lib/berth]
    #[arg(long, env = "BERTH_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Where nodes and agents will reach this node [default: 127.0.0.1:7100]
    #[arg(long, env = "BERTH_LISTEN", hide_env_values = true, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// All first members of the new cluster, this node included [default: this node]
    #[arg(
        long,
        env = "BERTH_INITIAL_CLUSTER",
        hide_env_values = true,
        value_name = "N1=HOST:PORT,N2=…"
    )]
    initial_cluster: Option<String>,

    /// Which restoration, as the first restored member was told
    #[arg(long, value_name = "ID")]
    restoration: Option<RestorationId>,
}

pub(super) fn run(arguments: Arguments, common: &Common) -> Result<(), Failure> {
    let Arguments { file, name, data_dir, listen, initial_cluster, restoration } = arguments;
    let settings = Settings::load(common.config.as_deref())?;
    let own = MemberSettings { listen, initial_cluster, ..MemberSettings::default() };
    let own = own.or(settings.member);
    let (name, data_dir) = (name.or(settings.host.name), data_dir.or(settings.host.data_dir));
    let member = FirstMember::new(name, data_dir, own.clone())?;
    let wanted = Restore {
        file,
        cluster: CLUSTER.to_owned(),
        name: member.name.clone(),
        members: member.members.clone(),
        data_dir: member.raft_dir(),
        restoration,
        now: SystemClock.now(),
    };
    let restored = restore(&wanted).map_err(|error| Failure::new(Code::Backup, chain(&error)))?;
    print(&summary(&wanted, &restored, own.initial_cluster.as_deref()))
}

fn summary(wanted: &Restore, restored: &Restored, listed: Option<&str>) -> String {
    let mut text = format!(
        "{}\n\nrestored into {} as {}, of the new cluster {}; revisions go on from {}\n\nWhat follows:\n",
        described(&restored.backup),
        wanted.data_dir.display(),
        wanted.name,
        restored.cluster,
        restored.revision,
    );
    let mut steps = Vec::new();
    let others: Vec<_> =
        wanted.members.iter().filter(|member| member.name != wanted.name).collect();
    if !others.is_empty() {
        steps.push(format!(
            "Restore the other first members ({}), each on its host, with the same file:\n     berth \
             cluster restore {} --name NAME --initial-cluster {} --restoration {}",
            others.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", "),
            wanted.file.display(),
            listed.unwrap_or("…"),
            restored.restoration,
        ));
    }
    steps.extend([
        "Start the server with the settings it always had; of the old cluster nobody may serve any more."
            .to_owned(),
        "On each agent's host, stop the agent, remove servers/cluster from its data directory, which \
         names the old\n     cluster, and start it."
            .to_owned(),
        "Begin every Docker engine anew, so that it claims again what it holds.".to_owned(),
        "Say so: berth cluster resume".to_owned(),
    ]);
    for (number, step) in (1..).zip(steps) {
        // Writing to a text does not fail.
        let _ = writeln!(text, "  {number}. {step}");
    }
    text
}
