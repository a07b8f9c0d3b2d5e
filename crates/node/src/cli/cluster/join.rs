//! `berth cluster join`

use berth_replication::{Joined, holds_cluster, take_place};

use crate::cli::output::{note, print};
use crate::cli::{Common, Failure};
use crate::code::Code;
use crate::config::{HostSettings, MemberSettings, ServerConfig, Settings};
use crate::{host, server};

const EXAMPLES: &str = "\
Examples:
  berth cluster join \"$TOKEN\" --name n4 --listen 10.1.0.4:7100
  berth cluster join \"$TOKEN\" --replace    this host's data is damaged or gone: it takes its own place

Stop the server first, and start it afterwards with the same settings.";

/// Make this host a member: what `berth server --join` does, without starting it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// A token of `berth cluster join-token`
    token: String,

    #[command(flatten)]
    host: HostSettings,

    #[command(flatten)]
    member: MemberSettings,
}

pub(super) fn run(arguments: Arguments, common: &Common) -> Result<(), Failure> {
    let file = Settings::load(common.config.as_deref())?;
    let member = arguments.member.or(file.member);
    let wanted = ServerConfig::to_join(arguments.host.or(file.host), &member, &arguments.token)?;
    let dir = wanted.data_dir.clone();
    let failed = |text: String| Failure::new(Code::CannotJoin, text);
    let found = dir.exists() && (holds_cluster(&dir) || wanted.replace);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    // The old data is put aside only once the cluster has admitted this host.
    let beside = dir.with_extension("joining");
    let replaces = found && wanted.replace;
    let (name, address) = (wanted.name.clone(), wanted.address.clone());
    let mut request = wanted;
    if replaces {
        if beside.exists() {
            std::fs::remove_dir_all(&beside)
                .map_err(|error| failed(format!("cannot remove {}: {error}", beside.display())))?;
        }
        request.data_dir.clone_from(&beside);
    }
    if let Some(data_dir) = dir.parent() {
        host::make_data_dir(data_dir)?;
    }
    let Joined { node, cluster, .. } = runtime.block_on(server::join_cluster(request))?;
    if replaces {
        let kept = take_place(&beside, &dir)
            .map_err(|error| failed(format!("cannot replace {}: {error}", dir.display())))?;
        note(&format!("the old data is kept in {}", kept.display()));
    }
    print(&format!(
        "{name} is member {node} of cluster {cluster}, reached at {address}.\nStart `berth server` as \
         usual: it catches up, and then votes. --join and --initial-cluster are not needed."
    ))
}
