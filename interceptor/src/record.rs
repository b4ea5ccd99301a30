//! `audit verify` and `audit export`: the record, read from its segments.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::segment::{frames, parse_file_name};
use audit::show;
use audit::verify::{Finding, Options, Summary, Verdict, verify as verify_segments};
use serde_json::json;

use crate::config::Config;
use crate::host_record;

/// A record that is being written can look torn while it is read: so often it is read before that is believed.
const READINGS: u32 = 5;

/// `audit verify`: exit 0 whole, 1 tampered, 4 only a torn tail, 5 cannot tell.
pub fn verify(path: &Path, folder: Option<PathBuf>, as_json: bool) -> Result<u8> {
    let (folders, open) = folders_and_state(path, folder)?;
    let mut verdict = judge(&folders, open)?;
    for _ in 1..READINGS {
        if !open || matches!(verdict, Verdict::Whole(_)) {
            break;
        }
        verdict = judge(&folders, open)?;
    }
    if as_json {
        println!("{:#}", as_value(&verdict))
    } else {
        print!("{}", words(&verdict, open))
    }
    Ok(verdict.exit_status())
}

fn judge(folders: &[PathBuf], open: bool) -> Result<Verdict> {
    let files = segments(folders)?;
    let readers = files.iter().map(|path| (path.display().to_string(), File::open(path)));
    Ok(verify_segments(readers, &Options { anchors: &[], open }))
}

/// The folders that are meant, and whether a service may be writing to them: one that is named, or the shards' and root's own.
fn folders_and_state(path: &Path, folder: Option<PathBuf>) -> Result<(Vec<PathBuf>, bool)> {
    match folder {
        Some(folder) => Ok((vec![folder], false)),
        None => {
            let config = Config::load(path)?;
            let open = control::client::get(&config.admin_socket(), "/status").is_ok();
            let host = host_record::folder(&config.service.state_dir);
            Ok((vec![config.service.state_dir, host], open))
        }
    }
}

/// The segments of the folders in the order of their names, which is that of shard and number. Of several folders some may be
/// missing: a host may have attached and never served.
fn segments(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = match std::fs::read_dir(folder) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound && folders.len() > 1 => continue,
            entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
        };
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.retain(|path| path.file_name().and_then(|n| n.to_str()).and_then(parse_file_name).is_some());
    if files.is_empty() {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        bail!("no segment (*.seg) of a record is in {}", names.join(" or "));
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(files)
}

fn words(verdict: &Verdict, open: bool) -> String {
    match verdict {
        Verdict::Whole(summary) => {
            let running = if open { "; the service is writing on" } else { "" };
            format!("whole: {}{running}\n{}", extent(summary), series(summary))
        }
        Verdict::Tampered(finding) => format!("TAMPERED: {finding}\n"),
        Verdict::TornTail(summary, finding) => {
            format!("torn tail: {finding}\nall before it is whole: {}\n{}", extent(summary), series(summary))
        }
        Verdict::CannotTell(finding) => format!("cannot tell: {finding}\n"),
    }
}

fn extent(summary: &Summary) -> String {
    format!("{} records in {} series", summary.records, summary.series.len())
}

fn series(summary: &Summary) -> String {
    let line = |s: &audit::verify::Series| {
        format!(
            "  shard {}: records {}-{} in {} segments, {} of them not bound by a root yet\n",
            s.shard, s.first_seq, s.last_seq, s.segments, s.unrooted
        )
    };
    summary.series.iter().map(line).collect()
}

fn as_value(verdict: &Verdict) -> serde_json::Value {
    let place = |f: &Finding| json!({ "file": f.file, "offset": f.offset, "record": format!("{}-{}", f.shard, f.seq), "why": f.why.to_string() });
    let (word, records, finding) = match verdict {
        Verdict::Whole(summary) => ("whole", Some(summary.records), None),
        Verdict::Tampered(finding) => ("tampered", None, Some(place(finding))),
        Verdict::TornTail(summary, finding) => ("torn-tail", Some(summary.records), Some(place(finding))),
        Verdict::CannotTell(finding) => ("cannot-tell", None, Some(place(finding))),
    };
    json!({ "verdict": word, "records": records, "finding": finding })
}

/// `audit export`: all shards' records, oldest first.
pub fn export(path: &Path, folder: Option<PathBuf>, as_json: bool) -> Result<u8> {
    // What is shown is masked once more, in the deployment's format; a folder from elsewhere may have no configuration beside it.
    if folder.is_none() || path.exists() {
        Config::load(path)?.masking.install()?;
    }
    let (folders, _) = folders_and_state(path, folder)?;
    let mut shards: BTreeMap<u16, Cursor> = BTreeMap::new();
    for file in segments(&folders)? {
        if let Some((shard, _)) = file.file_name().and_then(|n| n.to_str()).and_then(parse_file_name) {
            shards.entry(shard).or_insert_with(|| Cursor::new(shard, as_json)).files.push_back(file);
        }
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        for cursor in shards.values_mut() {
            cursor.fill()?;
        }
        let oldest = shards.values_mut().filter(|c| !c.lines.is_empty()).min_by_key(|c| c.lines.front().map(|l| l.0));
        let Some((_, line)) = oldest.and_then(|cursor| cursor.lines.pop_front()) else { break };
        writeln!(out, "{line}").context("cannot write")?;
    }
    out.flush().context("cannot write")?;
    Ok(0)
}

/// One shard's records, a segment at a time.
struct Cursor {
    shard: u16,
    as_json: bool,
    files: VecDeque<PathBuf>,
    /// Wall clock and text.
    lines: VecDeque<(u64, String)>,
}

impl Cursor {
    fn new(shard: u16, as_json: bool) -> Cursor {
        Cursor { shard, as_json, files: VecDeque::new(), lines: VecDeque::new() }
    }

    /// Reads segments until there is a line, or none is left.
    fn fill(&mut self) -> Result<()> {
        while self.lines.is_empty()
            && let Some(file) = self.files.pop_front()
        {
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            for frame in frames(&bytes) {
                let text = if self.as_json {
                    show::json(self.shard, &frame).to_string()
                } else {
                    show::line(self.shard, &frame)
                };
                self.lines.push_back((frame.stamp.wall_ns, text));
            }
        }
        Ok(())
    }
}
