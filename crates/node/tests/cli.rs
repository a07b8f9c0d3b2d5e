//! The command line itself: help that teaches, and usage errors.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::process::{Command, Output};

use expect_test::expect_file;

fn berth(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args(arguments).env_clear().output().unwrap()
}

const COMMANDS: [&[&str]; 31] = [
    &["server"],
    &["status"],
    &["cluster"],
    &["cluster", "members"],
    &["cluster", "join-token"],
    &["cluster", "join"],
    &["cluster", "promote"],
    &["cluster", "remove"],
    &["cluster", "transfer-leader"],
    &["cluster", "recover"],
    &["space"],
    &["space", "ls"],
    &["space", "show"],
    &["space", "create"],
    &["space", "set"],
    &["space", "rm"],
    &["pool"],
    &["pool", "ls"],
    &["pool", "show"],
    &["address", "ls"],
    &["pool", "rm"],
    &["pool", "reserve"],
    &["pool", "unreserve"],
    &["address", "show"],
    &["address", "release"],
    &["export"],
    &["import"],
    &["why"],
    &["doctor"],
    &["bench"],
    &["completions"],
];

#[test]
fn the_first_help_fits_a_screen_and_shows_an_example() {
    let help = String::from_utf8(berth(&["--help"]).stdout).unwrap();
    expect_file!["snapshots/help.txt"].assert_eq(&help);
    assert!(help.lines().count() <= 40, "{help}");
    assert!(help.contains("berth server --bootstrap"));
}

#[test]
fn each_commands_help_ends_with_examples() {
    for command in
        COMMANDS.into_iter().filter(|command| !matches!(command, ["space" | "pool" | "cluster"]))
    {
        let said = berth(&[command, &["--help"]].concat());
        let help = String::from_utf8(said.stdout).unwrap();
        let (_, examples) = help.rsplit_once("Examples:").unwrap_or_else(|| panic!("{help}"));
        assert!(examples.contains("  berth "), "{help}");
    }
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    let wrong: [&[&str]; 17] = [
        &[],
        &["dance"],
        &["pool", "show"],
        &["pool", "show", "10.0.0.0/8"],
        &["address", "show", "10.0.0.256"],
        &["space", "show", "../etc"],
        &["status", "--output", "xml"],
        &["cluster", "remove", "../etc"],
        &["cluster", "join", "nonsense", "--name", "n1"],
        &["bench", "--clients", "0"],
        &["bench", "--clients", "257"],
        &["bench", "--duration", "soon"],
        &["bench", "--hold", "0", "--duration", "11m"],
        &["bench", "--fill", "101"],
        &["bench", "--pools", "5000"],
        &["bench", "--pool-prefix", "10.0.0.0/30"],
        &["bench", "--socket", "a.sock", "--socket", "a.sock"],
    ];
    for arguments in wrong {
        let said = berth(arguments);
        assert_eq!(said.status.code(), Some(2), "{arguments:?}: {said:?}");
        assert!(!said.stderr.is_empty() && said.stdout.is_empty(), "{arguments:?}: {said:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(berth(&["completions", shell]).stdout).unwrap();
        assert!(script.contains("initial-cluster"), "{shell}");
    }
}
