//! The picture of a run: for each case the cost of every path as a multiple of the null relay's. SVG by hand.

use std::fmt::Write as _;

use crate::load::cases::Figure;
use crate::load::measure::{Measured, Metric};
use crate::load::published::escape;
use crate::load::targets::{DIRECT, HAPROXY, NULL, PGBOUNCER, STRICT, US};
use crate::ratio::Ratio;

const WIDTH: f64 = 1000.0;
const LABELS: f64 = 420.0;
const PANEL: f64 = 540.0;
const TOP: f64 = 104.0;
const LINE: f64 = 26.0;
/// The ends of the logarithmic axis.
const FROM: f64 = 0.1;
const TO: f64 = 32.0;
const TICKS: [f64; 8] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// Paths, their names in the legend, and their colours for light and dark grounds by class.
const MARKS: [(&str, &str, f64); 5] =
    [(DIRECT, "direct", 4.0), (PGBOUNCER, "p", 4.5), (HAPROXY, "h", 4.5), (STRICT, "strict", 4.5), (US, "ours", 6.0)];

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12.5px;fill:#1f2328}
.title{font-size:17px;font-weight:600}.faint{fill:#59636e;font-size:12px}.ground{fill:#ffffff}.grid{stroke:#d8dee4}.null{stroke:#59636e;stroke-width:2}
.ours{fill:#0969da}.reach{stroke:#0969da;stroke-width:3;opacity:.4}.strict{fill:#8250df}.h{fill:#bc4c00}.p{fill:#1a7f37}.direct{fill:#8c959f}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.ground{fill:#0d1117}.grid{stroke:#30363d}.null{stroke:#9198a1}
.ours{fill:#4493f8}.reach{stroke:#4493f8}.strict{fill:#ab7df8}.h{fill:#f0883e}.p{fill:#3fb950}.direct{fill:#6e7681}}
";

/// A case in the picture: what each path costs as a multiple of the null relay, by the path's name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) marks: Vec<(String, Ratio)>,
}

impl Row {
    /// What of a case is drawn.
    pub(crate) fn of(measured: &Measured) -> Row {
        let metric = if measured.case.figure == Figure::Statements { Metric::P50 } else { Metric::CpuPerGb };
        // Nothing in between costs no CPU time of anything in between.
        let ratio = |name| measured.ratio(metric, name, NULL).filter(|ratio| ratio.median > 0.0);
        let marks = MARKS.iter().filter_map(|(name, ..)| Some(((*name).to_owned(), ratio(name)?)));
        Row { title: measured.case.title.clone(), marks: marks.collect() }
    }
}

/// The whole picture.
pub(crate) fn svg(rows: &[Row], machine: &str) -> String {
    let bottom = TOP + LINE * rows.len() as f64;
    let height = bottom + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Cost of every path as a multiple of a relay that does nothing\">\n<style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"20\" y=\"30\">p50, or CPU time per byte, as a multiple of a relay that does nothing (logarithmic, less is better)</text>\n"
    );
    for (index, (name, class, radius)) in MARKS.iter().enumerate() {
        let x = 27.0 + index as f64 * 130.0;
        let _ = writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"54\" r=\"{radius}\"/><text x=\"{}\" y=\"58\">{name}</text>",
            x + 12.0
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"faint\" x=\"{WIDTH}\" dx=\"-20\" y=\"58\" text-anchor=\"end\">at an edge: beyond it</text>"
    );
    for tick in TICKS {
        let (x, class) = (x_at(tick), if tick == 1.0 { "null" } else { "grid" });
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"faint\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            TOP - 8.0
        );
    }
    for (index, row) in rows.iter().enumerate() {
        line(&mut svg, row, TOP + LINE * (index as f64 + 0.5));
    }
    let _ = writeln!(svg, "<text class=\"faint\" x=\"20\" y=\"{}\">{}</text>\n</svg>", height - 12.0, escape(machine));
    svg
}

fn x_at(ratio: f64) -> f64 {
    let share = (ratio.clamp(FROM, TO) / FROM).ln() / (TO / FROM).ln();
    LABELS + share * PANEL
}

fn line(svg: &mut String, row: &Row, y: f64) {
    let title = escape(&row.title);
    let _ = write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{title}</text>", LABELS - 8.0, y + 4.0);
    for (name, class, radius) in MARKS {
        let Some((_, ratio)) = row.marks.iter().find(|(of, _)| of == name) else { continue };
        if name == US {
            let (low, high) = (x_at(ratio.low), x_at(ratio.high));
            let _ = write!(svg, "<line class=\"reach\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y}\" y2=\"{y}\"/>");
        }
        let (x, median) = (x_at(ratio.median), ratio.median);
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y}\" r=\"{radius}\"><title>{name} {median:.2}</title></circle>"
        );
    }
    svg.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_logarithmic_and_ends() {
        assert!((x_at(1.0) - x_at(0.5) - (x_at(4.0) - x_at(2.0))).abs() < 1e-9);
        assert_eq!((x_at(0.0), x_at(1e9)), (LABELS, LABELS + PANEL));
    }

    #[test]
    fn an_empty_run_is_a_picture_too() {
        let svg = svg(&[], "a & b");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &amp; b"));
    }
}
