//! `berth cluster backup`

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use berth_replication::{BackupCheck, BackupInfo, sync_directory_of};

use super::super::client::ApiClient;
use super::super::failure::chain;
use super::super::output::{note, progress};
use super::super::{Failure, time};
use crate::api::views;
use crate::code::Code;

const EXAMPLES: &str = "\
Examples:
  berth cluster backup /backup/berth-$(date +%F).backup
  berth cluster backup - | ssh vault 'cat > berth.backup'

A backup holds all that was answered before it was begun, and who holds what: keep it as secret as
the cluster's data. It is written to FILE.part, checked, and renamed. Ask any node, not an agent.";

/// The standard output, as a file's name.
const STDOUT: &str = "-";
const MIB: u64 = 1 << 20;

/// Write the cluster's state to a file, while it serves
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in super::super) struct Arguments {
    /// Where to write it; - for the standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let Arguments { file } = arguments;
    let info = if file == Path::new(STDOUT) {
        let mut out = io::stdout().lock();
        let info = receive(&api, &mut out, &file).await?;
        out.flush().map_err(|error| cannot_write(&file, &error))?;
        info
    } else {
        to_file(&api, &file).await?
    };
    note(&described(&info));
    Ok(())
}

/// What a backup holds, in a line.
pub(super) fn described(info: &BackupInfo) -> String {
    let BackupInfo { cluster, taken, node, index, revision, spaces, pools, addresses, .. } = info;
    format!(
        "backup of cluster {cluster}, made by {node} {}: {spaces} spaces, {pools} pools, {addresses} \
         addresses, up to log entry {index} and revision {revision}",
        time::with_age(&views::time(*taken))
    )
}

async fn to_file(api: &ApiClient, file: &Path) -> Result<BackupInfo, Failure> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |error: io::Error| cannot_write(&part, &error);
    let mut options = OpenOptions::new();
    let mut out =
        options.write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failed)?;
    let received = receive(api, &mut out, &part).await;
    let received = received.and_then(|info| out.sync_all().map_err(failed).map(|()| info));
    let renamed = received.and_then(|info| {
        fs::rename(&part, file)
            .and_then(|()| sync_directory_of(file))
            .map_err(failed)
            .map(|()| info)
    });
    if renamed.is_err() {
        // It may be kept for a look where this fails.
        let _ = fs::remove_file(&part);
    }
    renamed
}

/// Writes what comes, and checks it.
async fn receive(
    api: &ApiClient,
    out: &mut impl Write,
    file: &Path,
) -> Result<BackupInfo, Failure> {
    let mut check = BackupCheck::new();
    let (mut written, mut shown) = (0, 0);
    let terminal = io::stderr().is_terminal();
    let took = |bytes: &[u8]| {
        check.feed(bytes).map_err(|error| Failure::new(Code::Backup, chain(&error)))?;
        out.write_all(bytes).map_err(|error| cannot_write(file, &error))?;
        written += bytes.len() as u64;
        if terminal && written / MIB > shown {
            shown = written / MIB;
            let of = check.info().map(|info| info.state_bytes / MIB).unwrap_or_default();
            progress(&format!("{shown} of {of} MiB"));
        }
        Ok(())
    };
    let downloaded = api.download("/v1/backup", took).await;
    if shown > 0 {
        progress("");
    }
    downloaded?;
    check.finish().map_err(|error| Failure::new(Code::Backup, chain(&error)))
}

fn cannot_write(file: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::Backup, format!("cannot write {}: {error}", file.display()))
}
