//! What a run prints: to a person, to the documentation, to a program.

use std::fmt::Write as _;

use crate::load::cases::Figure;
use crate::load::chart;
use crate::load::goals::{self, Judged, UNJUDGED, Verdict};
use crate::load::idle::Idle;
use crate::load::measure::{Line, Measured, Metric};
use crate::load::options::Options;
use crate::load::targets::{DIRECT, HAPROXY, NULL, PGBOUNCER, US};
use crate::load::tls::Tls;
use crate::pan::readme;
use crate::ratio::Ratio;
use crate::slice::Work;

/// All that a run found.
pub(crate) struct Run {
    pub(crate) machine: String,
    pub(crate) versions: Vec<String>,
    pub(crate) measured: Vec<Measured>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) tls: Option<Tls>,
    pub(crate) judged: Vec<Judged>,
}

impl Run {
    pub(crate) fn new(options: &Options, versions: Vec<String>) -> Run {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let machine = format!(
            "{}, {} with {cores} cores, Linux {}, load {} before, {} rounds of {} ms, loopback",
            readme::today(),
            readme::processor(),
            read("/proc/sys/kernel/osrelease"),
            read("/proc/loadavg").split(' ').next().unwrap_or_default(),
            options.rounds,
            options.millis,
        );
        Run { machine, versions, measured: Vec::new(), idle: Vec::new(), tls: None, judged: Vec::new() }
    }

    /// Judges what was measured.
    pub(crate) fn finish(&mut self) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let _ = write!(self.machine, ", load {} after", load.split(' ').next().unwrap_or_default());
        self.judged = goals::judge(&self.measured, &self.idle, self.tls.as_ref());
    }
}

fn interval(ratio: Option<Ratio>) -> String {
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
pub(crate) fn print_idle(idle: &[Idle]) {
    print!("{}", idle_text(idle));
}

fn idle_text(idle: &[Idle]) -> String {
    let Some(first) = idle.first() else { return String::new() };
    let mut text = format!(
        "\nidle sessions: {}, KiB of private memory a session (stub)\n  {:<18} {:>12} {:>22}\n",
        first.sessions, "", "after a query", "after a result of 1 MiB"
    );
    for idle in idle {
        let _ = writeln!(text, "  {:<18} {:>12.2} {:>22.2}", idle.target, idle.fresh, idle.after_bulk);
    }
    text
}

/// What TLS costs.
pub(crate) fn print_tls(tls: Option<&Tls>) {
    print!("{}", tls_text(tls));
}

fn tls_text(tls: Option<&Tls>) -> String {
    let Some(tls) = tls else { return String::new() };
    let mut text = String::from("\nTLS on both legs: narrow rows from a stub, CPU s/GB of the service\n");
    for (which, name) in ["plain", "TLS on both legs", "rustls alone"].into_iter().enumerate() {
        let _ = writeln!(text, "  {name:<18} {:>24}", interval(tls.value(which)));
    }
    let _ = writeln!(text, "  what TLS adds, of rustls alone: {}", interval(tls.ratio()));
    let _ = writeln!(text, "  {} idle sessions: {:.2} KiB each", tls.sessions, tls.idle);
    text
}

/// The verdicts.
pub(crate) fn print_goals(run: &Run) {
    print!("{}", goals_text(run));
}

fn goals_text(run: &Run) -> String {
    let mut text = String::from("\ngoals (an interval is widened by the pair of null relays before it is judged)\n");
    for judged in run.judged.iter().filter(|judged| judged.verdict != Verdict::Absent) {
        let (found, verdict) = (interval(judged.found), judged.verdict.word());
        let _ = writeln!(text, "  {:<62} {:<24} {found:>24}  {verdict}", judged.what, judged.claim);
    }
    for (what, why) in UNJUDGED {
        let _ = writeln!(text, "  {what:<62} not measured: {why}");
    }
    let count = |verdict: Verdict| run.judged.iter().filter(|judged| judged.verdict == verdict).count();
    let (met, missed, open) = (count(Verdict::Met), count(Verdict::Missed), count(Verdict::Open));
    let absent = count(Verdict::Absent) + UNJUDGED.len();
    let _ = writeln!(
        text,
        "\n  {met} met, {missed} missed, {open} without a verdict (count as missed), {absent} not measured"
    );
    text
}

/// All of it, as printed.
fn text(run: &Run) -> String {
    let tables: String = run.measured.iter().map(table).collect();
    format!(
        "{}\n{}\n{}{}{tables}{}",
        run.machine,
        run.versions.join("\n"),
        idle_text(&run.idle),
        tls_text(run.tls.as_ref()),
        goals_text(run)
    )
}

/// Writes the chart, the page, and the tables of the documentation.
pub(crate) fn write(run: &Run) -> Result<(), String> {
    let svg = chart::svg(run);
    for (path, body) in [("docs/load-bench.svg", svg.clone()), ("docs/load-bench.html", html(run, &svg))] {
        std::fs::write(path, body).map_err(|error| format!("{path}: {error}"))?;
    }
    readme::replace_in("docs/BENCH.md", "load-bench", &format!("```\n{}```", text(run)))?;
    readme::replace("load-bench", &short(run))
}

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

/// The README's table: ours and its ratios to what people would use instead.
fn short(run: &Run) -> String {
    let mut text = format!("{}, `cargo xtask bench --report`\n\n", run.machine);
    text += "| p50, or CPU time for a GB | ours | of direct | of the null relay | of HAProxy | of pgbouncer |\n|---|---:|---:|---:|---:|---:|\n";
    for measured in run.measured.iter().filter(|m| SHORT.contains(&m.case.id.as_str())) {
        let statements = measured.case.figure == Figure::Statements;
        let (metric, unit) = if statements { (Metric::P50, "us") } else { (Metric::CpuPerGb, "s/GB") };
        let Some(value) = measured.value(metric, US) else { continue };
        let ratio = |to: &str| interval(measured.ratio(metric, US, to));
        let direct = if statements { ratio(DIRECT) } else { "-".into() };
        let _ = writeln!(
            text,
            "| {} | {:.2} {unit} | {direct} | {} | {} | {} |",
            measured.case.title,
            value.median,
            ratio(NULL),
            ratio(HAPROXY),
            ratio(PGBOUNCER)
        );
    }
    text
}

fn html(run: &Run, svg: &str) -> String {
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>interceptor: load</title>\n\
         <style>:root{{color-scheme:light dark}}body{{max-width:1040px;margin:2rem auto;padding:0 1rem;font-family:system-ui,sans-serif}}\
         svg{{width:100%;height:auto}}pre{{overflow-x:auto;font-size:12px}}</style>\n<h1>What the way through costs</h1>\n{svg}\n<pre>{}</pre>\n",
        escape(&text(run))
    )
}

/// For text between tags.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
        "{{\"machine\": {}, \"versions\": [{}],\n\"lines\": [\n{}\n],\n\"idle\": [\n{}\n],\n\"goals\": [\n{}\n]}}\n",
        quoted(&run.machine),
        versions.join(", "),
        lines.join(",\n"),
        idle.collect::<Vec<_>>().join(",\n"),
        goals.collect::<Vec<_>>().join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_run_can_be_written() {
        let mut run = Run {
            machine: "a \"b\"".to_owned(),
            versions: vec!["c <d>".to_owned()],
            measured: Vec::new(),
            idle: Vec::new(),
            tls: None,
            judged: Vec::new(),
        };
        run.finish();
        assert!(json(&run).contains("\"machine\": \"a 'b'") && goals_text(&run).contains("0 met, 0 missed"));
        assert!(html(&run, "<svg/>").contains("c &lt;d&gt;"));
    }
}
