//! `berth`, once more: cargo builds a package's own binaries before its tests, and no other's.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_node::cli::run()
}
