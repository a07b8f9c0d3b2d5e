//! The reference is complete: every error code, every setting.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;

use berth_node::code::Code;
use berth_node::config::{AgentSettings, HostSettings, MemberSettings};
use clap::Args;

const ERRORS: &str = include_str!("../../../docs/reference/errors.md");
const CONFIGURATION: &str = include_str!("../../../docs/reference/configuration.md");
/// Where the allocator says which refusal has which code.
const REJECTIONS: &str = include_str!("../../allocator/src/rejection.rs");

/// The codes that are written in a text after `before`.
fn codes<'a>(text: &'a str, before: &'a str) -> BTreeSet<&'a str> {
    let found = text.match_indices(before).filter_map(|(at, _)| {
        let code = text.get(at + before.len()..at + before.len() + 10)?;
        code.starts_with("BERTH-").then_some(code)
    });
    found.collect()
}

#[test]
fn every_error_code_is_described_and_no_other() {
    let mut known = codes(REJECTIONS, "=> \"");
    assert!(known.len() >= 30, "{known:?}");
    for code in Code::ALL {
        assert!(known.insert(code.as_str()), "{code} is used twice");
    }
    assert_eq!(codes(ERRORS, "\n### "), known);
}

#[test]
fn every_setting_is_described() {
    let command = HostSettings::augment_args(clap::Command::new("berth"));
    let command = AgentSettings::augment_args(MemberSettings::augment_args(command));
    let mut count = 0;
    for argument in command.get_arguments() {
        let flag = argument.get_long().unwrap();
        let variable = argument.get_env().unwrap().to_str().unwrap();
        let row = format!("| `--{flag}` | `{variable}` | `{flag}` |");
        assert!(CONFIGURATION.contains(&row), "no row begins {row}");
        count += 1;
    }
    assert!(count >= 14, "{count}");
}
