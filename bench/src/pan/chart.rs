//! The picture of a run: one line per class, two panels, a logarithmic axis. SVG by hand: a chart of eleven lines needs no library.

use std::fmt::Write as _;

use crate::pan::classes::{CLASSES, Goal};
use crate::pan::measure::Row;
use crate::pan::report::{Measurement, SIZES, figure};

/// Where the README finds it.
pub(crate) const CHART_AT: &str = "docs/pan-bench.svg";

const WIDTH: usize = 1000;
const LABELS: f64 = 232.0;
const PANEL: f64 = 345.0;
const GAP: f64 = 35.0;
const TOP: f64 = 126.0;
const LINE: f64 = 30.0;
/// The ends of the axis, GB/s.
const FROM: f64 = 0.03;
const TO: f64 = 300.0;
const TICKS: [f64; 4] = [0.1, 1.0, 10.0, 100.0];

/// Colours of both themes: the picture stands on its own ground, so either is readable wherever it is shown.
/// No CSS variables: not every renderer knows them.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:13px;fill:#1f2328}
.title{font-size:17px;font-weight:600}.faint{fill:#59636e;font-size:12px}.value{font-weight:600;font-size:12px}
.ground{fill:#ffffff}.grid{stroke:#d8dee4;stroke-width:1}.reach{stroke:#0969da;stroke-width:3;opacity:.35}
.ours{fill:#0969da}.regex{fill:#bc4c00}.goal{fill:none;stroke:#1a7f37;stroke-width:2}.copy{stroke:#59636e;stroke-width:3}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.ground{fill:#0d1117}.grid{stroke:#30363d}.reach{stroke:#4493f8}
.ours{fill:#4493f8}.regex{fill:#f0883e}.goal{stroke:#3fb950}.copy{stroke:#9198a1}}
";

/// The whole picture.
pub(crate) fn svg(measurements: &[Measurement], machine: &str) -> String {
    let height = TOP + LINE * CLASSES.len() as f64 + 58.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Speed of the scan for card numbers by kind of input\">\n<style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"20\" y=\"32\">Finding and masking card numbers, one core, GB/s (logarithmic)</text>"
    );
    legend(&mut svg, measurements);
    for (index, class) in CLASSES.iter().enumerate() {
        let y = line_at(index);
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LABELS - 12.0, y + 4.5, class.title);
    }
    for column in 0..SIZES.len() {
        panel(&mut svg, measurements, column);
    }
    let _ = writeln!(svg, "<text class=\"faint\" x=\"20\" y=\"{}\">{}</text>", height - 14.0, escape(machine));
    svg.push_str("</svg>\n");
    svg
}

fn line_at(index: usize) -> f64 {
    TOP + LINE * (index as f64 + 0.5)
}

fn left_of(column: usize) -> f64 {
    LABELS + column as f64 * (PANEL + GAP)
}

/// Where a rate stands in a panel.
fn x_at(column: usize, rate: f64) -> f64 {
    let share = (rate.max(FROM) / FROM).log10() / (TO / FROM).log10();
    left_of(column) + share.min(1.0) * PANEL
}

fn legend(svg: &mut String, measurements: &[Measurement]) {
    let ours = measurements.first().and_then(Measurement::first).map_or("pan", |row| row.way);
    let y = 60.0;
    let texts = [
        (20.0, format!("pan, {ours}"), format!("<circle class=\"ours\" cx=\"27\" cy=\"{}\" r=\"6\"/>", y - 4.5)),
        (170.0, "goal".to_owned(), format!("<path class=\"goal\" d=\"{}\"/>", diamond(177.0, y - 4.5))),
        (
            250.0,
            "memcpy in the same rounds".to_owned(),
            format!("<line class=\"copy\" x1=\"257\" x2=\"257\" y1=\"{}\" y2=\"{}\"/>", y - 12.0, y + 3.0),
        ),
        (
            500.0,
            "regex crate, 13 to 19 digits with separators, no check digit, no masking".to_owned(),
            format!("<circle class=\"regex\" cx=\"507\" cy=\"{}\" r=\"5\"/>", y - 4.5),
        ),
    ];
    for (x, text, mark) in texts {
        let _ = writeln!(svg, "{mark}<text x=\"{}\" y=\"{y}\">{text}</text>", x + 18.0);
    }
}

fn panel(svg: &mut String, measurements: &[Measurement], column: usize) {
    let bottom = line_at(CLASSES.len() - 1) + LINE * 0.5;
    let name = ["64 KiB, in cache", "64 MiB, in memory"][column];
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{name}</text>", left_of(column), TOP - 33.0);
    for tick in TICKS {
        let x = x_at(column, tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"faint\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            TOP - 14.0
        );
    }
    for (index, class) in CLASSES.iter().enumerate() {
        let found = measurements.iter().find(|m| m.class.key == class.key && m.column == column);
        if let Some((measurement, row)) = found.and_then(|m| Some((m, m.first()?))) {
            line(svg, measurement, row, column, line_at(index));
        }
    }
}

fn line(svg: &mut String, measurement: &Measurement, ours: &Row, column: usize, y: f64) {
    let rate = |way: &str| measurement.row(way).map(|row| row.rate.median);
    let x = x_at(column, ours.rate.median);
    let goal = match ours.goal {
        Goal::OfMemcpy(goal) => rate("memcpy").map(|memcpy| memcpy * goal),
        Goal::Rate(goal) => Some(goal),
        Goal::None => None,
    };
    if let Some(regex) = rate("regex general") {
        let from = x_at(column, regex);
        let _ = write!(svg, "<line class=\"reach\" x1=\"{from:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{y}\"/>");
        let _ = write!(svg, "<circle class=\"regex\" cx=\"{from:.1}\" cy=\"{y}\" r=\"5\"/>");
    }
    if let Some(memcpy) = rate("memcpy") {
        let at = x_at(column, memcpy);
        let _ =
            write!(svg, "<line class=\"copy\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\"/>", y - 8.0, y + 8.0);
    }
    let _ = write!(svg, "<circle class=\"ours\" cx=\"{x:.1}\" cy=\"{y}\" r=\"6\"/>");
    if let Some(goal) = goal {
        let _ = write!(svg, "<path class=\"goal\" d=\"{}\"/>", diamond(x_at(column, goal), y));
    }
    let _ = writeln!(
        svg,
        "<text class=\"value\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        y - 9.0,
        figure(ours.rate.median)
    );
}

fn diamond(x: f64, y: f64) -> String {
    format!("M{:.1} {y}l6 -6l6 6l-6 6z", x - 6.0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_run_is_a_picture_too() {
        let svg = svg(&[], "a & b");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &amp; b"));
    }

    #[test]
    fn the_axis() {
        assert!((x_at(0, FROM) - LABELS).abs() < 1e-9 && (x_at(0, TO) - LABELS - PANEL).abs() < 1e-9);
        assert!(x_at(0, 1.0) < x_at(0, 10.0) && x_at(0, 0.0) == x_at(0, FROM));
    }
}
