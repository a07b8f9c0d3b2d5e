//! Stories: what engines, managers and operators do, line by line, and what they are answered.
//!
//! A story is a text file. A line that begins with `#` is told to the reader; an indented line is
//! what the line above was answered; any other is a step, `CLIENT: VERB …`, a space that is made,
//! time that passes, or a claim about the state that must be true (`must SPACE ADDRESS STATE`).
//! Run with `UPDATE_EXPECT=1` to write the answers anew; what `must` be true stays true or fails.

mod answer;
mod script;

use std::path::Path;

use expect_test::expect_file;

fn told(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let steps = text.lines().filter(|line| !line.starts_with(' '));
    let mut script = script::Script::default();
    let mut told = String::new();
    for (at, line) in steps.enumerate() {
        told.push_str(line);
        told.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(answer) = script.step(line, &format!("{}, step {at}: {line}", path.display())) {
            told.extend(["    ", &answer, "\n"]);
        }
    }
    expect_file![path].assert_eq(&told);
}

fn all_in(directory: &str, at_least: usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= at_least, "only {} files were found", paths.len());
    for path in paths {
        told(&path);
    }
}

#[test]
fn stories_come_out_as_told() {
    all_in("stories", 17);
}

/// What the models in `tests/model` print when a rule is taken out, played against the real rules.
#[test]
fn counterexamples_are_harmless() {
    all_in("counterexamples", 25);
}
