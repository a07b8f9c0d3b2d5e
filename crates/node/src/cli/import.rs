//! `berth import`

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::Failure;
use super::client::ApiClient;
use super::output::{print, progress};
use crate::api::types::{ImportLine, Imported};
use crate::code::Code;
use crate::import::FILE_BYTES_MAX;

const EXAMPLES: &str = "\
Examples:
  berth import berth.jsonl --dry-run
  berth import berth.jsonl
  berth --token-file old.token export | berth --token-file new.token import -

Takes what `berth export` printed into another cluster, whose spaces of the same names are absent or empty.
All of it is checked before anything is changed. Import before the hosts' engines, and agents, come: they
then claim what they hold, as after any restart. Ids and times are new. Ask a server, not an agent.";

/// The standard input, as a file's name.
const STDIN: &str = "-";

/// Take what `berth export` printed into this cluster
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What to import; - for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Only say whether it could be imported, and what
    #[arg(long)]
    dry_run: bool,

    /// Go on with an import of this file that was not finished
    #[arg(long)]
    resume: bool,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let Arguments { file, dry_run, resume } = arguments;
    let text = read(&file)?;
    let mut answer = Answer::default();
    let terminal = io::stderr().is_terminal();
    let mut shown = false;
    let took = |bytes: &[u8]| {
        if let Some(ImportLine::Progress { done, of }) = answer.see(bytes)?
            && terminal
        {
            shown = true;
            progress(&format!("{done} of {of} pools and addresses"));
        }
        Ok(())
    };
    let path = format!("/v1/import?dry_run={dry_run}&resume={resume}");
    let uploaded = api.upload(&path, text.into(), took).await;
    if shown {
        progress("");
    }
    uploaded?;
    match answer.last {
        Some(ImportLine::Done(imported)) => print(&told(&imported, dry_run)),
        Some(ImportLine::Failed { problem }) => Err(problem.into()),
        _ => Err(Failure::new(
            Code::OutcomeUnknown,
            "the node did not say how the import ended: look at its log, and at `berth space ls`",
        )),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let from: io::Result<Box<dyn Read>> = if file == Path::new(STDIN) {
        Ok(Box::new(io::stdin()))
    } else {
        std::fs::File::open(file).map(|file| Box::new(file) as _)
    };
    let mut text = Vec::new();
    let read = from.and_then(|from| from.take(FILE_BYTES_MAX + 1).read_to_end(&mut text));
    read.map_err(|error| {
        Failure::new(Code::Import, format!("cannot read {}: {error}", file.display()))
    })?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let text = format!("{} has more than {} MiB", file.display(), FILE_BYTES_MAX >> 20);
        return Err(Failure::new(Code::TooLarge, text));
    }
    Ok(text)
}

fn told(imported: &Imported, dry_run: bool) -> String {
    let Imported { spaces, reservations, pools, addresses, cooling, left_out } = imported;
    let done = if dry_run { "can be imported" } else { "imported" };
    let left_out = match left_out {
        0 => String::new(),
        some => format!("; left out: {some} that cooled, whose hosts have left their pools"),
    };
    format!(
        "{done}: {spaces} spaces, {reservations} reservations, {pools} pools, {addresses} addresses that \
         are held, {cooling} that cool{left_out}"
    )
}

/// The lines of the answer, as far as they have come.
#[derive(Default)]
struct Answer {
    rest: Vec<u8>,
    last: Option<ImportLine>,
}

impl Answer {
    /// Takes more; gives the last line so far.
    fn see(&mut self, bytes: &[u8]) -> Result<Option<&ImportLine>, Failure> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if self.rest.ends_with(b"\n") {
                let line = serde_json::from_slice(&std::mem::take(&mut self.rest));
                let strange = |error: serde_json::Error| {
                    Failure::new(Code::StrangeAnswer, format!("the node's answer: {error}"))
                };
                self.last = Some(line.map_err(strange)?);
            }
        }
        Ok(self.last.as_ref())
    }
}
