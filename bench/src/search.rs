//! `bench search`: the sessions of some agents, as many records as are asked for, indexed and searched by the program itself. What is timed is
//! the verb from its start to its end: what a person waits for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::dice::Dice;

mod queries;
mod sessions;

const RECORDS: u64 = 1_000_000;
const RECORDS_MAX: u64 = 10_000_000;
const QUERIES: usize = 500;
const QUERIES_MAX: usize = 10_000;
/// What is published: milliseconds at the 99th percentile.
const GOAL_MS: f64 = 100.0;
/// So many of the slowest are shown.
const SHOWN: usize = 8;

struct Options {
    records: u64,
    queries: usize,
    seed: u64,
    program: PathBuf,
    folder: Option<PathBuf>,
    check: bool,
}

/// `bench search --program PATH [--records N] [--queries N] [--seed N] [--folder DIR] [--check]`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|why| why.to_string())?.as_secs();
    let folder = Scratch::new(options.folder.as_deref())?;
    let began = Instant::now();
    let written = sessions::write(&folder.0, options.records, now_s, options.seed)?;
    println!(
        "{} records of {} sessions over 90 days, {:.2} GB in {} segments, written in {:.0} s",
        written.records,
        written.sessions,
        bytes(&folder.0)? as f64 / 1e9,
        written.segments,
        began.elapsed().as_secs_f64()
    );
    let segments = bytes(&folder.0)?;
    let took = options.verb(&folder.0, &["index"])?.1;
    let index = bytes(&folder.0)?.saturating_sub(segments);
    println!(
        "index: {:.0} MB, {:.0} bytes a record, built in {took:.0} s: {:.0} records/s",
        index as f64 / 1e6,
        index as f64 / written.records as f64,
        written.records as f64 / took
    );
    let mut dice = Dice(options.seed);
    // The first one finds what the program itself is read from.
    options.verb(&folder.0, &["search", "warm"])?;
    let mut measured: Vec<Measured> = Vec::new();
    for at in 0..options.queries {
        let query = queries::draw(at, &mut dice, &written);
        let (lines, seconds) = options.verb(&folder.0, &["search", "--", &query])?;
        measured.push(Measured { kind: at % queries::KINDS_OF_QUERIES, query, lines, ms: seconds * 1e3 });
    }
    report(&mut measured, options.check)
}

/// One search.
struct Measured {
    kind: usize,
    query: String,
    lines: usize,
    ms: f64,
}

fn report(measured: &mut [Measured], check: bool) -> Result<(), String> {
    measured.sort_by(|one, other| one.ms.total_cmp(&other.ms));
    let at = |part: f64| {
        measured
            .get(((measured.len() as f64 * part) as usize).min(measured.len().saturating_sub(1)))
            .map_or(0.0, |m| m.ms)
    };
    let p99 = at(0.99);
    let found = measured.iter().filter(|measured| measured.lines > 0).count();
    println!("{} searches, of which {found} found something, 50 records at most each; the slowest:", measured.len());
    for slow in measured.iter().rev().take(SHOWN) {
        println!("  {:>8.1} ms {:>3} records  {}", slow.ms, slow.lines, slow.query.escape_debug());
    }
    println!("the slowest kinds: median, slowest, an example of it:");
    let mut kinds: Vec<(f64, f64, &str)> = (0..queries::KINDS_OF_QUERIES)
        .filter_map(|kind| {
            let of: Vec<&Measured> = measured.iter().filter(|measured| measured.kind == kind).collect();
            Some((of.get(of.len() / 2)?.ms, of.last()?.ms, of.last()?.query.as_str()))
        })
        .collect();
    kinds.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (median, slowest, example) in kinds.iter().take(SHOWN) {
        println!("  {median:>8.1} ms {slowest:>8.1} ms  {}", example.escape_debug());
    }
    println!("p50 {:.1} ms, p90 {:.1} ms, p99 {p99:.1} ms, slowest {:.1} ms", at(0.5), at(0.9), at(1.0));
    let is_met = p99 < GOAL_MS;
    println!("goal: below {GOAL_MS:.0} ms at the 99th percentile: {}", if is_met { "met" } else { "MISSED" });
    if check && !is_met { Err(format!("{p99:.1} ms is not below the goal of {GOAL_MS:.0} ms")) } else { Ok(()) }
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            records: RECORDS,
            queries: QUERIES,
            seed: 1,
            program: PathBuf::new(),
            folder: None,
            check: false,
        };
        let mut args = args.iter();
        while let Some(word) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{word} needs a value"));
            let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
            match word.as_str() {
                "--records" => options.records = number(value()?)?.clamp(1000, RECORDS_MAX),
                "--queries" => options.queries = (number(value()?)? as usize).clamp(1, QUERIES_MAX),
                "--seed" => options.seed = number(value()?)?.max(1),
                "--program" => options.program = value()?.into(),
                "--folder" => options.folder = Some(value()?.into()),
                "--check" => options.check = true,
                other => return Err(format!("bench search does not know {other}")),
            }
        }
        if options.program.as_os_str().is_empty() {
            return Err("bench search needs --program".into());
        }
        Ok(options)
    }

    /// A verb of `sessions`: how many lines it printed, and its seconds from start to end.
    fn verb(&self, folder: &Path, words: &[&str]) -> Result<(usize, f64), String> {
        let mut command = Command::new(&self.program);
        let (verb, rest) = words.split_first().ok_or("no verb")?;
        command.args(["sessions", verb, "--config", "/nonexistent", "--folder"]).arg(folder).args(rest);
        command.stdout(Stdio::piped());
        let began = Instant::now();
        let child = command.spawn().map_err(|why| format!("{}: {why}", self.program.display()))?;
        let output = child.wait_with_output().map_err(|why| why.to_string())?;
        let took = began.elapsed().as_secs_f64();
        // 1: nothing was found.
        match output.status.code() {
            Some(0 | 1) => Ok((output.stdout.iter().filter(|byte| **byte == b'\n').count(), took)),
            _ => Err(format!("sessions {}: {}", words.join(" "), output.status)),
        }
    }
}

/// A folder that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(below: Option<&Path>) -> Result<Scratch, String> {
        let below = below.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let path = below.join(format!("bench-search-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bytes(folder: &Path) -> Result<u64, String> {
    let entries = std::fs::read_dir(folder).map_err(|why| why.to_string())?;
    entries
        .map(|entry| entry.and_then(|entry| entry.metadata()).map(|is| is.len()).map_err(|why| why.to_string()))
        .sum()
}
