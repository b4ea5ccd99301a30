//! `sessions`: what agents did, found in the record and read from its segments.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::collections::BTreeSet;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use audit::{RecordId, RecordType, show};
use control::plain;
use serde_json::{Value, json};

use crate::config::Config;
use crate::host_record;
use crate::received;
use crate::record::{self, reading};
use crate::search::{Found, Hit, Index, Progress, Query, Segments, Session};

/// The index's file, in root's own folder beside the record, or in the folder that is named.
const INDEX: &str = "index.sqlite3";

mod replay;

pub use replay::{Pace, replay};

/// Which record, and how it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The configuration.
    pub config: &'a Path,
    /// A copy of a record elsewhere.
    pub folder: Option<&'a Path>,
    /// For a program to read.
    pub as_json: bool,
}

/// The record and its index, brought up to date.
struct Opened {
    segments: Segments,
    index: Index,
}

impl Asked<'_> {
    /// Records that it is read, and brings the index up to date.
    fn open(&self, verb: &str) -> Result<Opened> {
        // What is shown is masked once more, in the deployment's format; a folder from elsewhere may have no configuration beside it.
        if self.folder.is_none() || self.config.exists() {
            Config::load(self.config)?.masking.install()?;
        }
        reading::begins(self.config, self.folder, verb)?;
        let (folders, _) = record::folders_and_state(self.config, self.folder.map(Path::to_path_buf))?;
        let segments = Segments::of(&folders)?;
        let mut index = Index::open(&self.index()?)?;
        let filled = index.fill(&segments, &mut progress())?;
        if filled.taken_back > 0 {
            eprintln!(
                "interceptor: {} records were in the index and are not in the record any more: a power cut took them, or somebody changed it; run `interceptor audit verify`",
                filled.taken_back
            );
        }
        for (shard, number) in filled.damaged {
            eprintln!(
                "interceptor: segment {number} of shard {shard} ends before its seal: records may be missing here; run `interceptor audit verify`"
            );
        }
        Ok(Opened { segments, index })
    }

    fn index(&self) -> Result<PathBuf> {
        Ok(match self.folder {
            Some(folder) => folder.join(INDEX),
            None => host_record::folder(&Config::load(self.config)?.service.state_dir).join(INDEX),
        })
    }
}

/// `sessions index`: exit 0 when it is up to date.
pub fn index(asked: Asked<'_>, rebuild: bool) -> Result<u8> {
    if rebuild {
        Index::remove(&asked.index()?)?;
    }
    asked.open("sessions index")?;
    Ok(0)
}

/// `sessions list`.
pub fn list(asked: Asked<'_>, since: &str, limit: usize) -> Result<u8> {
    let since_ns = Query::parse(&format!("since:{since}"), now_s())?.since_ns();
    let opened = asked.open("sessions list")?;
    let sessions = opened.index.sessions(since_ns.unwrap_or_default(), limit)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if !asked.as_json {
        writeln!(
            out,
            "{}",
            row(["session", "began", "lasted", "agent", "database", "user", "statements", "refused", "rows", "masked"])
        )?;
    }
    for session in &sessions {
        let line = if asked.as_json { as_value(session).to_string() } else { as_row(session) };
        writeln!(out, "{line}").context("cannot write")?;
    }
    out.flush().context("cannot write")?;
    Ok(0)
}

/// `sessions show`: exit 1 where there is none.
pub fn show(asked: Asked<'_>, id: RecordId) -> Result<u8> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    play(asked, &format!("sessions show {id}"), id, &mut out, |_, _| Ok(()))
}

/// `sessions search`: exit 0 where something was found, 1 where nothing was.
pub fn search(asked: Asked<'_>, typed: &str, limit: usize) -> Result<u8> {
    let query = Query::parse(typed, now_s())?;
    let opened = asked.open(&format!("sessions search {typed}"))?;
    let hits = opened.index.find(&query, &opened.segments, limit)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for hit in &hits {
        writeln!(out, "{}", told(&opened.segments, hit, asked.as_json)?.line).context("cannot write")?;
    }
    out.flush().context("cannot write")?;
    Ok(u8::from(hits.is_empty()))
}

/// Prints a session's records, each after `before` with its time, where it is still there to have one.
fn play<W: Write>(
    asked: Asked<'_>,
    verb: &str,
    id: RecordId,
    out: &mut W,
    mut before: impl FnMut(Option<u64>, &mut W) -> Result<()>,
) -> Result<u8> {
    let opened = asked.open(verb)?;
    let Some(session) = opened.index.session(id)? else {
        eprintln!("interceptor: no session has the record {id}; `interceptor sessions list` names them");
        return Ok(1);
    };
    let mut due = BTreeSet::new();
    opened.index.records(&session, |hit| {
        let Told { wall_ns, line, result } = told(&opened.segments, &hit, asked.as_json)?;
        match result {
            Some(Awaited::Follows) => _ = due.insert(hit.id()),
            Some(Awaited::Came(decision)) => _ = due.remove(&decision),
            None => {}
        }
        before(wall_ns, out)?;
        writeln!(out, "{line}").context("cannot write")
    })?;
    for decision in due {
        writeln!(out, "{}", never_came(decision, asked.as_json)).context("cannot write")?;
    }
    out.flush().context("cannot write")?;
    Ok(0)
}

/// A decision whose outcome says that its result follows, and no result is there.
fn never_came(decision: RecordId, as_json: bool) -> String {
    let why =
        "its result was to follow and never came: the service was killed before it was recorded, or has it in hand yet";
    match as_json {
        true => json!({ "record": decision.to_string(), "missing_result": why }).to_string(),
        false => format!("{decision}: {why}"),
    }
}

/// One record as it is shown.
struct Told {
    /// `None`: it is not here any more.
    wall_ns: Option<u64>,
    line: String,
    result: Option<Awaited>,
}

/// What a record says of a statement's result.
enum Awaited {
    /// It follows.
    Follows,
    /// This is it.
    Came(RecordId),
}

/// One record with its outcome, and when it was.
fn told(segments: &Segments, hit: &Hit, as_json: bool) -> Result<Told> {
    let Found { record, outcome } = segments.found(hit)?;
    let session = hit.session.map(|session| session.to_string());
    let Some(record) = record else {
        let words = format!("{}: its segment is not here any more", hit.id());
        let line = if as_json { json!({ "record": hit.id().to_string(), "gone": true }).to_string() } else { words };
        return Ok(Told { wall_ns: None, line, result: None });
    };
    let frame = show::frame(&record)
        .with_context(|| format!("record {} cannot be read: run `interceptor audit verify`", hit.id()))?;
    let mut value = show::json(hit.id().shard, &frame);
    let lines = match frame.kind == RecordType::Result.code() {
        true => Some(received::of(frame.payload())?),
        false => None,
    };
    let ended = outcome.as_deref().and_then(show::frame).map(|outcome| show::json(hit.id().shard, &outcome));
    let follows = ended.as_ref().is_some_and(|ended| ended["result_follows"] == true);
    let came = lines.as_ref().and_then(|_| value["decision"].as_str()?.parse().ok());
    let result = came.map(Awaited::Came).or(follows.then_some(Awaited::Follows));
    let wall_ns = Some(frame.stamp.wall_ns);
    if as_json {
        value["session_record"] = session.into();
        if let Some(lines) = &lines {
            value["messages"] = json!(lines);
        }
        value["outcome"] = ended.unwrap_or_default();
        return Ok(Told { wall_ns, line: value.to_string(), result });
    }
    let mut line = plain(&show::line(hit.id().shard, &frame));
    if let Some(ended) = ended {
        line += &came_to(&ended);
    }
    if let Some(lines) = &lines {
        line +=
            &format!(" of {}\n{}", value["decision"].as_str().unwrap_or_default(), received::words(lines).trim_end());
    }
    Ok(Told { wall_ns, line, result })
}

/// What a statement came to.
fn came_to(outcome: &Value) -> String {
    let count = |key: &str| outcome[key].as_u64().unwrap_or_default();
    let mut words = format!(" -> {} rows in {:.3} ms", count("rows"), count("duration_ns") as f64 / 1e6);
    match (count("masked"), count("sensitive")) {
        (0, 0) => {}
        (content, named) => words += &format!(", {} values masked", content + named),
    }
    if let Some(state) = outcome["sqlstate"].as_str().filter(|_| outcome["success"] == false) {
        words += &format!(", error {}", plain(state));
    }
    words
}

fn as_value(session: &Session) -> Value {
    json!({
        "session": session.id.to_string(), "began": show::time(session.began_ns), "last": show::time(session.last_ns),
        "ended": session.has_ended, "agent": session.agent, "database": session.database, "user": session.user,
        "statements": session.statements, "refused": session.refused, "rows": session.rows, "masked": session.masked,
    })
}

fn as_row(session: &Session) -> String {
    let lasted = Duration::from_nanos(session.last_ns.saturating_sub(session.began_ns));
    let lasted = format!("{:.3} s{}", lasted.as_secs_f64(), if session.has_ended { "" } else { " +" });
    let began = show::time(session.began_ns);
    row([
        &session.id.to_string(),
        began.get(..19).unwrap_or(&began),
        &lasted,
        &plain(&session.agent),
        &plain(&session.database),
        &plain(&session.user),
        &session.statements.to_string(),
        &session.refused.to_string(),
        &session.rows.to_string(),
        &session.masked.to_string(),
    ])
}

fn row(cells: [&str; 10]) -> String {
    let [id, began, lasted, agent, database, user, numbers @ ..] = cells;
    let [statements, refused, rows, masked] = numbers;
    format!(
        "{id:<12} {began:<20} {lasted:>12}  {agent:<16} {database:<14} {user:<14} {statements:>10} {refused:>8} {rows:>10} {masked:>8}"
    )
}

/// A bar on a terminal, once it takes long enough to be seen.
fn progress() -> impl FnMut(Progress) {
    let shown = std::io::stderr().is_terminal();
    move |progress: Progress| {
        if !shown || progress.all < 64 << 20 {
            return;
        }
        let part = progress.done.min(progress.all) as f64 / progress.all as f64;
        let filled = (part * 30.0) as usize;
        let end = if progress.done >= progress.all { "\n" } else { "" };
        eprint!("\rindexing [{}{}] {:.0} %{end}", "#".repeat(filled), " ".repeat(30 - filled), part * 100.0);
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
