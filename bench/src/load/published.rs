//! What `--report` writes: a file for each kind of load, and of all of them the README's table, the chart, the page and the verdicts.
//!
//! The files are the memory between runs, because each kind of load may be measured on its own.

use std::fmt::Write as _;

use crate::load::cases::{Figure, Group};
use crate::load::chart::{self, Row};
use crate::load::goals;
use crate::load::measure::{Measured, Metric};
use crate::load::report::{self, Run, interval};
use crate::load::targets::{DIRECT, HAPROXY, NULL, PGBOUNCER, US};
use crate::load::verdict::{Judged, Verdict};
use crate::pan::readme;
use crate::ratio::Ratio;

const FOLDER: &str = "docs/load-bench";

/// What the README shows; the rest is one link away.
const SHORT: [&str; 9] = [
    "stub-prepared-1",
    "stub-prepared-8",
    "pg-prepared-1",
    "pg-prepared-8",
    "pg-open-60",
    "stub-beside",
    "stub-rows",
    "pg-rows",
    "stub-connect",
];

/// What one kind of load came to.
#[derive(Debug, Clone, PartialEq)]
struct Section {
    group: String,
    machine: String,
    versions: Vec<String>,
    tables: String,
    judged: Vec<Judged>,
    /// Lines of the README's table.
    short: Vec<String>,
    rows: Vec<Row>,
}

/// Writes all of it.
pub(crate) fn write(run: &Run) -> Result<(), String> {
    let wrong = |path: &str, error: std::io::Error| format!("{path}: {error}");
    std::fs::create_dir_all(FOLDER).map_err(|error| wrong(FOLDER, error))?;
    for group in &run.groups {
        let path = path(*group);
        std::fs::write(&path, Section::of(run, *group).to_text()).map_err(|error| wrong(&path, error))?;
    }
    let read = |group: Group| std::fs::read_to_string(path(group)).ok().as_deref().and_then(Section::parse);
    let sections: Vec<Section> = Group::ALL.into_iter().filter_map(read).collect();
    let rows: Vec<Row> = sections.iter().flat_map(|section| section.rows.clone()).collect();
    let svg = chart::svg(&rows, sections.last().map_or("", |section| &section.machine));
    for (path, body) in [("docs/load-bench.svg", svg.clone()), ("docs/load-bench.html", html(&sections, &svg))] {
        std::fs::write(path, body).map_err(|error| wrong(path, error))?;
    }
    let goals = format!("```\n{}\n{}```", heads(&sections), report::goals_text(&judged(&sections)));
    readme::replace_in("docs/BENCH.md", "load-bench", &goals)?;
    readme::replace("load-bench", &short(&sections))
}

fn path(group: Group) -> String {
    format!("{FOLDER}/{}.txt", group.word())
}

/// Where and when each was measured.
fn heads(sections: &[Section]) -> String {
    let head = |section: &Section| format!("bench {}: {}", section.group, section.machine);
    sections.iter().map(head).collect::<Vec<_>>().join("\n")
}

/// Every goal: what a section says of it, or nothing.
fn judged(sections: &[Section]) -> Vec<Judged> {
    let same = |a: &Judged, b: &Judged| (a.row, &a.what, &a.claim) == (b.row, &b.what, &b.claim);
    let found = |goal: Judged| {
        let of = sections.iter().flat_map(|section| &section.judged).find(|judged| same(judged, &goal)).cloned();
        of.unwrap_or(goal)
    };
    goals::all(&Run::empty()).into_iter().map(found).collect()
}

/// The README's table: ours and its ratios to what people would use instead.
fn short(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections.iter().filter(|section| !section.short.is_empty()) {
        let _ = writeln!(text, "- `cargo xtask bench {}`: {}", section.group, section.machine);
    }
    text += "\n| p50, or CPU time for a GB | ours | of direct | of the null relay | of HAProxy | of pgbouncer |\n|---|---:|---:|---:|---:|---:|\n";
    for line in sections.iter().flat_map(|section| &section.short) {
        text += line;
        text.push('\n');
    }
    text
}

fn short_line(measured: &Measured) -> Option<String> {
    let statements = measured.case.figure == Figure::Statements;
    let (metric, unit) = if statements { (Metric::P50, "us") } else { (Metric::CpuPerGb, "s/GB") };
    let value = measured.value(metric, US)?.median;
    let ratio = |to: &str| interval(measured.ratio(metric, US, to));
    let direct = if statements { ratio(DIRECT) } else { "-".into() };
    let (null, haproxy, pgbouncer) = (ratio(NULL), ratio(HAPROXY), ratio(PGBOUNCER));
    Some(format!("| {} | {value:.2} {unit} | {direct} | {null} | {haproxy} | {pgbouncer} |", measured.case.title))
}

fn html(sections: &[Section], svg: &str) -> String {
    let mut body = String::new();
    for section in sections {
        let (group, machine) = (&section.group, escape(&section.machine));
        let tables = escape(&format!("{}\n{}", section.versions.join("\n"), section.tables));
        let _ = write!(body, "<h2>bench {group}</h2>\n<p>{machine}</p>\n<pre>{tables}</pre>\n");
    }
    let goals = escape(&report::goals_text(&judged(sections)));
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>interceptor: load</title>\n\
         <style>:root{{color-scheme:light dark}}body{{max-width:1040px;margin:2rem auto;padding:0 1rem;font-family:system-ui,sans-serif}}\
         svg{{width:100%;height:auto}}pre{{overflow-x:auto;font-size:12px}}</style>\n<h1>What the way through costs</h1>\n{svg}\n{body}<h2>goals</h2>\n<pre>{goals}</pre>\n"
    )
}

/// For text between tags.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Section {
    fn of(run: &Run, group: Group) -> Section {
        let of_group = || run.measured.iter().filter(move |measured| measured.case.group == group);
        let short = of_group().filter(|measured| SHORT.contains(&measured.case.id.as_str())).filter_map(short_line);
        Section {
            group: group.word().to_owned(),
            machine: run.machine.clone(),
            versions: run.versions.clone(),
            tables: report::group_text(run, group),
            judged: run.judged.iter().filter(|judged| is_of(judged, group)).cloned().collect(),
            short: short.collect(),
            rows: of_group().filter(|measured| measured.case.paths.is_empty()).map(Row::of).collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("made by `cargo xtask bench {} --report`\n{MACHINE}{}\n", self.group, self.machine);
        self.versions.iter().for_each(|version| text += &format!("{VERSION}{version}\n"));
        text += &format!("{}{TABLES}\n{GOALS}\n", self.tables.trim_end());
        for judged in &self.judged {
            let found = judged.found.map_or("-".to_owned(), numbers);
            let cells = [&judged.row.to_string(), &judged.what, &judged.claim, &found, judged.verdict.word()];
            text += &format!("{}\n", cells.join("\t"));
        }
        text += &format!("{README}\n");
        self.short.iter().for_each(|line| text += &format!("{line}\n"));
        text += &format!("{CHART}\n");
        for row in &self.rows {
            let marks = row.marks.iter().map(|(name, ratio)| format!("\t{name}\t{}", numbers(*ratio)));
            text += &format!("{}{}\n", row.title, marks.collect::<String>());
        }
        text
    }

    fn parse(text: &str) -> Option<Section> {
        let (head, rest) = text.split_once(MACHINE)?;
        let group = head.strip_prefix("made by `cargo xtask bench ")?.split(' ').next()?.to_owned();
        let (machine, mut rest) = rest.split_once('\n')?;
        let mut versions = Vec::new();
        while let Some((version, after)) = rest.strip_prefix(VERSION).and_then(|rest| rest.split_once('\n')) {
            versions.push(version.to_owned());
            rest = after;
        }
        let (tables, rest) = rest.split_once(TABLES)?;
        let (goals, rest) = rest.split_once(README)?;
        let (short, chart) = rest.split_once(CHART)?;
        let goals = goals.split_once(GOALS)?.1;
        Some(Section {
            group,
            machine: machine.to_owned(),
            versions,
            tables: tables.to_owned(),
            judged: lines(goals).map(parse_judged).collect::<Option<_>>()?,
            short: lines(short).map(str::to_owned).collect(),
            rows: lines(chart).map(parse_row).collect::<Option<_>>()?,
        })
    }
}

/// What begins the parts of a file.
const MACHINE: &str = "\non ";
const VERSION: &str = "beside ";
const TABLES: &str = "\n\n== end of the tables";
const GOALS: &str = "== goals: row, what, claim, found, verdict";
const README: &str = "== lines of the README";
const CHART: &str = "== lines of the chart";

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty())
}

/// Whether a goal was measured by this kind of load.
fn is_of(judged: &Judged, group: Group) -> bool {
    let of = match judged.row {
        0 | 1 | 2 | 8 | 9 => Group::Latency,
        10 | 15 | 16 => Group::Micro,
        11 => Group::Tls,
        12 => Group::Churn,
        13 => Group::Idle,
        _ => Group::Bulk,
    };
    of == group && judged.verdict != Verdict::Absent
}

fn numbers(ratio: Ratio) -> String {
    format!("{:.5} {:.5} {:.5}", ratio.median, ratio.low, ratio.high)
}

fn parse_numbers(text: &str) -> Option<Ratio> {
    let mut numbers = text.split(' ').map(|number| number.parse().ok());
    Some(Ratio { median: numbers.next()??, low: numbers.next()??, high: numbers.next()?? })
}

fn parse_judged(line: &str) -> Option<Judged> {
    let [row, what, claim, found, verdict] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    Some(Judged {
        row: row.parse().ok()?,
        what: what.to_owned(),
        claim: claim.to_owned(),
        found: parse_numbers(found),
        verdict: Verdict::ALL.into_iter().find(|of| of.word() == verdict)?,
    })
}

fn parse_row(line: &str) -> Option<Row> {
    let mut words = line.split('\t');
    let mut row = Row { title: words.next()?.to_owned(), marks: Vec::new() };
    while let (Some(name), Some(numbers)) = (words.next(), words.next()) {
        row.marks.push((name.to_owned(), parse_numbers(numbers)?));
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Section {
        let ratio = Ratio { median: 1.5, low: 1.25, high: 2.0 };
        let goal = goals::all(&Run::empty()).swap_remove(0);
        Section {
            group: "latency".to_owned(),
            machine: "2026-01-01, a machine, load 1 after".to_owned(),
            versions: vec!["a peer, 1.0".to_owned()],
            tables: "\na case\n  direct 1 2 3".to_owned(),
            judged: vec![Judged { found: Some(ratio), verdict: Verdict::Missed, ..goal }],
            short: vec!["| a | b |".to_owned()],
            rows: vec![Row { title: "a case".to_owned(), marks: vec![(US.to_owned(), ratio)] }],
        }
    }

    #[test]
    fn a_section_is_read_as_it_was_written() {
        assert_eq!(Section::parse(&section().to_text()).as_ref(), Some(&section()));
        let empty =
            Section { versions: Vec::new(), judged: Vec::new(), short: Vec::new(), rows: Vec::new(), ..section() };
        assert_eq!(Section::parse(&empty.to_text()), Some(empty));
    }

    #[test]
    fn goals_that_no_section_measured_are_listed_as_not_measured() {
        let judged = judged(&[section()]);
        assert_eq!(judged.len(), goals::all(&Run::empty()).len());
        assert_eq!((judged[0].verdict, judged[1].verdict), (Verdict::Missed, Verdict::Absent));
        assert!(html(&[section()], "<svg/>").contains("&lt;= 1.08 x null relay"));
    }
}
