//! `bench search`: the sessions of some agents, as many records as are asked for, indexed and searched by the program itself. What is timed is
//! the verb from its start to its end: what a person waits for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sessions::Written;

use crate::dice::Dice;

mod queries;
mod sessions;

const RECORDS: u64 = 1_000_000;
const RECORDS_MAX: u64 = 10_000_000;
const QUERIES: usize = 500;
const QUERIES_MAX: usize = 10_000;
/// Of a record that is kept: what was written, for the searches of another run.
const TOLD: &str = "written.txt";
/// What is published: milliseconds at the 99th percentile.
const GOAL_MS: f64 = 100.0;
/// What the program calls its index.
const INDEX: &str = "index.sqlite3";
/// So many of the slowest are shown.
const SHOWN: usize = 8;

struct Options {
    records: u64,
    queries: usize,
    seed: u64,
    program: PathBuf,
    /// Another program, which searches by turns with an index of its own.
    beside: Option<PathBuf>,
    folder: Option<PathBuf>,
    kept: Option<PathBuf>,
    /// One kind of searches alone.
    kind: Option<usize>,
    check: bool,
}

/// A program, and the folder of the record with its index.
struct Side {
    program: PathBuf,
    folder: PathBuf,
    measured: Vec<Measured>,
}

/// `bench search --program PATH [--beside PATH] [--records N] [--queries N] [--seed N] [--folder DIR] [--kept DIR] [--kind N] [--check]`:
/// `--kept` names a folder in which the record and the indices stay, and are searched again.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let scratch = options.kept.is_none().then(|| Scratch::new(options.folder.as_deref())).transpose()?;
    let folder = match (&options.kept, &scratch) {
        (Some(kept), _) => kept.clone(),
        (None, Some(scratch)) => scratch.0.clone(),
        (None, None) => return Err("no folder".into()),
    };
    let written = match Written::read(&folder.join(TOLD)) {
        Some(written) => written,
        None => made(&folder, &options)?,
    };
    let mut sides = vec![Side { program: options.program.clone(), folder: folder.clone(), measured: Vec::new() }];
    if let Some(program) = &options.beside {
        let own = folder.join("beside");
        linked(&folder, &own)?;
        sides.push(Side { program: program.clone(), folder: own, measured: Vec::new() });
    }
    for side in &sides {
        side.index(&written)?;
        // The first one finds what the program itself is read from.
        side.verb(&["search", "warm"])?;
    }
    let mut dice = Dice(options.seed);
    for at in 0..options.queries {
        let kind = options.kind.unwrap_or(at % queries::KINDS_OF_QUERIES);
        let query = queries::draw(kind, &mut dice, &written);
        // Each is the first as often as the other.
        for turn in 0..sides.len() {
            let of = (turn + at / queries::KINDS_OF_QUERIES) % sides.len();
            let (lines, seconds) = sides[of].verb(&["search", "--", &query])?;
            sides[of].measured.push(Measured { kind, query: query.clone(), lines, ms: seconds * 1e3 });
        }
    }
    for side in sides.iter_mut().rev() {
        println!("{}:", side.program.display());
        report(&mut side.measured, options.check && side.folder == folder)?;
    }
    Ok(())
}

/// Writes the record.
fn made(folder: &Path, options: &Options) -> Result<Written, String> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|why| why.to_string())?.as_secs();
    std::fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let began = Instant::now();
    let written = sessions::write(folder, options.records, now_s, options.seed)?;
    println!(
        "{} records of {} sessions over 90 days, {:.2} GB in {} segments, written in {:.0} s",
        written.records,
        written.sessions,
        bytes(folder, ".seg")? as f64 / 1e9,
        written.segments,
        began.elapsed().as_secs_f64()
    );
    written.keep(&folder.join(TOLD))?;
    Ok(written)
}

/// The same segments in another folder.
fn linked(from: &Path, to: &Path) -> Result<(), String> {
    if to.exists() {
        return Ok(());
    }
    std::fs::create_dir(to).map_err(|why| format!("{}: {why}", to.display()))?;
    for entry in std::fs::read_dir(from).map_err(|why| why.to_string())? {
        let entry = entry.map_err(|why| why.to_string())?;
        if entry.file_name().to_string_lossy().ends_with(".seg") {
            std::fs::hard_link(entry.path(), to.join(entry.file_name())).map_err(|why| why.to_string())?;
        }
    }
    Ok(())
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
    println!("each kind: median, p99, slowest, the slowest of it:");
    for kind in 0..queries::KINDS_OF_QUERIES {
        let of: Vec<&Measured> = measured.iter().filter(|measured| measured.kind == kind).collect();
        let Some(slowest) = of.last() else { continue };
        let at = |part: f64| of[((of.len() as f64 * part) as usize).min(of.len() - 1)].ms;
        let example = slowest.query.escape_debug();
        println!("  {kind:>2} {:>8.1} ms {:>8.1} ms {:>8.1} ms  {example}", at(0.5), at(0.99), slowest.ms);
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
            beside: None,
            folder: None,
            kept: None,
            kind: None,
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
                "--beside" => options.beside = Some(value()?.into()),
                "--folder" => options.folder = Some(value()?.into()),
                "--kept" => options.kept = Some(value()?.into()),
                "--kind" => options.kind = Some(number(value()?)? as usize % queries::KINDS_OF_QUERIES),
                "--check" => options.check = true,
                other => return Err(format!("bench search does not know {other}")),
            }
        }
        if options.program.as_os_str().is_empty() {
            return Err("bench search needs --program".into());
        }
        Ok(options)
    }
}

impl Side {
    /// Brings the index up to date; what it took is of interest where it was not there.
    fn index(&self, written: &Written) -> Result<(), String> {
        let was = bytes(&self.folder, INDEX)?;
        let took = self.verb(&["index"])?.1;
        let index = bytes(&self.folder, INDEX)?;
        let per_record = index as f64 / written.records as f64;
        print!("{}: index of {:.0} MB, {per_record:.0} bytes a record", self.program.display(), index as f64 / 1e6);
        match was {
            0 => println!(", built in {took:.0} s: {:.0} records/s", written.records as f64 / took),
            _ => println!(", looked through in {took:.2} s"),
        }
        Ok(())
    }

    /// A verb of `sessions`: how many lines it printed, and its seconds from start to end.
    fn verb(&self, words: &[&str]) -> Result<(usize, f64), String> {
        let mut command = Command::new(&self.program);
        let (verb, rest) = words.split_first().ok_or("no verb")?;
        command.args(["sessions", verb, "--config", "/nonexistent", "--folder"]).arg(&self.folder).args(rest);
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

/// Of all files whose names have this in them.
fn bytes(folder: &Path, part: &str) -> Result<u64, String> {
    let entries = std::fs::read_dir(folder).map_err(|why| why.to_string())?;
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|why| why.to_string())?;
    let named = entries.iter().filter(|entry| entry.file_name().to_string_lossy().contains(part));
    named.map(|entry| entry.metadata().map(|is| is.len()).map_err(|why| why.to_string())).sum()
}
