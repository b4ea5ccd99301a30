//! `bench verify`: an honest log of so many records, verified by the program itself beside a bare SHA-256 over the same bytes, in interleaved
//! rounds of one run; and where the time of one thread goes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use audit::RecordType;
use audit::chain::Tree;
use audit::segment::{Appender, Identity, Previous, Refused, Stamp, file_name, frames};

use crate::ratio::{Ratio, spread};

/// Bytes of a decision and of an outcome, in turn.
const PAYLOADS: [usize; 2] = [380, 150];
const SEGMENT: usize = 64 << 20;
/// Records between two roots.
const ROOTED: u64 = 8192;
const RECORDS: u64 = 1_000_000;
const RECORDS_MAX: u64 = 10_000_000;
const ROUNDS: usize = 5;
/// What is published.
const GOAL: f64 = 0.6;

struct Options {
    records: u64,
    rounds: usize,
    program: PathBuf,
    check: bool,
}

/// `bench verify --program PATH [--records N] [--rounds N] [--check]`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let folder = Scratch::new()?;
    let bytes = write(&folder.0, options.records)?;
    let files = files(&folder.0)?;
    println!("{} records, {:.2} GB in {} segments", options.records, bytes as f64 / 1e9, files.len());
    let mut ratios = Vec::new();
    println!("{:>5} {:>14} {:>14} {:>7}", "round", "SHA-256 GB/s", "verify GB/s", "ratio");
    for round in 0..=options.rounds {
        let (bare, verified) = match round % 2 {
            0 => (bare(&files)?, verified(&options.program, &folder.0)?),
            _ => {
                let verified = verified(&options.program, &folder.0)?;
                (bare(&files)?, verified)
            }
        };
        // The first one warms the page cache.
        if round > 0 {
            let rate = |seconds: f64| bytes as f64 / 1e9 / seconds;
            println!("{round:>5} {:>14.2} {:>14.2} {:>7.2}", rate(bare), rate(verified), bare / verified);
            ratios.push(bare / verified);
        }
    }
    let Ratio { median, low, high } = spread(&ratios).ok_or("no round was run")?;
    println!("verify beside a bare SHA-256: {median:.2} ({low:.2} to {high:.2}, {} rounds); goal {GOAL}", ratios.len());
    profile(&files)?;
    if options.check && median < GOAL { Err(format!("{median:.2} is below the goal of {GOAL}")) } else { Ok(()) }
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options { records: RECORDS, rounds: ROUNDS, program: PathBuf::new(), check: false };
        let mut args = args.iter();
        while let Some(word) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--records" => options.records = number(value()?)?.clamp(1, RECORDS_MAX),
                "--rounds" => options.rounds = usize::try_from(number(value()?)?.clamp(1, 100)).unwrap_or(ROUNDS),
                "--program" => options.program = value()?.into(),
                "--check" => options.check = true,
                other => return Err(format!("bench verify does not know {other}")),
            }
        }
        if options.program.as_os_str().is_empty() {
            return Err("bench verify needs --program".into());
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, String> {
        let path = std::env::temp_dir().join(format!("bench-verify-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes the log; says how many bytes its segments have.
fn write(folder: &Path, records: u64) -> Result<u64, String> {
    let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
    let stamp = |seq: u64| Stamp { mono_ns: seq * 1000, wall_ns: 1_800_000_000_000_000_000 + seq * 1000 };
    let payloads = PAYLOADS.map(|length| (0..length).map(|at| (at * 7 % 251 + 1) as u8).collect::<Vec<u8>>());
    let refused = |why: Refused| why.to_string();
    let mut memory = vec![0; SEGMENT];
    let mut appender = Appender::begin(&mut memory, 0, identity, Previous::NONE, stamp(0)).map_err(refused)?;
    let (mut written, mut bytes) = (0, 0);
    let put = |appender: &Appender, memory: &[u8]| -> Result<u64, String> {
        let path = folder.join(file_name(0, appender.header().number()));
        let file = File::create(&path).and_then(|mut file| file.write_all(memory));
        file.map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(memory.len() as u64)
    };
    while written < records {
        let (kind, payload) = match written % 2 {
            0 => (RecordType::Decision, &payloads[0]),
            _ => (RecordType::Outcome, &payloads[1]),
        };
        match appender.append(&mut memory, kind.code(), 7, stamp(appender.next_seq()), payload) {
            Ok(_) => written += 1,
            Err(Refused::Full) => {
                let at = stamp(appender.next_seq());
                let previous = appender.seal(&mut memory, at, 0).map_err(refused)?;
                bytes += put(&appender, &memory)?;
                memory.fill(0);
                appender = Appender::begin(&mut memory, 0, identity, previous, at).map_err(refused)?;
                continue;
            }
            Err(why) => return Err(why.to_string()),
        }
        if written % ROOTED == 0 {
            let at = stamp(appender.next_seq());
            match appender.root(&mut memory, at, 0) {
                Ok(_) | Err(Refused::Full) => {}
                Err(why) => return Err(why.to_string()),
            }
        }
    }
    let at = stamp(appender.next_seq());
    appender.stop(&mut memory, at, 0).map_err(refused)?;
    Ok(bytes + put(&appender, &memory)?)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|why| why.to_string())?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    Ok(files)
}

/// Seconds of a SHA-256 over all files, each read whole into the same memory.
fn bare(files: &[PathBuf]) -> Result<f64, String> {
    let began = Instant::now();
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    each(files, |bytes| hash.update(bytes))?;
    std::hint::black_box(hash.finish());
    Ok(began.elapsed().as_secs_f64())
}

fn each(files: &[PathBuf], mut see: impl FnMut(&[u8])) -> Result<(), String> {
    let mut bytes = Vec::with_capacity(SEGMENT);
    for path in files {
        bytes.clear();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|why| format!("{}: {why}", path.display()))?;
        see(&bytes);
    }
    Ok(())
}

/// Seconds of the verb, from its start to its end. It must say that the log is whole.
fn verified(program: &Path, folder: &Path) -> Result<f64, String> {
    let mut command = Command::new(program);
    command.args(["audit", "verify", "--config", "/nonexistent"]).arg(folder).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().map_err(|why| format!("{}: {why}", program.display()))?;
    let took = began.elapsed().as_secs_f64();
    if status.success() { Ok(took) } else { Err(format!("the log is not whole: {status}")) }
}

/// Where one thread's time goes, step by step.
fn profile(files: &[PathBuf]) -> Result<(), String> {
    let timed = |step: &mut dyn FnMut(&[u8])| -> Result<f64, String> {
        let began = Instant::now();
        each(files, step)?;
        Ok(began.elapsed().as_secs_f64())
    };
    let read = timed(&mut |bytes| _ = std::hint::black_box(bytes.len()))?;
    let framed = timed(&mut |bytes| _ = std::hint::black_box(frames(bytes).count()))?;
    let mut tree = Tree::EMPTY;
    let grown = timed(&mut |bytes| tree.append(&frames(bytes).map(|frame| frame.bytes()).collect::<Vec<_>>()))?;
    let part = |seconds: f64| 100.0 * seconds.max(0.0) / grown.max(f64::MIN_POSITIVE);
    println!(
        "one thread: reading {:.0} %, frames and their checksums {:.0} %, the tree {:.0} %",
        part(read),
        part(framed - read),
        part(grown - framed)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_whole_and_has_its_records() {
        let folder = Scratch::new().unwrap();
        let bytes = write(&folder.0, 20_000).unwrap();
        let files = files(&folder.0).unwrap();
        assert_eq!((files.len() as u64) * SEGMENT as u64, bytes);
        let opened = files.iter().map(|path| (path.display().to_string(), File::open(path)));
        let verdict = audit::verify::verify(opened, &audit::verify::Options::default());
        let audit::verify::Verdict::Whole(summary) = verdict else { panic!("{verdict:?}") };
        // Two roots and the stop.
        assert_eq!(summary.records, 20_003);
    }
}
