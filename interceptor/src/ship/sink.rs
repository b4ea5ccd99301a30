//! One sink: reads the record from its own place, delivers batch after batch, and moves its place when a batch was taken.
//!
//! A sink has a thread of its own, so that a dead one keeps no other waiting, and holds one batch in memory, however far it is behind.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use audit::ocsf::{self, Teller};
use audit::{RecordType, cef};
use serde::{Deserialize, Serialize};

use super::file::FileSink;
use super::follow::{Follower, Record};
use super::http::{self, Refused};
use super::position::Position;
use super::{archive, syslog};
use crate::config::{Archive, Http, HttpForm, Sink, To};

/// How often it is looked for something new.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// How long a sink that refused is let alone: twice as long each time, up to the second.
const AFTER_REFUSAL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// How a sink is, for status, metrics and alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its name.
    pub name: String,
    /// Records that it took since the shipper was started; of an archive, segments.
    pub shipped: u64,
    /// When the oldest record that it lacks was written, nanoseconds since 1970; `None`: it has all.
    pub oldest_ns: Option<u64>,
    /// Why it takes nothing now.
    pub error: Option<String>,
    /// How old that oldest record may become, in seconds.
    pub lag_seconds_max: u64,
}

/// What the sink's thread and the one that watches it share.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<(Health, Vec<String>)>>);

impl Seen {
    pub(super) fn of(sink: &Sink) -> Seen {
        let health = Health { name: sink.name.clone(), lag_seconds_max: sink.lag_max.as_secs(), ..Health::default() };
        Seen(Arc::new(Mutex::new((health, Vec::new()))))
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).0);
    }

    pub(super) fn health(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn note(&self, notes: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.extend(notes);
    }

    /// What an operator must know, each once.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// What every sink of a record has in common.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) folders: Vec<PathBuf>,
    /// Where positions are.
    pub(super) positions: PathBuf,
    pub(super) host: String,
    /// Ends when everything is shipped or a sink refuses, instead of going on.
    pub(super) once: bool,
}

/// Ships until the process ends.
pub(super) fn run(sink: &Sink, source: &Source, seen: &Seen) -> Result<()> {
    let mut pause = AFTER_REFUSAL.0;
    loop {
        // An error that is not the receiver's (a full disk under the position, a record that cannot be read) is waited out too.
        let ended = match &sink.to {
            To::Segments(archive) => copy(archive, sink, source, seen),
            _ => stream(sink, source, seen),
        };
        match ended {
            Ok(()) => return Ok(()),
            Err(why) if source.once => return Err(why),
            Err(why) => seen.set(|health| health.error = Some(format!("{why:#}"))),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(AFTER_REFUSAL.1);
    }
}

fn stream(sink: &Sink, source: &Source, seen: &Seen) -> Result<()> {
    let position = Position::of(&source.positions, &sink.name);
    let mut follower = Follower::new(source.folders.clone(), position.read()?);
    let mut out = Out::of(&sink.to, &source.host);
    loop {
        let batch = follower.next()?;
        seen.note(std::mem::take(&mut follower.notes));
        let Some(oldest_ns) = batch.iter().filter_map(Record::frame).map(|frame| frame.stamp.wall_ns).min() else {
            seen.set(|health| (health.oldest_ns, health.error) = (None, None));
            if source.once {
                return Ok(());
            }
            std::thread::sleep(POLL);
            continue;
        };
        seen.set(|health| health.oldest_ns = Some(oldest_ns));
        let wanted: Vec<&Record> = batch.iter().filter(|record| !sink.only_alerts || is_alert(record)).collect();
        if !wanted.is_empty() {
            deliver(&mut out, &wanted, source, seen)?;
        }
        position.save(follower.places())?;
        seen.set(|health| health.shipped += wanted.len() as u64);
    }
}

/// Until it is taken.
fn deliver(out: &mut Out<'_>, batch: &[&Record], source: &Source, seen: &Seen) -> Result<()> {
    let mut pause = AFTER_REFUSAL.0;
    while let Err(why) = out.deliver(batch) {
        if source.once {
            return Err(why);
        }
        seen.set(|health| health.error = Some(format!("{why:#}")));
        std::thread::sleep(pause);
        pause = (pause * 2).min(AFTER_REFUSAL.1);
    }
    seen.set(|health| health.error = None);
    Ok(())
}

fn copy(archive: &Archive, sink: &Sink, source: &Source, seen: &Seen) -> Result<()> {
    let position = Position::of(&source.positions, &sink.name);
    let mut places = position.read()?;
    let mut archive = archive::Out::of(archive);
    loop {
        let waits = archive::oldest(&source.folders, &places).and_then(|path| path.metadata().ok()?.modified().ok());
        let oldest = waits.and_then(|at| u64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos()).ok());
        seen.set(|health| health.oldest_ns = oldest);
        let copied = archive.copy(&source.folders, &mut places, |places| position.save(places))?;
        seen.set(|health| {
            health.shipped += copied;
            (health.oldest_ns, health.error) = (None, None);
        });
        if source.once {
            return Ok(());
        }
        std::thread::sleep(POLL * 20);
    }
}

/// What a sink for alerts alone gets.
fn is_alert(record: &Record) -> bool {
    record
        .frame()
        .is_some_and(|frame| matches!(RecordType::of(frame.kind), Some(RecordType::Alert | RecordType::Finding)))
}

/// Where batches go.
enum Out<'a> {
    File(FileSink, Teller<'a>),
    /// A receiver that takes so many records at a time at most, learned from its refusals.
    Http(&'a Http, Teller<'a>, usize),
    Syslog(&'a crate::config::Syslog, Teller<'a>),
    Nowhere,
}

impl<'a> Out<'a> {
    fn of(to: &'a To, host: &'a str) -> Out<'a> {
        let teller = Teller { host, version: env!("CARGO_PKG_VERSION") };
        match to {
            To::File(path) => Out::File(FileSink::new(path), teller),
            To::Http(http) => Out::Http(http, teller, usize::MAX),
            To::Syslog(syslog) => Out::Syslog(syslog, teller),
            To::Segments(_) => Out::Nowhere,
        }
    }

    fn deliver(&mut self, batch: &[&Record]) -> Result<()> {
        match self {
            Out::File(file, teller) => {
                let lines: String = batch.iter().filter_map(|record| line(*teller, record)).collect();
                file.write(&lines).context("the file cannot be written")
            }
            Out::Http(to, teller, most) => {
                let mut rest = batch;
                while !rest.is_empty() {
                    let (piece, later) = rest.split_at(rest.len().min(*most));
                    let body: String = piece.iter().filter_map(|record| event(*teller, to.form, record)).collect();
                    match http::post(to, &body) {
                        Ok(()) => rest = later,
                        Err(Refused::TooLarge) if piece.len() > 1 => *most = piece.len() / 2,
                        Err(why) => return Err(why.of("a single record")),
                    }
                }
                Ok(())
            }
            Out::Syslog(to, teller) => {
                let messages: Vec<String> = batch
                    .iter()
                    .filter_map(|record| Some(cef::syslog(*teller, record.shard, &record.frame()?)))
                    .collect();
                syslog::send(to, &messages).context("it did not take a batch")
            }
            Out::Nowhere => Ok(()),
        }
    }
}

fn line(teller: Teller<'_>, record: &Record) -> Option<String> {
    Some(format!("{}\n", ocsf::event(teller, record.shard, &record.frame()?)))
}

fn event(teller: Teller<'_>, form: HttpForm, record: &Record) -> Option<String> {
    let frame = record.frame()?;
    let event = ocsf::event(teller, record.shard, &frame);
    let millis = frame.stamp.wall_ns / 1_000_000;
    Some(match form {
        HttpForm::Lines => format!("{event}\n"),
        HttpForm::Hec => {
            let (time, host) =
                (format!("{}.{:03}", millis / 1000, millis % 1000), serde_json::Value::from(teller.host));
            format!(
                "{{\"time\":{time},\"host\":{host},\"source\":\"interceptor\",\"sourcetype\":\"ocsf\",\"event\":{event}}}\n"
            )
        }
    })
}
