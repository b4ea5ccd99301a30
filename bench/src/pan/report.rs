//! What a run prints: to a person, to the README, to a program.

use std::fmt::Write as _;

use crate::pan::classes::{CLASSES, Class, Goal};
use crate::pan::measure::{Row, Verdict};
use crate::ratio::Ratio;

/// One class at one size.
pub(crate) struct Measurement {
    pub(crate) class: &'static Class,
    /// 0: 64 KiB, 1: 64 MiB.
    pub(crate) column: usize,
    pub(crate) rows: Vec<Row>,
}

/// The two sizes, as they are called.
pub(crate) const SIZES: [&str; 2] = ["64 KiB", "64 MiB"];

impl Measurement {
    /// Our fastest backend's row: the one that the product would choose.
    pub(crate) fn first(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.ours)
    }

    pub(crate) fn row(&self, way: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.way == way)
    }

    /// As lines of a table.
    pub(crate) fn print(&self) {
        println!("\n{}, {}", self.class.title, SIZES[self.column]);
        println!(
            "  {:<14} {:>8} {:<16} {:>22} {:>10} {:>10}  goal",
            "", "GB/s", "95 %", "of memcpy", "of memchr", "of first"
        );
        for row in &self.rows {
            let of_first = if row.ours { format!("{:.2}", row.of_first.median) } else { String::new() };
            println!(
                "  {:<14} {:>8} {:<16} {:>22} {:>10.3} {:>10}  {}",
                row.way,
                figure(row.rate.median),
                format!("{}..{}", figure(row.rate.low), figure(row.rate.high)),
                interval(row.of_memcpy),
                row.of_memchr.median,
                of_first,
                goal(row),
            );
        }
    }
}

fn goal(row: &Row) -> String {
    match row.goal {
        Goal::OfMemcpy(goal) => format!("{goal:.3} of memcpy: {}", row.verdict().word()),
        Goal::Rate(goal) => format!("{goal} GB/s: {}", row.verdict().word()),
        Goal::None => String::new(),
    }
}

/// Three digits that say something.
pub(crate) fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

fn interval(ratio: Ratio) -> String {
    format!("{:.3} [{:.3}..{:.3}]", ratio.median, ratio.low, ratio.high)
}

/// How many goals of our backends are met, missed, inconclusive.
pub(crate) fn counts(measurements: &[Measurement]) -> [usize; 3] {
    let verdicts = measurements.iter().flat_map(|m| &m.rows).map(Row::verdict);
    verdicts.fold([0; 3], |mut counts, verdict| {
        match verdict {
            Verdict::Met => counts[0] += 1,
            Verdict::Missed => counts[1] += 1,
            Verdict::Inconclusive => counts[2] += 1,
            Verdict::NoGoal => {}
        }
        counts
    })
}

/// The table of the README: our first backend, both sizes.
pub(crate) fn markdown(measurements: &[Measurement], machine: &str) -> String {
    let of = |class: &Class, column: usize| {
        measurements.iter().find(|m| m.class.key == class.key && m.column == column).and_then(Measurement::first)
    };
    let mut text = format!(
        "{machine}\n\n| input | {0}: GB/s | of memcpy | goal | {1}: GB/s | of memcpy | goal |\n|---|---:|---:|---|---:|---:|---|\n",
        SIZES[0], SIZES[1]
    );
    for class in CLASSES {
        let _ = write!(text, "| {} |", class.title);
        for column in 0..2 {
            let cells = of(class, column).map_or(" | | |".to_owned(), |row| {
                format!(" {} | {} | {} |", figure(row.rate.median), interval(row.of_memcpy), short_goal(row))
            });
            text.push_str(&cells);
        }
        text.push('\n');
    }
    text
}

fn short_goal(row: &Row) -> String {
    match row.goal {
        Goal::OfMemcpy(goal) => format!("{goal:.2} {}", row.verdict().word()),
        Goal::Rate(goal) => format!("{goal} GB/s {}", row.verdict().word()),
        Goal::None => String::new(),
    }
}

/// All figures. Names are our own words, so nothing needs an escape.
pub(crate) fn json(measurements: &[Measurement], machine: &str) -> String {
    let triple = |ratio: Ratio| format!("[{:.5}, {:.5}, {:.5}]", ratio.median, ratio.low, ratio.high);
    let mut lines = Vec::new();
    for measurement in measurements {
        for row in &measurement.rows {
            lines.push(format!(
                "  {{\"class\": \"{}\", \"size\": \"{}\", \"way\": \"{}\", \"gb_per_s\": {}, \"of_memcpy\": {}, \"of_memchr\": {}, \"verdict\": \"{}\"}}",
                measurement.class.key,
                SIZES[measurement.column],
                row.way,
                triple(row.rate),
                triple(row.of_memcpy),
                triple(row.of_memchr),
                row.verdict().word(),
            ));
        }
    }
    format!("{{\"machine\": \"{}\", \"rows\": [\n{}\n]}}\n", machine.replace(['"', '\\'], "'"), lines.join(",\n"))
}
