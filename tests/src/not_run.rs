//! Tests that cannot run here: they are told of, so that nobody takes them for passed.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::panic::Location;

/// Names the file in which tests say that they did not run, and why: a line each. `scripts/test`
/// sets it, and shows the lines at its end.
const FILE: &str = "BERTH_NOT_RUN";

/// Whether this process is root's, which a test needs for the reason given. If not, the test has to
/// return; where nobody collects what did not run, it fails here.
#[track_caller]
pub fn is_root(why: &str) -> bool {
    runs(rustix::process::geteuid().is_root(), why, std::env::var_os(FILE))
}

/// Whether this machine has a program that a test needs, for the reason given. Else as above.
#[track_caller]
pub fn has_program(program: &str, why: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    runs(found, &format!("{why} ({program} is not there)"), std::env::var_os(FILE))
}

#[track_caller]
fn runs(may: bool, why: &str, file: Option<OsString>) -> bool {
    if may {
        return true;
    }
    let test = Location::caller();
    let line = format!("{}:{}: {why}\n", test.file(), test.line());
    let Some(file) = file else {
        panic!("cannot run: {why} (with {FILE}=FILE it is told there instead)")
    };
    let written = File::options()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_run_says_nothing() {
        assert!(runs(true, "only root may", None));
    }

    #[test]
    fn what_cannot_run_is_told_with_its_place_and_reason() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("not-run");
        for _ in 0..2 {
            assert!(!runs(false, "only root may", Some(file.clone().into())));
        }
        let told = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains("not_run.rs:") && lines[0].ends_with(": only root may"),
            "{told}"
        );
    }

    #[test]
    #[should_panic(expected = "cannot run: only root may")]
    fn what_cannot_run_fails_where_nobody_collects_it() {
        runs(false, "only root may", None);
    }
}
