//! Puts what was found into `docs/benchmarks.md`: between marks, so that what people have written stays.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::contender::Group;
use crate::figures::Figures;
use crate::{picture, tables};

/// Writes tables and plots.
pub(crate) fn write(docs: &Path, figures: &Figures) -> Result<()> {
    let page = docs.join("benchmarks.md");
    let mut text =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    for (name, table) in [
        ("machine", tables::machine(figures)),
        ("cluster", tables::group(Group::Cluster, figures)),
        ("host", tables::group(Group::Host, figures)),
        ("core", tables::core(figures)),
    ] {
        text = replaced(&text, name, &table)?;
    }
    fs::write(&page, text)?;
    for (group, name) in [(Group::Cluster, "cluster"), (Group::Host, "host")] {
        fs::write(docs.join(format!("benchmarks-{name}.svg")), picture::draw(group, figures))?;
    }
    Ok(())
}

/// The text with another table between the marks of this name.
fn replaced(text: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}: written by make bench -->\n"), "<!-- end -->");
    let (before, rest) =
        text.split_once(&begin).with_context(|| format!("the page has no mark {begin:?}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("the mark {name} has no end"))?;
    Ok(format!("{before}{begin}{}\n{end}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = "a\n<!-- x: written by make bench -->\nold\n<!-- end -->\nb\n";
        let new = replaced(page, "x", "new\n").unwrap();
        assert_eq!(new, page.replace("old", "new"));
        assert!(replaced(page, "y", "new").is_err());
    }
}
