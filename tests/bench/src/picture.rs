//! A group's figures as a picture: a bar a contender, for each number of clients, on scales of powers of
//! ten. A line over a bar shows the least and the most of all runs.

use std::fmt::Write;

use berth_node::bench::Summary;

use crate::contender::{Contender, Group};
use crate::figures::{Figures, Spread};

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 70.0;
const PANEL: f64 = 200.0;
const GAP: f64 = 60.0;
const TOP: f64 = 30.0;
const LEGEND_LINE: f64 = 18.0;
const COLOURS: [&str; 9] = [
    "#1d4ed8", "#b91c1c", "#60a5fa", "#f87171", "#d97706", "#fbbf24", "#fde68a", "#15803d",
    "#86efac",
];

/// What a panel shows.
struct Panel {
    title: &'static str,
    value: fn(&Summary) -> f64,
    /// Powers of ten at its bottom and its top.
    powers: (i32, i32),
    unit: fn(i32) -> String,
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "allocations a second: higher is better",
        value: |times| times.per_second,
        powers: (1, 5),
        unit: |power| format!("{:.0}", 10_f64.powi(power)),
    },
    Panel {
        title: "p50 of one allocation: lower is better",
        value: |times| times.p50_us,
        powers: (1, 6),
        unit: time,
    },
    Panel {
        title: "p99 of one allocation: lower is better",
        value: |times| times.p99_us,
        powers: (1, 6),
        unit: time,
    },
];

fn time(power: i32) -> String {
    match power {
        ..3 => format!("{:.0} µs", 10_f64.powi(power)),
        3..6 => format!("{:.0} ms", 10_f64.powi(power - 3)),
        _ => format!("{:.0} s", 10_f64.powi(power - 6)),
    }
}

/// Draws a group.
pub(crate) fn draw(group: Group, figures: &Figures) -> String {
    let contenders = group.contenders();
    let legend_at = TOP + count(PANELS.len()) * (PANEL + GAP);
    let height = legend_at + count(contenders.len()) * LEGEND_LINE + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (number, panel) in PANELS.iter().enumerate() {
        let top = TOP + count(number) * (PANEL + GAP);
        panel.draw(&mut svg, top, group, figures);
    }
    for (number, (contender, colour)) in contenders.iter().zip(COLOURS).enumerate() {
        let y = legend_at + count(number) * LEGEND_LINE;
        rectangle(&mut svg, (LEFT, y - 10.0), (12.0, 12.0), colour, contender.says());
        text(&mut svg, (LEFT + 20.0, y), "start", contender.says());
    }
    svg.push_str("</svg>\n");
    svg
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, group: Group, figures: &Figures) {
        let (lowest, highest) = self.powers;
        text(svg, (LEFT, top - 8.0), "start", self.title);
        for power in lowest..=highest {
            let y = self.y(top, 10_f64.powi(power));
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e5e7eb\"/>"
            );
            text(svg, (LEFT - 8.0, y + 4.0), "end", &(self.unit)(power));
        }
        let contenders = group.contenders();
        let room = (WIDTH - LEFT) / count(group.clients().len());
        let bar = room / (count(contenders.len()) + 1.0);
        for (column, &clients) in group.clients().iter().enumerate() {
            let left = LEFT + count(column) * room;
            for (number, (&contender, colour)) in contenders.iter().zip(COLOURS).enumerate() {
                if let Some(spread) = figures.spread(contender, clients, self.value) {
                    let x = left + (count(number) + 0.5) * bar;
                    self.bar(svg, top, (x, bar), (contender, colour, spread));
                }
            }
            let label = if clients == 1 { "1 client".into() } else { format!("{clients} clients") };
            text(svg, (left + room / 2.0, top + PANEL + 16.0), "middle", &label);
        }
    }

    fn bar(
        &self,
        svg: &mut String,
        top: f64,
        (x, width): (f64, f64),
        (contender, colour, spread): (Contender, &str, Spread),
    ) {
        let y = self.y(top, spread.median);
        let title = format!("{}: {:.0}", contender.says(), spread.median);
        rectangle(svg, (x, y), (width - 2.0, top + PANEL - y), colour, &title);
        let middle = x + (width - 2.0) / 2.0;
        let (from, until) = (self.y(top, spread.least), self.y(top, spread.most));
        let _ = writeln!(
            svg,
            "<line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{from:.1}\" y2=\"{until:.1}\" \
             stroke=\"#111827\"/>"
        );
    }

    fn y(&self, top: f64, value: f64) -> f64 {
        let (lowest, highest) = (f64::from(self.powers.0), f64::from(self.powers.1));
        let power = value.max(1.0).log10().clamp(lowest, highest);
        top + PANEL - (power - lowest) / (highest - lowest) * PANEL
    }
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), (w, h): (f64, f64), fill: &str, title: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{fill}\"><title>{title}\
         </title></rect>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, what: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{what}</text>");
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Run;

    #[test]
    fn what_was_measured_is_drawn() {
        let requests = Summary { per_second: 900.0, p50_us: 800.0, ..Summary::default() };
        let contender = Contender::BerthLocal;
        let run = Run { contender, clients: 1, requests, errors: Vec::new(), duplicates: 0 };
        let figures = Figures {
            commit: String::new(),
            machine: String::new(),
            rounds: 1,
            seconds: 1,
            runs: vec![run],
            syncs: Vec::new(),
            core: Vec::new(),
        };
        let svg = draw(Group::Host, &figures);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>Berth, host's own space: 900</title>"));
    }
}
