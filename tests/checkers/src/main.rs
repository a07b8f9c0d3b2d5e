//! Checks a history that was kept: `cargo run -p berth-checkers -- FILE`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "that is where a command reports")]

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use berth_checkers::{History, check};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: berth-checkers FILE: a history, as JSON Lines");
        return ExitCode::from(2);
    };
    let opened = File::open(&path).map_err(|error| error.to_string());
    let read = opened.and_then(|file| {
        History::read(BufReader::new(file)).map_err(|error| format!("{error}: {}", cause(&error)))
    });
    let history = match read {
        Ok(history) => history,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let found = check(&history);
    for violation in &found {
        println!("{violation}\n");
    }
    let (operations, found) = (history.operations.len(), found.len());
    println!("{operations} operations, {found} violations");
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(String::new, ToString::to_string)
}
