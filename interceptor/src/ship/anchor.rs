//! The anchor: a witness elsewhere is sent the newest checkpoint with the proof that it goes on from the one that it has seen, and
//! cosigns it. What it refuses is an alert: the record here was put back, or goes another way.
//!
//! A witness knows the root key of this log and none of a run's (docs/decisions/0126), so the root key signs what is sent, where the run's key
//! that root has certified signed it before.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use audit::keys::KeyTold;
use audit::note::{Checkpoint, VerifierKey};
use audit::witness;
use serde::{Deserialize, Serialize};

use super::http::{self, Answer, Request};
use super::position;
use super::sink::{POLL, Source};
use crate::checkpoints::CHECKPOINT;
use crate::config::{Anchor, Http};
use crate::record::{self, now_ns};
use crate::root_key;

#[cfg(test)]
mod tests;

/// The newest checkpoint that the witness has cosigned, with that.
pub(crate) const COSIGNED: &str = "checkpoint.cosigned";
/// So often in one round the witness may say that it has seen another state than we thought.
const TRIES: u32 = 3;

/// How the anchor is, for status, metrics and alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorHealth {
    /// Whoever cosigns.
    pub witness: String,
    /// The size of the node's log that it cosigned last; 0: none.
    pub size: u64,
    /// When, nanoseconds since 1970; before the first, when this began.
    pub since_ns: u64,
    /// Why there is no newer one.
    pub error: Option<String>,
    /// How old the last one may become, in seconds.
    pub lag_seconds_max: u64,
}

/// What the anchor's thread and the one that watches it share.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<(AnchorHealth, Vec<String>)>>);

impl Seen {
    pub(super) fn of(anchor: &Anchor) -> Seen {
        let (witness, lag_seconds_max) = (anchor.witness.name().to_owned(), anchor.lag_max.as_secs());
        let health = AnchorHealth { witness, lag_seconds_max, since_ns: now_ns(), ..AnchorHealth::default() };
        Seen(Arc::new(Mutex::new((health, Vec::new()))))
    }

    pub(super) fn health(&self) -> AnchorHealth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn set(&self, change: impl FnOnce(&mut AnchorHealth)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).0);
    }

    fn note(&self, note: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.push(note);
    }

    /// What an operator must know, each once.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// The witness has cosigned the state of this size, then.
    Cosigned { size: u64, time_s: u64 },
    /// It has seen another history of this log.
    Forked(String),
}

/// Asks until the process ends.
pub(super) fn run(anchor: &Anchor, source: &Source, state_dir: &Path, seen: &Seen) -> Result<()> {
    if let Ok(Some((size, time_s))) = known(anchor, source) {
        seen.set(|health| (health.size, health.since_ns) = (size, time_s * 1_000_000_000));
    }
    let mut told: Option<String> = None;
    loop {
        match round(anchor, source, state_dir) {
            Ok(Round::Cosigned { size, time_s }) => {
                told = None;
                seen.set(|health| {
                    (health.size, health.since_ns, health.error) = (size, time_s * 1_000_000_000, None);
                });
            }
            Ok(Round::Forked(why)) => {
                if told.as_ref() != Some(&why) {
                    seen.note(why.clone());
                    told = Some(why.clone());
                }
                seen.set(|health| health.error = Some(why));
            }
            Err(why) => seen.set(|health| health.error = Some(format!("{why:#}"))),
        }
        if source.once {
            return seen.health().error.map_or(Ok(()), |why| bail!("{why}"));
        }
        let asked = Instant::now();
        while asked.elapsed() < anchor.every {
            sleep(POLL);
        }
    }
}

/// The state that was cosigned last, as its file says.
fn known(anchor: &Anchor, source: &Source) -> Result<Option<(u64, u64)>> {
    let path = source.positions.join(COSIGNED);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // Of another witness: that one is asked from the beginning.
    Ok(anchor.witness.open(&text).ok().map(|(checkpoint, time_s)| (checkpoint.size, time_s)))
}

/// One question: the newest checkpoint, cosigned, or refused.
pub(super) fn round(anchor: &Anchor, source: &Source, state_dir: &Path) -> Result<Round> {
    let (signed, checkpoint) = newest(state_dir)?;
    let name = anchor.witness.name();
    let mut old = known(anchor, source)?.map_or(0, |(size, _)| size);
    for _ in 0..TRIES {
        if old > checkpoint.size {
            return Ok(Round::Forked(format!(
                "{name} has cosigned a state of {old} records of this log, and the record here has {}: it was put back to an earlier state. Copy the host's disk before anything else; {COSIGNED} has what was cosigned",
                checkpoint.size
            )));
        }
        let proof = match old {
            0 => Vec::new(),
            old if old == checkpoint.size => Vec::new(),
            old => record::path_since(&source.folders, old, checkpoint.size)?,
        };
        let body = witness::request(old, &proof, &signed);
        let Answer { status, body } = ask(&anchor.to, &body).context("no answer")?;
        match status {
            200 => {
                let cosigned = format!("{signed}{body}");
                let (of, time_s) =
                    anchor.witness.open(&cosigned).context("what it answered is no cosignature of its key")?;
                ensure!(of == checkpoint, "it cosigned another checkpoint");
                position::replace(&source.positions, COSIGNED, &cosigned, true)?;
                return Ok(Round::Cosigned { size: of.size, time_s });
            }
            409 => match body.trim().parse() {
                Ok(at) if at != old => old = at,
                _ => return Ok(Round::Forked(other_history(name, old))),
            },
            422 => return Ok(Round::Forked(other_history(name, old))),
            403 => bail!(
                "it does not know this log's root key (403): give it what `interceptor audit rotate-key` printed, or `interceptor audit key` before any"
            ),
            404 => bail!("it does not know the log `{}` (404): register it there", checkpoint.origin),
            other => bail!("it answers {other}"),
        }
    }
    bail!("it says another size each time (409): does somebody else send it checkpoints of this log?")
}

fn ask(to: &Http, body: &str) -> std::io::Result<Answer> {
    let (content, length) = ("text/plain; charset=utf-8", body.len() as u64);
    let (headers, patience) = (String::new(), None);
    http::exchange(to, &Request { method: "POST", path: &to.path, content, headers, length, patience }, body.as_bytes())
}

fn other_history(name: &str, size: u64) -> String {
    format!(
        "{name} refuses: the record here does not go on from the state of {size} records that it has cosigned: another history was written. Copy the host's disk before anything else; {COSIGNED} has what was cosigned"
    )
}

/// The newest checkpoint, signed by the run's key and by the root key, which certified that.
fn newest(state_dir: &Path) -> Result<(String, Checkpoint)> {
    let path = state_dir.join(CHECKPOINT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let root = root_key::of(state_dir)?.context("there is no root key: has the service run?")?;
    let told = root_key::told_keys(state_dir)?;
    let (kind, payload) = told.last().context("nothing is told of keys: has the service run?")?;
    let run = KeyTold::read(kind.code(), payload).context("what is told of keys is damaged")?;
    ensure!(
        run.is_signed(root.public()),
        "the run's key is not certified by the root key: run `interceptor audit verify`"
    );
    let key = VerifierKey::new(root.public().name(), run.key)?;
    let checkpoint =
        key.open(&text, key.name()).with_context(|| format!("{} is not signed by the run's key", path.display()))?;
    Ok((root.countersign(&text)?, checkpoint))
}
