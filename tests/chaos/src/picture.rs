//! A run as a picture: what was answered and how fast, with the faults drawn below.

use std::fmt::Write;
use std::time::Duration;

use crate::nemesis::Struck;
use crate::plan::Kind;
use crate::series::Second;

const WIDTH: f64 = 1_100.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 36.0;
const ROW: f64 = 16.0;
/// The longest time that is drawn, in milliseconds; and the shortest.
const SLOWEST_MS: f64 = 20_000.0;
const FASTEST_MS: f64 = 0.5;

/// Draws a run.
pub(crate) fn draw(
    seconds: &[Second],
    struck: &[Struck],
    leaders: &[(Duration, usize, u64)],
) -> String {
    let rows = Kind::ALL.len();
    let faults_at = 40.0 + 2.0 * (PANEL + GAP);
    let height = faults_at + (count(rows) + 1.0) * ROW + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let picture = Picture { length: count(seconds.len().max(1)) };
    picture.shade(&mut svg, struck, faults_at + count(rows) * ROW);
    picture.answers(&mut svg, seconds);
    picture.times(&mut svg, seconds);
    picture.leaders(&mut svg, leaders, faults_at);
    picture.faults(&mut svg, struck, faults_at);
    picture.axis(&mut svg, faults_at + count(rows) * ROW + 14.0);
    svg.push_str("</svg>\n");
    svg
}

struct Picture {
    /// Seconds.
    length: f64,
}

impl Picture {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds.min(self.length) / self.length * (WIDTH - LEFT - RIGHT)
    }

    /// Times at which something was wrong.
    fn shade(&self, svg: &mut String, struck: &[Struck], bottom: f64) {
        for fault in struck {
            let (from, until) =
                (self.x(fault.from.as_secs_f64()), self.x(fault.until.as_secs_f64()));
            let (width, height) = ((until - from).max(1.0), bottom - 30.0);
            rectangle(svg, (from, 30.0), (width, height), "#b91c1c", 0.05);
        }
    }

    fn answers(&self, svg: &mut String, seconds: &[Second]) {
        let top = 40.0;
        let most = seconds.iter().map(|second| second.global.max(second.local)).max();
        let most = count(most.unwrap_or(0).max(1));
        let y = |value: f64| top + PANEL - value / most * PANEL;
        text(svg, (LEFT - 10.0, top + 10.0), "end", &format!("{most:.0} a second"));
        text(svg, (LEFT - 10.0, top + 40.0), "end", "answered, cluster ■");
        colour(svg, "#1d4ed8");
        text(svg, (LEFT - 10.0, top + 56.0), "end", "answered, hosts' own ■");
        colour(svg, "#15803d");
        text(svg, (LEFT - 10.0, top + 72.0), "end", "without an answer ■");
        colour(svg, "#b91c1c");
        self.line(svg, seconds, "#1d4ed8", |second| Some(y(count(second.global))));
        self.line(svg, seconds, "#15803d", |second| Some(y(count(second.local))));
        for (at, second) in seconds.iter().enumerate().filter(|(_, second)| second.failed > 0) {
            let (x, height) = (self.x(count(at)), PANEL * (count(second.failed) / most).min(1.0));
            let width = (self.x(1.0) - self.x(0.0)).max(0.5);
            rectangle(svg, (x, top + PANEL - height), (width, height), "#b91c1c", 0.6);
        }
        frame(svg, top);
    }

    fn times(&self, svg: &mut String, seconds: &[Second]) {
        let top = 40.0 + PANEL + GAP;
        let range = (SLOWEST_MS / FASTEST_MS).ln();
        let y = |ms: f64| {
            let ms = ms.clamp(FASTEST_MS, SLOWEST_MS);
            top + PANEL - (ms / FASTEST_MS).ln() / range * PANEL
        };
        for (ms, label) in [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s")] {
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#e5e7eb\"/>",
                WIDTH - RIGHT,
                y(ms)
            );
            text(svg, (LEFT - 10.0, y(ms) + 4.0), "end", label);
        }
        text(svg, (LEFT - 60.0, top + 26.0), "end", "half of the answers ■");
        colour(svg, "#1d4ed8");
        text(svg, (LEFT - 60.0, top + 42.0), "end", "99 of 100 ■");
        colour(svg, "#93c5fd");
        let answered = |second: &Second, ms: f64| (second.global > 0).then(|| y(ms));
        self.line(svg, seconds, "#93c5fd", |second| answered(second, second.most_ms));
        self.line(svg, seconds, "#1d4ed8", |second| answered(second, second.half_ms));
        frame(svg, top);
    }

    fn leaders(&self, svg: &mut String, leaders: &[(Duration, usize, u64)], top: f64) {
        text(svg, (LEFT - 10.0, top - 10.0), "end", "node that leads");
        for (from, leader, _) in leaders {
            let x = self.x(from.as_secs_f64());
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"40\" y2=\"{:.1}\" stroke=\"#9ca3af\" \
                 stroke-dasharray=\"2 3\"/>",
                top - 6.0
            );
            text(svg, (x + 2.0, top - 10.0), "start", &(leader + 1).to_string());
        }
    }

    fn faults(&self, svg: &mut String, struck: &[Struck], top: f64) {
        for (row, kind) in Kind::ALL.iter().enumerate() {
            let y = top + count(row) * ROW;
            text(svg, (LEFT - 10.0, y + 12.0), "end", kind.says());
            for fault in struck.iter().filter(|fault| fault.kind == *kind) {
                let from = self.x(fault.from.as_secs_f64());
                let width = (self.x(fault.until.as_secs_f64()) - from).max(2.0);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" \
                     fill=\"#b91c1c\" fill-opacity=\"0.7\"><title>{}: {}</title></rect>",
                    y + 2.0,
                    ROW - 4.0,
                    fault.hosts.join(", "),
                    kind.says()
                );
            }
        }
    }

    fn axis(&self, svg: &mut String, y: f64) {
        let every = if self.length > 900.0 {
            300
        } else if self.length > 180.0 {
            60
        } else {
            15
        };
        for second in (0_u32..).step_by(every).take_while(|at| f64::from(*at) <= self.length) {
            let (minutes, seconds) = (second / 60, second % 60);
            let label = format!("{minutes}:{seconds:02}");
            text(svg, (self.x(f64::from(second)), y), "middle", &label);
        }
    }

    fn line(
        &self,
        svg: &mut String,
        seconds: &[Second],
        stroke: &str,
        y: impl Fn(&Second) -> Option<f64>,
    ) {
        let mut path = String::new();
        let mut pen = "M";
        for (at, second) in seconds.iter().enumerate() {
            let Some(y) = y(second) else {
                pen = "M";
                continue;
            };
            let _ = write!(path, "{pen}{:.1} {y:.1}", self.x(count(at) + 0.5));
            pen = "L";
        }
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\"/>");
    }
}

fn frame(svg: &mut String, top: f64) {
    let width = WIDTH - LEFT - RIGHT;
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{PANEL}\" fill=\"none\" \
         stroke=\"#9ca3af\"/>"
    );
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), (w, h): (f64, f64), fill: &str, opacity: f64) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{fill}\" \
         fill-opacity=\"{opacity}\"/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, what: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{what}</text>");
}

/// Colours the square at the end of the last text.
fn colour(svg: &mut String, fill: &str) {
    if let Some(at) = svg.rfind('■') {
        svg.replace_range(at..at + '■'.len_utf8(), &format!("<tspan fill=\"{fill}\">■</tspan>"));
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_drawn_with_its_faults() {
        let seconds = vec![Second { global: 5, failed: 1, ..Second::default() }; 30];
        let fault = Struck {
            kind: Kind::Pause,
            hosts: vec!["node-1".into()],
            from: Duration::from_secs(3),
            until: Duration::from_secs(9),
        };
        let svg = draw(&seconds, &[fault], &[(Duration::from_secs(1), 0, 1)]);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>node-1: paused</title>"));
        assert_eq!(svg.matches("<path").count(), 4);
    }
}
