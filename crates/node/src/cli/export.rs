//! `berth export`

use std::io::{self, Write};

use berth_allocator::SpaceName;

use super::Failure;
use super::client::ApiClient;
use crate::api::types::ExportLine;
use crate::code::Code;

const EXAMPLES: &str = "\
Examples:
  berth export >berth.jsonl
  berth export --space lab | jq -r 'select(.type == \"address\") | [.address, .claim.host] | @csv'

A JSON object a line, of one moment: {\"type\": \"export\"}, then for each space itself, its reservations,
pools and addresses, in the form of the lists' --output json, and {\"type\": \"end\"}. It is for other
programs; what can be restored is a backup (`berth cluster backup`). Ask a server, not an agent.";

/// Print spaces, reservations, pools and addresses as JSON Lines
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Only this space, which may be the host's own [default: all of the cluster]
    #[arg(long, value_name = "NAME")]
    space: Option<SpaceName>,

    /// Accept what this node knows, however old; works without a quorum
    #[arg(long)]
    stale: bool,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let consistency = if arguments.stale { "stale" } else { "linearizable" };
    let space = arguments.space.map(|name| format!("&space={name}")).unwrap_or_default();
    let path = format!("/v1/export?consistency={consistency}{space}");
    let mut out = io::stdout().lock();
    let mut last = LastLine::default();
    let cannot = |error: io::Error| {
        Failure::new(Code::StrangeAnswer, format!("cannot write the export: {error}"))
    };
    let took = |bytes: &[u8]| {
        last.see(bytes);
        out.write_all(bytes).map_err(cannot)
    };
    api.download(&path, took).await?;
    out.flush().map_err(cannot)?;
    if last.is_end() {
        return Ok(());
    }
    Err(Failure::new(Code::StrangeAnswer, "the export was cut before its end: try again"))
}

/// The last line of what has come.
#[derive(Default)]
struct LastLine {
    line: Vec<u8>,
    over: bool,
}

impl LastLine {
    fn see(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if std::mem::take(&mut self.over) {
                self.line.clear();
            }
            self.line.extend_from_slice(piece);
            self.over = piece.ends_with(b"\n");
        }
    }

    fn is_end(&self) -> bool {
        let last = serde_json::from_slice(&self.line);
        self.over && matches!(last, Ok(ExportLine::End { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_export_is_none() {
        let whole =
            b"{\"type\":\"export\",\"version\":1,\"read\":null}\n{\"type\":\"end\",\"lines\":1}\n";
        for piece in [1, 5, whole.len()] {
            for end in 0..=whole.len() {
                let mut last = LastLine::default();
                whole[..end].chunks(piece).for_each(|piece| last.see(piece));
                assert_eq!(last.is_end(), end == whole.len(), "{end}");
            }
        }
    }
}
