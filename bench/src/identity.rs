//! What an identity costs, on the real service: `cargo xtask bench identity`.
//!
//! Statements of a job that a token is bound to, over those of one without; and the start of a session with a login of ours (`inject`), over
//! one whose agent logs in itself (`relay`), in front of one PostgreSQL that asks for SCRAM-SHA-256. Of both there is an A/A pair.

pub(crate) mod keys;
mod starts;
mod statements;

use crate::load::options::{Through, number, through};
use crate::load::verdict::Verdict;
use crate::pan::readme;
use crate::ratio::Ratio;
use starts::Starts;
use statements::Row;

/// What the command line asks for.
struct Options {
    report: bool,
    check: bool,
    rounds: u32,
    millis: u32,
    /// Where the stub listens.
    near: u16,
    /// Where PostgreSQL does: on 127.0.0.1 the agent's own login passes, on 127.0.0.2 it gets ours.
    database: u16,
    /// Agents without a token, twice, and one with; and one of the service whose record is in memory.
    through: Vec<Through>,
}

impl Options {
    fn of(args: &[String]) -> Result<Options, String> {
        let quick = args.iter().any(|arg| arg == "--quick");
        let (rounds, millis) = if quick { (3, 40) } else { (101, 40) };
        let mut options =
            Options { report: false, check: false, rounds, millis, near: 0, database: 0, through: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => {}
                "--report" => options.report = true,
                "--check" => options.check = true,
                "--rounds" => options.rounds = number(&value()?)?,
                "--slice-ms" => options.millis = number(&value()?)?,
                "--near" => options.near = number(&value()?)?,
                "--database" => options.database = number(&value()?)?,
                "--through" => options.through.push(through(&value()?)?),
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        match (options.near, options.database, options.through.len()) {
            (1.., 1.., 4) => Ok(options),
            _ => {
                Err("--near, --database and four --through are missing; `cargo xtask bench identity` gives them".into())
            }
        }
    }
}

/// `bench identity …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::of(args)?;
    let rows = statements::measure(&options)?;
    let starts = starts::measure(&options)?;
    let text = text(&options, &rows, &starts);
    print!("{text}");
    if options.report {
        readme::replace_in("docs/BENCH.md", "identity-bench", &format!("```\n{text}```"))?;
    }
    let mut verdicts = rows.iter().map(Row::verdict).chain(starts.goals().map(|(.., verdict)| verdict));
    let met = verdicts.all(|verdict| verdict == Verdict::Met);
    if options.check && !met { Err("a goal is not met".into()) } else { Ok(()) }
}

fn text(options: &Options, rows: &[Row], starts: &Starts) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("bench identity: {}, {} with {cores} cores\n\n", readme::today(), readme::processor());
    text += &format!(
        "a bound token over none: p50, one CPU, stub, {} rounds of {} ms (goal: 1.00 inside, 2 % either way at most)\n",
        options.rounds, options.millis
    );
    for row in rows {
        let pair = format!("none again over none {}", of(row.pair));
        text += &format!("  {:<14} {:<22} {pair:<44} {}\n", row.name, of(row.ratio), row.verdict().word());
    }
    text += &format!(
        "\na session's start (connect, one query, close), PostgreSQL with SCRAM-SHA-256, both without a disk, {} rounds of {} starts\n",
        starts.rounds,
        starts::TURNS
    );
    for (name, us) in starts.values() {
        text += &format!("  {name:<44} p50 {:.0} [{:.0}-{:.0}] us\n", us.median, us.low, us.high);
    }
    text += &format!("  {:<44} {}\n", "relay, key kept, again over the same", of(starts.pair()));
    text += "a session's start with inject, over relay (goal: <= 1.20)\n";
    for (name, ratio, verdict) in starts.goals() {
        text += &format!("  {name:<44} {:<22} {}\n", of(ratio), verdict.word());
    }
    text
}

fn of(ratio: Ratio) -> String {
    format!("{:.4} [{:.4}-{:.4}]", ratio.median, ratio.low, ratio.high)
}
