//! What held statements cost, on the real service: `cargo xtask bench hold`.
//!
//! Rules that hold and match nothing, over the same policy without them: one service whose policy is loaded anew for each slice, so that nothing
//! differs but the rules; the policy without them once more is the A/A pair. And the time from a person's decision, as a client of the admin
//! socket begins to send it, to the first byte of the statement at the database.

mod decided;
mod rules;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::load::options::{Through, number, through};
use crate::pan::readme;
use crate::ratio::Ratio;
use decided::Decided;
use rules::Row;

/// A decision that takes longer misses the goal.
const DECIDED_US: f64 = 1000.0;
/// No answer of the service takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the command line asks for.
struct Options {
    quick: bool,
    report: bool,
    check: bool,
    rounds: u32,
    millis: u32,
    decisions: u32,
    /// Where the stub of the first part listens, and that of the second.
    near: u16,
    seen: u16,
    services: Vec<Service>,
    /// The policy's file, and the two texts that it gets in turn.
    policy: PathBuf,
    without: PathBuf,
    with: PathBuf,
}

/// A service, by how its agents are started and where it is asked.
struct Service {
    through: Through,
    admin: PathBuf,
}

impl Options {
    fn of(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            quick: args.iter().any(|arg| arg == "--quick"),
            report: false,
            check: false,
            rounds: 0,
            millis: 0,
            decisions: 0,
            near: 0,
            seen: 0,
            services: Vec::new(),
            policy: PathBuf::new(),
            without: PathBuf::new(),
            with: PathBuf::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => {}
                "--report" => options.report = true,
                "--check" => options.check = true,
                "--rounds" => options.rounds = number(&value()?)?,
                "--slice-ms" => options.millis = number(&value()?)?,
                "--decisions" => options.decisions = number(&value()?)?,
                "--near" => options.near = number(&value()?)?,
                "--seen" => options.seen = number(&value()?)?,
                "--through" => {
                    let through = through(&value()?)?;
                    options.services.push(Service { through, admin: value()?.into() });
                }
                "--policy" => options.policy = value()?.into(),
                "--without" => options.without = value()?.into(),
                "--with" => options.with = value()?.into(),
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        let (rounds, millis, decisions) = if options.quick { (3, 40, 50) } else { (41, 100, 2000) };
        let default = |value: &mut u32, or: u32| *value = if *value == 0 { or } else { *value };
        default(&mut options.rounds, rounds);
        default(&mut options.millis, millis);
        default(&mut options.decisions, decisions);
        if options.services.is_empty() || options.near == 0 || options.seen == 0 {
            return Err("--through, --near and --seen are missing; `cargo xtask bench hold` gives them".into());
        }
        Ok(options)
    }
}

/// `bench hold …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::of(args)?;
    let rows = rules::measure(&options)?;
    let decided = decided::measure(&options)?;
    let text = text(&options, &rows, &decided);
    print!("{text}");
    if options.report {
        readme::replace_in("docs/BENCH.md", "hold-bench", &format!("```\n{text}```"))?;
    }
    let met = rows.iter().all(Row::is_met) && decided.iter().all(|one| !one.is_judged() || one.is_met());
    if options.check && !met { Err("a goal is not met".into()) } else { Ok(()) }
}

fn text(options: &Options, rows: &[Row], decided: &[Decided]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("bench hold: {}, {} with {cores} cores\n\n", readme::today(), readme::processor());
    text += &format!(
        "rules that hold and match nothing, over none: p50, one CPU, stub, {} rounds of {} ms (goal: 1.00 inside, 2 % either way at most)\n",
        options.rounds, options.millis
    );
    for row in rows {
        let pair = format!("none again over none {}", of(row.pair));
        text += &format!("  {:<14} {:<22} {pair:<44} {}\n", row.name, of(row.ratio), word(row.is_met()));
    }
    text += &format!(
        "\nfrom the decision (a client begins to connect to the admin socket) to the first byte at the database, {} decisions (goal: p99 below 1 ms)\n",
        options.decisions
    );
    for one in decided {
        let (p50, p99) = (one.at(0.5), one.at(0.99));
        let verdict = if one.is_judged() { word(one.is_met()) } else { "" };
        text += &format!(
            "  record {:<10} p50 {:.0} us, p99 {:.0} [{:.0}-{:.0}] us  {verdict}\n",
            one.name, p50.median, p99.median, p99.low, p99.high
        );
    }
    text
}

fn of(ratio: Ratio) -> String {
    format!("{:.4} [{:.4}-{:.4}]", ratio.median, ratio.low, ratio.high)
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// One request to the admin socket; the answer's body, where it is 200.
fn ask(admin: &Path, method: &str, to: &str, body: &str) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", admin.display());
    let mut socket = UnixStream::connect(admin).map_err(wrong)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
    let request = format!(
        "{method} {to} HTTP/1.1\r\nHost: interceptor\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).map_err(wrong)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).map_err(wrong)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(format!("{to}: {}", answer.lines().next().unwrap_or("no answer"))),
    }
}
