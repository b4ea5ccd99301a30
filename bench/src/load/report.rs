//! What a run prints: to a person, to the documentation, to a program.

use std::fmt::Write as _;

use crate::load::cases::{Figure, Group, RULED_ID};
use crate::load::fsyncs::Fsyncs;
use crate::load::goals::{self, ROWS};
use crate::load::idle::Idle;
use crate::load::measure::{Line, Measured, Metric};
use crate::load::options::Options;
use crate::load::shards::Shards;
use crate::load::slow::Slow;
use crate::load::targets::{
    BESIDE, DIRECT, HAPROXY, MEMORY, NAMED, NULL, RESULTS, RESULTS_BESIDE, STRICT, UNMASKED, UNRECORDED, US,
};
use crate::load::tls::Tls;
use crate::load::verdict::{Judged, Verdict};
use crate::pan::readme;
use crate::ratio::Ratio;
use crate::slice::Work;

/// All that a run found.
pub(crate) struct Run {
    pub(crate) machine: String,
    pub(crate) versions: Vec<String>,
    pub(crate) groups: Vec<Group>,
    pub(crate) measured: Vec<Measured>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) tls: Option<Tls>,
    pub(crate) shards: Option<Shards>,
    pub(crate) slow: Option<Slow>,
    /// CPU nanoseconds that a statement's two records cost in memory.
    pub(crate) record_ns: Option<f64>,
    pub(crate) fsyncs: Option<Fsyncs>,
    pub(crate) judged: Vec<Judged>,
}

impl Run {
    pub(crate) fn new(options: &Options, versions: Vec<String>) -> Run {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let starts = options.through.iter().filter(|through| through.name == "standard").count();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let machine = format!(
            "{}, {} with {cores} cores, Linux {}, load {} before, {} rounds of {} ms, ours started {starts}x, loopback",
            readme::today(),
            readme::processor(),
            read("/proc/sys/kernel/osrelease"),
            read("/proc/loadavg").split(' ').next().unwrap_or_default(),
            options.rounds,
            options.millis,
        );
        Run { machine, versions, groups: options.groups.clone(), ..Run::empty() }
    }

    /// Nothing measured.
    pub(crate) fn empty() -> Run {
        Run {
            machine: String::new(),
            versions: Vec::new(),
            groups: Vec::new(),
            measured: Vec::new(),
            idle: Vec::new(),
            tls: None,
            shards: None,
            slow: None,
            record_ns: None,
            fsyncs: None,
            judged: Vec::new(),
        }
    }

    /// Judges what was measured.
    pub(crate) fn finish(&mut self) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let _ = write!(self.machine, ", load {} after", load.split(' ').next().unwrap_or_default());
        self.judged = goals::all(self);
    }
}

pub(crate) fn interval(ratio: Option<Ratio>) -> String {
    ratio.map_or("-".into(), |r| format!("{:.2} [{:.2}-{:.2}]", r.median, r.low, r.high))
}

/// The heads of a table's columns, and the cells of a line.
fn heads(figure: Figure) -> [&'static str; 8] {
    match figure {
        Figure::Statements => ["p50 us", "p99", "p99.9", "per s", "CPU us", "p50 of direct", "p50 of null", "MiB"],
        Figure::Bytes => ["GB/s", "", "", "", "CPU s/GB", "GB/s of direct", "CPU of null", "MiB"],
    }
}

fn cells(measured: &Measured, line: &Line) -> [String; 8] {
    let (total, seconds) = (&line.total, line.total.seconds());
    let mib = if line.between { format!("{:.0}", line.resident_kib as f64 / 1024.0) } else { "-".into() };
    let cpu = |value: f64| if line.between { format!("{value:.2}") } else { "-".into() };
    let ratio = |metric: Metric, to: &str| interval(measured.ratio(metric, line.target, to));
    match measured.case.figure {
        Figure::Statements => {
            let operations = total.latencies.len();
            // Beside a stream the time is the stream's, not the statements'.
            let each = line.nanos as f64 / 1e3 / operations.max(1) as f64;
            let cpu = if measured.case.work == Work::Beside { "-".into() } else { cpu(each) };
            [
                format!("{:.1}", total.quantile(0.5)),
                format!("{:.0}", total.quantile(0.99)),
                format!("{:.0}", total.quantile(0.999)),
                format!("{:.0}", operations as f64 / seconds),
                cpu,
                ratio(Metric::P50, DIRECT),
                ratio(Metric::P50, NULL),
                mib,
            ]
        }
        Figure::Bytes => {
            let bytes = total.bytes.max(1) as f64;
            let of_null = if line.between { ratio(Metric::CpuPerGb, NULL) } else { "-".into() };
            [
                format!("{:.2}", bytes / 1e9 / seconds),
                String::new(),
                String::new(),
                String::new(),
                cpu(line.nanos as f64 / bytes),
                ratio(Metric::GbPerSecond, DIRECT),
                of_null,
                mib,
            ]
        }
    }
}

fn row(name: &str, cells: [String; 8]) -> String {
    let [a, b, c, d, e, f, g, h] = cells;
    format!("  {name:<18} {a:>8} {b:>7} {c:>7} {d:>8} {e:>9} {f:>19} {g:>19} {h:>6}\n")
}

/// One case as lines of text, with what says whether the null relay is a floor.
pub(crate) fn table(measured: &Measured) -> String {
    let mut text = format!("\n{}\n", measured.case.title);
    text += &row("", heads(measured.case.figure).map(str::to_owned));
    for line in &measured.lines {
        text += &row(line.target, cells(measured, line));
    }
    let late: Vec<String> = measured
        .lines
        .iter()
        .filter(|line| line.total.late > 0)
        .map(|line| format!("{} {}", line.target, line.total.late))
        .collect();
    if !late.is_empty() {
        let _ = writeln!(text, "  starts that were late by more than a millisecond: {}", late.join(", "));
    }
    if let Some(words) = floor(measured) {
        let _ = writeln!(text, "  {words}");
    }
    text + &prices(measured)
}

/// What parts of ours cost: ours over ours without the part.
fn prices(measured: &Measured) -> String {
    let metric = if measured.case.figure == Figure::Statements { Metric::P50 } else { Metric::CpuPerGb };
    let parts: &[(&str, &str, &str)] = match (measured.case.group, measured.case.id.as_str()) {
        (Group::Micro, _) => &[
            ("masking", US, UNMASKED),
            ("the record", US, UNRECORDED),
            ("the record's disk", US, MEMORY),
            ("the strict record", STRICT, US),
            ("recorded results", RESULTS, US),
            ("the same, other build", RESULTS_BESIDE, BESIDE),
        ],
        (_, RULED_ID) => &[("the column named", NAMED, US)],
        _ => &[],
    };
    let mut text = String::new();
    for &(part, with, without) in parts {
        let ratio = |metric| interval(measured.ratio(metric, with, without));
        if measured.line(with).is_none() || measured.line(without).is_none() {
            continue;
        }
        let _ = write!(text, "  {part:<21} with it over without: {}", ratio(metric));
        match metric {
            Metric::P50 => write!(text, ", CPU {}", ratio(Metric::CpuUs)),
            _ => write!(text, ", GB/s {}", ratio(Metric::GbPerSecond)),
        }
        .unwrap_or_default();
        text.push('\n');
    }
    text
}

/// Whether the null relay is a floor here: no dearer than HAProxy.
fn floor(measured: &Measured) -> Option<String> {
    if measured.case.work == Work::Beside {
        return None;
    }
    let (first, second, names) = match measured.case.figure {
        Figure::Statements => (Metric::P50, Metric::CpuUs, ["p50", "CPU"]),
        Figure::Bytes => (Metric::CpuPerGb, Metric::CpuPerGb, ["CPU", ""]),
    };
    let (a, b) = (measured.ratio(first, NULL, HAPROXY)?, measured.ratio(second, NULL, HAPROXY)?);
    let word = if a.median <= 1.0 && b.median <= 1.0 { "is a floor" } else { "IS NO FLOOR" };
    let more = if first == second { String::new() } else { format!(", {} {}", names[1], interval(Some(b))) };
    Some(format!("the null relay {word}: {} {}{more} of HAProxy", names[0], interval(Some(a))))
}

/// Memory of idle sessions.
pub(crate) fn idle_text(idle: &[Idle]) -> String {
    let Some(first) = idle.first() else { return String::new() };
    let mut text = format!(
        "\nidle sessions: {}, KiB of private memory a session (stub)\n  {:<18} {:>9} {:>14} {:>24}\n",
        first.sessions, "", "sessions", "after a query", "after a result of 1 MiB"
    );
    for idle in idle {
        let (sessions, fresh, after) = (idle.sessions, idle.fresh, idle.after_bulk);
        let _ = writeln!(text, "  {:<18} {sessions:>9} {fresh:>14.2} {after:>24.2}", idle.target);
    }
    text
}

/// What TLS costs.
pub(crate) fn tls_text(tls: Option<&Tls>) -> String {
    let Some(tls) = tls else { return String::new() };
    let mut text = String::from("\nTLS on both legs: narrow rows from a stub, CPU s/GB of the service\n");
    for (which, name) in ["plain", "TLS on both legs", "rustls alone"].into_iter().enumerate() {
        let _ = writeln!(text, "  {name:<18} {:>24}", interval(tls.value(which)));
    }
    let _ = writeln!(text, "  what TLS adds, of rustls alone: {}", interval(tls.ratio()));
    text
}

/// Two shards over one, and a slow reader.
pub(crate) fn shards_text(shards: Option<&Shards>) -> String {
    let Some(shards) = shards else { return String::new() };
    let mut text = String::from(
        "\ntwo shards busy over one: select prepared, 4 connections a shard (a stub and an agent on each CPU)\n",
    );
    let mut line = |what: &str, [rate, cpu]: [Option<Ratio>; 2]| {
        let _ = writeln!(text, "  {what}statements a second {}, CPU per statement {}", interval(rate), interval(cpu));
    };
    line("", [shards.rate(), shards.cpu()]);
    if !shards.other.is_empty() {
        line("the other build: ", shards.others());
        line("both busy, this build over the other: ", shards.over_other());
    }
    text
}

/// A reader that does not read.
pub(crate) fn slow_text(slow: Option<&Slow>) -> String {
    let Some(slow) = slow else { return String::new() };
    format!(
        "\na slow reader with 100 MB pending (stub, one CPU)\n  of it in our memory: {:.0} KiB; p50 of a neighbour, of that without it: {}\n",
        slow.kib,
        interval(slow.neighbours())
    )
}

/// What a record costs in memory.
pub(crate) fn record_text(record_ns: Option<f64>) -> String {
    record_ns.map_or_else(String::new, |ns| {
        format!(
            "\nthe record alone: {ns:.0} ns of CPU for a statement's two records, stored and hashed, without disk\n"
        )
    })
}

/// What the disk takes with none of our code.
fn fsyncs_text(fsyncs: Option<&Fsyncs>) -> String {
    fsyncs.map_or_else(String::new, |fsyncs| {
        let micros = fsyncs.micros().map_or("-".into(), |us| format!("{:.0} [{:.0}-{:.0}]", us.median, us.low, us.high));
        format!(
            "fsyncs alone: {:.0} a second of 64 KiB each on {} CPUs leave {} of what computes there; {micros} us of a CPU each\n",
            fsyncs.per_second,
            fsyncs.cpus,
            fsyncs.kept().map_or("-".into(), |r| format!("{:.3} [{:.3}-{:.3}]", r.median, r.low, r.high)),
        )
    })
}

/// All tables of one kind of load.
pub(crate) fn group_text(run: &Run, group: Group) -> String {
    let tables = run.measured.iter().filter(|measured| measured.case.group == group).map(table);
    let own = match group {
        Group::Idle => idle_text(&run.idle),
        Group::Tls => tls_text(run.tls.as_ref()),
        Group::Micro => record_text(run.record_ns) + &fsyncs_text(run.fsyncs.as_ref()),
        Group::Latency => shards_text(run.shards.as_ref()),
        Group::Bulk => slow_text(run.slow.as_ref()),
        Group::Churn => String::new(),
    };
    own + &tables.collect::<String>()
}

/// The verdicts of a run: where not all kinds of load ran, only the rows that they have something to say on.
pub(crate) fn run_goals_text(run: &Run) -> String {
    if run.groups.len() == Group::ALL.len() {
        return goals_text(&run.judged);
    }
    let asked = |judged: &&Judged| run.judged.iter().any(|of| of.row == judged.row && of.found.is_some());
    goals_text(&run.judged.iter().filter(asked).cloned().collect::<Vec<_>>())
}

/// The verdict on each row of the goals, and the figures below it.
pub(crate) fn goals_text(judged: &[Judged]) -> String {
    let mut text = String::from("\ngoals (an interval is widened by the pair of null relays before it is judged)\n");
    let mut counts = [0; 4];
    for (row, name) in ROWS.iter().enumerate() {
        let of: Vec<&Judged> = judged.iter().filter(|judged| judged.row == row).collect();
        let worst = of.iter().map(|judged| judged.verdict).max().unwrap_or(Verdict::Absent);
        counts[worst as usize] += 1;
        if of.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{name}: {}", worst.word());
        for judged in of {
            let (found, verdict) = (interval(judged.found), judged.verdict.word());
            let _ = writeln!(text, "  {:<58} {:<24} {found:>24}  {verdict}", judged.what, judged.claim);
        }
    }
    let [met, absent, open, missed] = counts;
    let _ = writeln!(
        text,
        "\n  of {} rows {met} met, {missed} missed, {open} without a verdict (count as missed), {absent} not measured or not wholly",
        ROWS.len()
    );
    text
}

/// All figures. Names are our own words; versions of peers lose their quotes.
pub(crate) fn json(run: &Run) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace(['"', '\\'], "'"));
    let triple = |ratio: Option<Ratio>| {
        ratio.map_or("null".to_owned(), |r| format!("[{:.5}, {:.5}, {:.5}]", r.median, r.low, r.high))
    };
    let mut lines = Vec::new();
    for measured in &run.measured {
        for line in &measured.lines {
            let value = |metric| triple(measured.value(metric, line.target));
            let ratio = |metric, to| triple(measured.ratio(metric, line.target, to));
            lines.push(format!(
                "  {{\"case\": {}, \"path\": {}, \"p50_us\": {:.3}, \"p99_us\": {:.3}, \"p999_us\": {:.3}, \"operations\": {}, \"late\": {}, \"per_s\": {}, \"gb_per_s\": {}, \"cpu_us\": {}, \"cpu_s_per_gb\": {}, \"p50_of_direct\": {}, \"p50_of_null\": {}, \"p99_of_null\": {}, \"gb_of_direct\": {}, \"cpu_gb_of_null\": {}, \"cpu_us_of_null\": {}, \"resident_kib\": {}}}",
                quoted(&measured.case.id), quoted(line.target), line.total.quantile(0.5), line.total.quantile(0.99),
                line.total.quantile(0.999), line.total.latencies.len(), line.total.late, value(Metric::PerSecond),
                value(Metric::GbPerSecond), value(Metric::CpuUs), value(Metric::CpuPerGb), ratio(Metric::P50, DIRECT),
                ratio(Metric::P50, NULL), ratio(Metric::P99, NULL), ratio(Metric::GbPerSecond, DIRECT),
                ratio(Metric::CpuPerGb, NULL), ratio(Metric::CpuUs, NULL), line.resident_kib,
            ));
        }
    }
    let idle = run.idle.iter().map(|idle| {
        let name = quoted(idle.target);
        format!(
            "  {{\"path\": {name}, \"sessions\": {}, \"kib\": {:.3}, \"kib_after_bulk\": {:.3}}}",
            idle.sessions, idle.fresh, idle.after_bulk
        )
    });
    let beside = [
        ("tls_of_rustls", run.tls.as_ref().and_then(Tls::ratio)),
        ("two_shards_rate", run.shards.as_ref().and_then(Shards::rate)),
        ("two_shards_cpu", run.shards.as_ref().and_then(Shards::cpu)),
        ("neighbours_of_slow", run.slow.as_ref().and_then(Slow::neighbours)),
    ];
    let beside = beside.map(|(name, found)| format!("  {}: {}", quoted(name), triple(found)));
    let goals = run.judged.iter().map(|judged| {
        format!(
            "  {{\"goal\": {}, \"claim\": {}, \"found\": {}, \"verdict\": {}}}",
            quoted(&judged.what),
            quoted(&judged.claim),
            triple(judged.found),
            quoted(judged.verdict.word())
        )
    });
    let versions: Vec<String> = run.versions.iter().map(|version| quoted(version)).collect();
    format!(
        "{{\"machine\": {}, \"versions\": [{}],\n\"lines\": [\n{}\n],\n\"idle\": [\n{}\n],\n\"beside\": {{\n{}\n}},\n\"goals\": [\n{}\n]}}\n",
        quoted(&run.machine),
        versions.join(", "),
        lines.join(",\n"),
        idle.collect::<Vec<_>>().join(",\n"),
        beside.join(",\n"),
        goals.collect::<Vec<_>>().join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_run_can_be_written() {
        let mut run = Run { machine: "a \"b\"".to_owned(), ..Run::empty() };
        run.finish();
        assert!(json(&run).contains("\"machine\": \"a 'b'"));
        let text = goals_text(&run.judged);
        assert!(text.contains("of 17 rows 0 met, 0 missed, 0 without a verdict (count as missed), 17 not measured"));
    }

    #[test]
    fn a_row_is_as_good_as_its_worst_figure() {
        let judged = |verdict| Judged { row: 0, what: "w".into(), claim: "c".into(), found: None, verdict };
        let text = goals_text(&[judged(Verdict::Met), judged(Verdict::Missed), judged(Verdict::Open)]);
        assert!(text.contains(&format!("{}: MISSED", ROWS[0])), "{text}");
    }
}
