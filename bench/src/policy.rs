//! What a verdict costs: `cargo xtask bench policy`.
//!
//! Per statement of what benchmarks and schema readers say: a text that was never seen (parse, effects, lineage, policy, and the record's words
//! of it), one that is known, and the grammar's own parse alone, in interleaved rounds of one process. Then how often a stream of them
//! is found in the cache, and how much memory an entry takes. A goal that is missed is printed; it is no error.

mod database;
mod measure;
mod memory;
mod report;
mod stream;

use std::process::Command;
use std::time::Duration;

use crate::dice::Dice;
use crate::pan::readme;

/// What the command line asks for.
#[derive(Default)]
struct Options {
    quick: bool,
    /// A line for every statement.
    all: bool,
    json: Option<String>,
    /// Of this application alone.
    application: Option<String>,
    /// Of the statement at this place of its data file alone.
    place: Option<u64>,
    seed: u64,
    /// Seconds for which verdicts are taken cold and nothing else is done: for a profiler.
    profile: Option<u64>,
}

impl Options {
    fn of(args: &[String]) -> Result<Options, String> {
        let mut options = Options { seed: 1, ..Options::default() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--all" => options.all = true,
                "--json" => options.json = Some(value()?),
                "--application" => options.application = Some(value()?),
                "--place" => options.place = Some(number(&value()?)?),
                "--seed" => options.seed = number(&value()?)?,
                "--profile" => options.profile = Some(number(&value()?)?),
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// `bench policy …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::of(args)?;
    let databases = database::Databases::new()?;
    let mut statements = database::statements();
    if let Some(wanted) = &options.application {
        statements.retain(|statement| statement.application == wanted);
        if statements.is_empty() {
            return Err(format!("no application is called `{wanted}`"));
        }
    }
    if let Some(place) = options.place {
        statements.retain(|statement| statement.place as u64 == place);
    }
    if let Some(seconds) = options.profile {
        measure::cold(&databases, &statements, Duration::from_secs(seconds));
        return Ok(());
    }
    println!("  {}", machine());
    let mut dice = Dice(options.seed | 1);
    let (rows, again) = measure::rows(&databases, &statements, if options.quick { 5 } else { 15 }, &mut dice);
    report::print(&rows, options.all);
    report::print_again(&again);
    let hits = stream::hits(&databases, &mut dice);
    report::print_hits(&hits);
    let bytes = memory::per_entry(&databases, &mut dice);
    report::print_memory(bytes);
    if let Some(path) = &options.json {
        let text = report::json(&rows, &hits, bytes, &machine());
        std::fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn machine() -> String {
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {} with {cores} cores, commit {commit}, `cargo xtask bench policy`",
        readme::today(),
        readme::processor()
    )
}
