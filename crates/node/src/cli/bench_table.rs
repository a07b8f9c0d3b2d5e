//! What `berth bench` found, for people.

use std::time::Duration;

use comfy_table::{Cell, Color};

use super::table::{facts, table};
use crate::bench::{Report, Setup, Summary};

/// A report as a table, and what else there is to say.
pub(super) fn shown(report: &Report) -> String {
    let Setup { sockets, space, pool_prefix, pools, clients, fill_percent, hold, .. } =
        &report.setup;
    let hold =
        hold.map_or("all that they are given".to_owned(), |hold| format!("{hold} addresses each"));
    let early = if report.interrupted { ", ended early" } else { "" };
    let sockets: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
    let setup = facts(vec![
        ("sockets", sockets.join(", ")),
        ("pools", format!("{pools} in {space}, of {pool_prefix}, {fill_percent} % full")),
        ("clients", format!("{clients}, which hold {hold}")),
        ("measured", format!("{:.1} s{early}", report.measured_seconds)),
    ]);
    let rows = [("requests", &report.requests), ("releases", &report.releases)];
    let rows = rows.into_iter().filter(|(_, summary)| summary.count > 0);
    let header = ["", "#COUNT", "#PER SECOND", "#P50", "#P99", "#P99.9", "#MAX"];
    let times = table(&header, rows.map(|(name, summary)| row(name, summary)));
    let checks = table(&["", "#COUNT", ""], checks(report));
    format!("{setup}\n\n{times}\n\n{checks}")
}

fn row(name: &str, summary: &Summary) -> Vec<Cell> {
    let Summary { count, per_second, p50_us, p99_us, p999_us, max_us } = summary;
    let mut row = vec![Cell::new(name), Cell::new(count), Cell::new(format!("{per_second:.0}"))];
    row.extend([p50_us, p99_us, p999_us, max_us].map(|micros| Cell::new(time(*micros))));
    row
}

fn checks(report: &Report) -> Vec<Vec<Cell>> {
    let counted = |name: &str, count: u64, what: String| {
        let number = Cell::new(count);
        let number = if count > 0 { number.fg(Color::Red) } else { number };
        vec![Cell::new(name), number, Cell::new(what)]
    };
    let examples: Vec<String> =
        report.duplicate_addresses.iter().map(ToString::to_string).collect();
    let mut rows = vec![counted("duplicates", report.duplicates, examples.join(" "))];
    let errors =
        report.errors.iter().map(|error| counted("errors", error.count, error.text.clone()));
    rows.extend(errors);
    if report.errors.is_empty() {
        rows.push(counted("errors", 0, String::new()));
    }
    if report.unanswered > 0 {
        rows.push(counted("unanswered", report.unanswered, "clients waited still".to_owned()));
    }
    rows
}

/// A time of so many microseconds.
fn time(micros: f64) -> String {
    if micros < 1_000.0 {
        format!("{micros:.0} µs")
    } else if micros < 1_000_000.0 {
        format!("{:.2} ms", micros / 1_000.0)
    } else {
        format!("{:.2} s", Duration::from_micros(1).as_secs_f64() * micros)
    }
}
