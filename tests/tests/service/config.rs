//! The configuration that the package brings.

use berth_node::config::Settings;

const PACKAGED: &str = include_str!("../../../deploy/debian/berth.toml");
const REFERENCE: &str = include_str!("../../../docs/reference/configuration.md");

/// Its examples: comments without a space.
fn examples() -> String {
    let examples = PACKAGED.lines().filter_map(|line| line.strip_prefix('#'));
    examples.filter(|line| line.starts_with(char::is_alphabetic)).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_says_nothing_by_itself() {
    assert!(PACKAGED.lines().all(|line| line.is_empty() || line.starts_with('#')));
}

#[test]
fn its_examples_are_right() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("berth.toml");
    std::fs::write(&file, examples()).unwrap();
    Settings::load(Some(&file)).unwrap();
}

#[test]
fn it_names_every_key_of_the_reference() {
    let rows = REFERENCE.lines().filter(|line| line.starts_with("| `--"));
    let keys = rows.map(|row| row.split('`').nth(5).unwrap_or_default());
    let keys: Vec<&str> = keys.collect();
    assert!(keys.len() > 10);
    for key in keys {
        let there = examples().lines().any(|line| line.starts_with(&format!("{key} = ")));
        assert!(there, "{key} is missing");
    }
}
