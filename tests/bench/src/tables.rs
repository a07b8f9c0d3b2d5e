//! The tables of `docs/benchmarks.md`.

use std::fmt::Write;

use berth_node::bench::Summary;

use crate::contender::{Contender, Group};
use crate::core::CoreFigure;
use crate::figures::{Figures, Spread};

/// What was measured, where, how often.
pub(crate) fn machine(figures: &Figures) -> String {
    let syncs = |value: fn(&crate::figures::Syncs) -> f64| {
        Spread::of(figures.syncs.iter().map(value))
            .map_or("-".into(), |spread| micros(spread, true))
    };
    format!(
        "Commit {}, on {}. Each figure is the median of {} runs of {} s, least and most in brackets. fdatasync of \
         4,096 bytes on the same disk, before each run: p50 {}, p99 {}.\n",
        figures.commit,
        figures.machine,
        figures.rounds,
        figures.seconds,
        syncs(|syncs| syncs.p50_us),
        syncs(|syncs| syncs.p99_us),
    )
}

/// All contenders of a group, by numbers of clients.
pub(crate) fn group(group: Group, figures: &Figures) -> String {
    let mut text = String::from(
        "| clients | who | allocations/s | p50 | p99 | p99.9 | max | errors | duplicates | Berth: rate, p50, p99 |\n\
         |--:|---|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for &clients in group.clients() {
        for contender in group.contenders() {
            let of = |value: fn(&Summary) -> f64| figures.spread(contender, clients, value);
            let Some(rate) = of(|times| times.per_second) else { continue };
            let time = |value, spread| of(value).map_or("-".into(), |of| micros(of, spread));
            let runs = figures.runs.iter();
            let runs = runs.filter(|run| run.contender == contender && run.clients == clients);
            let (mut errors, mut duplicates) = (0, 0);
            for run in runs {
                errors += run.errors.iter().map(|error| error.count).sum::<u64>();
                duplicates += run.duplicates;
            }
            // A String takes all that is written to it.
            let _ = writeln!(
                text,
                "| {clients} | {} | {} ({} to {}) | {} | {} | {} | {} | {} | {duplicates} | {} |",
                contender.says(),
                thousands(rate.median),
                thousands(rate.least),
                thousands(rate.most),
                time(|times| times.p50_us, true),
                time(|times| times.p99_us, true),
                time(|times| times.p999_us, false),
                time(|times| times.max_us, false),
                thousands_of(errors),
                compared(figures, contender, clients),
            );
        }
    }
    text
}

/// How many times better Berth is, asked in the same way; below one it is worse.
fn compared(figures: &Figures, contender: Contender, clients: usize) -> String {
    let ours = contender.ours();
    let ratio = |value: fn(&Summary) -> f64, more_is_better: bool| {
        let ours = figures.spread(ours, clients, value)?.median;
        let theirs = figures.spread(contender, clients, value)?.median;
        let (above, below) = if more_is_better { (ours, theirs) } else { (theirs, ours) };
        (below > 0.0).then(|| times(above / below))
    };
    let ratios = [
        ratio(|times| times.per_second, true),
        ratio(|times| times.p50_us, false),
        ratio(|times| times.p99_us, false),
    ];
    match ratios {
        _ if ours == contender => "-".into(),
        [Some(rate), Some(p50), Some(p99)] => format!("{rate}, {p50}, {p99}"),
        _ => "-".into(),
    }
}

/// Allocators alone.
pub(crate) fn core(figures: &Figures) -> String {
    const FULL: [&str; 4] = ["0.0 %", "10.0 %", "90.0 %", "99.9 %"];
    const ROWS: [(&str, &str, &str); 8] = [
        ("berth", "scattered", "10.0.0.0/24"),
        ("berth", "scattered", "10.0.0.0/16"),
        ("berth", "scattered", "10.0.0.0/8"),
        ("berth", "scattered", "fd00::/64"),
        ("libnetwork", "contiguous", "10.0.0.0/24"),
        ("libnetwork", "contiguous", "10.0.0.0/16"),
        ("libnetwork", "contiguous", "10.0.0.0/12"),
        ("libnetwork", "scattered", "10.0.0.0/24"),
    ];
    let mut text = String::from(
        "| allocator | what is taken is | pool | 0 % full | 10 % | 90 % | 99.9 % |\n\
         |---|---|---|--:|--:|--:|--:|\n",
    );
    for (allocator, pattern, prefix) in ROWS {
        let cells: Vec<String> = FULL
            .iter()
            .filter_map(|full| find(&figures.core, (allocator, pattern, prefix), full))
            .map(|found| {
                format!("{} / {}", thousands(found.claim_ns), thousands(found.claim_and_release_ns))
            })
            .collect();
        if cells.len() == FULL.len() {
            let cells = cells.join(" | ");
            let _ = writeln!(text, "| {allocator} | {pattern} | {prefix} | {cells} |");
        }
    }
    text
}

fn find<'a>(
    figures: &'a [CoreFigure],
    (allocator, pattern, prefix): (&str, &str, &str),
    full: &str,
) -> Option<&'a CoreFigure> {
    figures.iter().find(|figure| {
        figure.allocator == allocator
            && figure.pattern == pattern
            && figure.prefix == prefix
            && figure.full == full
    })
}

/// A time, from microseconds, with its spread where that is wanted.
fn micros(spread: Spread, with_spread: bool) -> String {
    let millis = |micros: f64| {
        let millis = micros / 1_000.0;
        if millis < 10.0 { format!("{millis:.2}") } else { format!("{millis:.0}") }
    };
    if with_spread {
        let (median, least, most) =
            (millis(spread.median), millis(spread.least), millis(spread.most));
        format!("{median} ms ({least} to {most})")
    } else {
        format!("{} ms", millis(spread.median))
    }
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}×") } else { format!("{ratio:.0}×") }
}

/// A number without its fraction, in groups of three digits.
fn thousands(number: f64) -> String {
    grouped(&format!("{:.0}", number.max(0.0)))
}

fn thousands_of(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!((thousands(0.0), thousands_of(999)), ("0".into(), "999".into()));
        let spread = Spread { median: 312.0, least: 290.0, most: 25_000.0 };
        assert_eq!(micros(spread, true), "0.31 ms (0.29 to 25)");
        assert_eq!((times(3.12), times(41.7)), ("3.1×".into(), "42×".into()));
    }
}
