//! `berth`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_node::cli::run()
}
