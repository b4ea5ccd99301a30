//! `audit retain`: what is old goes to cold storage, what is older is removed; of each removed segment a signed tombstone stays, so that
//! the series still verifies and says how much is gone.
//!
//! A process of its own, started by a timer (docs/decisions/0090): the service cannot remove records of others, has no way to the cold
//! folder, and cannot write tombstones, which are root's. A segment is read and checked before it is moved or removed: one that was
//! tampered with stays where it is, and is an alert. What a sink has not taken yet is not removed. Cold storage may be the archive of a sink:
//! what it has taken is removed here as soon as it is no longer to be at hand.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use audit::note::SignerKey;
use audit::removal::{Removed, Tombstone};
use audit::segment::{SERVICE_SHARD, frames, recover};
use audit::{Head, RecordType, show};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use self::folder::Folder;
use self::plan::{Plan, Sealed, begins, plan, sealed};
use crate::config::{Config, Hold, Retention};
use crate::host_record::{self, Deed, HostRecord, Stage};
use crate::record::{folders, now_ns};
use crate::{root_key, ship};

mod folder;
mod plan;
#[cfg(test)]
mod tests;

/// Does, or says, what is due: exit 0 all of it, 1 not all.
pub fn retain(path: &Path, dry_run: bool) -> Result<u8> {
    let config = Config::load(path)?;
    config.masking.install()?;
    retain_at(&config, dry_run, now_ns())
}

fn retain_at(config: &Config, dry_run: bool, now_ns: u64) -> Result<u8> {
    let sealed = sealed(&folders(config))?;
    let taken = ship::taken(config)?;
    let plan = plan(&sealed, &config.retention, config.retention.cold.as_deref(), &taken, now_ns)?;
    print!("{}", plan.words());
    if dry_run {
        return Ok(0);
    }
    let record = HostRecord::new(&config.service.state_dir);
    let _one = lock(&host_record::folder(&config.service.state_dir))?;
    let begins = begins(&folders(config))?;
    let key = root_key::of(&config.service.state_dir)?;
    let mut work = Work { config, record, key, begins, failed: Vec::new() };
    work.remove(&plan)?;
    work.moves(&plan)?;
    work.told(&plan)
}

fn lock(folder: &Path) -> Result<Flock<File>> {
    let file = File::create(folder.join("retain.lock")).context("cannot lock the record's retention")?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err(_) => bail!("another `interceptor audit retain` runs"),
    }
}

/// What is done, and what could not be.
struct Work<'a> {
    config: &'a Config,
    record: HostRecord,
    key: Option<SignerKey>,
    /// The first segment of each series that is there.
    begins: BTreeMap<u16, u64>,
    failed: Vec<String>,
}

impl Work<'_> {
    /// Series by series; root's own is the last, since the tombstones of all stand in it.
    fn remove(&mut self, plan: &Plan<'_>) -> Result<()> {
        let mut broken = None;
        for segment in &plan.removals {
            if broken == Some(segment.shard) {
                continue;
            }
            if let Err(why) = self.remove_one(segment) {
                // What follows must stay too: a series has no holes.
                broken = Some(segment.shard);
                self.fails(&format!("{} is not removed: {why:#}", segment.path.display()));
            }
        }
        Ok(())
    }

    fn remove_one(&mut self, segment: &Sealed) -> Result<()> {
        let folder = Folder::of(&segment.path)?;
        let (bytes, removed) = self.sound(segment, &folder)?;
        if segment.shard == SERVICE_SHARD {
            self.tell_again(&bytes)?;
        }
        let Retention { days, at_hand_days, cold_sink, .. } = &self.config.retention;
        let cause = match cold_sink {
            Some(sink) => format!("its {at_hand_days} days at hand are over: the archive of `{sink}` has it"),
            None => format!("its {days} days are over"),
        };
        self.tombstone(&removed, &cause)?;
        folder.remove(&segment.name())?;
        self.begins.insert(segment.shard, segment.number + 1);
        Ok(())
    }

    fn tombstone(&self, removed: &Removed, cause: &str) -> Result<()> {
        let signature = self.key.as_ref().map(|key| removed.sign(key));
        let deed = Deed::Tombstone { removed, signature: signature.as_ref() };
        self.record.write(&deed, Stage::Done(cause)).map(drop).context("nothing is removed without its tombstone")
    }

    /// The tombstones in a segment of root's that other series still need.
    fn tell_again(&self, bytes: &[u8]) -> Result<()> {
        for frame in frames(bytes).filter(|frame| frame.kind == RecordType::Tombstone.code()) {
            let Some(Tombstone { removed, .. }) = Tombstone::read(frame.payload()) else { continue };
            if self.begins.get(&removed.head.shard) == Some(&(removed.segment + 1)) {
                self.tombstone(&removed, "told again: the record that told it is over")?;
            }
        }
        Ok(())
    }

    fn moves(&mut self, plan: &Plan<'_>) -> Result<()> {
        let Some(cold) = self.config.retention.cold.as_deref().filter(|_| !plan.moves.is_empty()) else {
            return Ok(());
        };
        let target = Folder::open(cold).context("the cold storage: make it, or mount it (mkdir -m 700)")?;
        ensure!(target.is_own()?, "{} must be root's, and not writable for others", cold.display());
        let mut moved = Vec::new();
        for segment in &plan.moves {
            match self.move_one(segment, &target) {
                Ok(()) => moved.push(segment.name()),
                Err(why) => self.fails(&format!("{} is not moved: {why:#}", segment.path.display())),
            }
        }
        if let (Some(first), Some(last)) = (moved.first(), moved.last()) {
            let words = format!("{} segments moved, {first} to {last}", moved.len());
            let deed = Deed::Retention { object: &cold.display().to_string() };
            self.record.write(&deed, Stage::Done(&words))?;
        }
        Ok(())
    }

    /// Whole and on disk there before it goes here.
    fn move_one(&self, segment: &Sealed, cold: &Folder) -> Result<()> {
        let folder = Folder::of(&segment.path)?;
        let (bytes, _) = self.sound(segment, &folder)?;
        cold.put(&segment.name(), &bytes)?;
        folder.remove(&segment.name())
    }

    /// A segment's bytes, if they are whole, sealed, and what the next segment continues.
    fn sound(&self, segment: &Sealed, folder: &Folder) -> Result<(Vec<u8>, Removed)> {
        let bytes = folder.read(&segment.name())?;
        let found = recover(&bytes)?;
        let named = (found.header.shard, found.header.number()) == (segment.shard, segment.number);
        let goes_on = found.previous().is_some_and(|previous| previous == segment.next);
        ensure!(named && goes_on, "it is not what the next segment continues: run `interceptor audit verify`");
        let head = Head { shard: segment.shard, size: found.tree.size(), root: found.tree.root() };
        let (first_seq, until_s) = (found.header.first_seq(), segment.ended_ns / 1_000_000_000);
        let sha256 = Sha256::digest(&bytes).into();
        Ok((bytes, Removed { head, segment: segment.number, first_seq, sha256, until_s }))
    }

    fn fails(&mut self, why: &str) {
        eprintln!("interceptor: {why}");
        if let Err(why) = self.record.write(&Deed::Alert { object: "retention", about: None }, Stage::Failed(why)) {
            eprintln!("interceptor: the alert is not in the record: {why}");
        }
        self.failed.push(why.to_owned());
    }

    /// What was kept though its time was over is a record too.
    fn told(&mut self, plan: &Plan<'_>) -> Result<u8> {
        for (why, segments) in &plan.kept {
            let words = format!("{segments} segments whose time is over are kept");
            self.record.write(&Deed::Retention { object: why }, Stage::Done(&words))?;
        }
        Ok(u8::from(!self.failed.is_empty()))
    }
}

/// What the configuration keeps, and what is there of it, for the evidence.
pub(crate) fn state(config: &Config) -> Result<serde_json::Value> {
    let retention = &config.retention;
    let sealed = sealed(&folders(config))?;
    let cold = |segment: &&Sealed| retention.cold.as_deref().is_some_and(|cold| segment.path.starts_with(cold));
    let hold = |hold: &Hold| serde_json::json!({ "name": hold.name, "from": hold.from, "to": hold.to });
    let holds: Vec<serde_json::Value> = retention.hold.iter().map(hold).collect();
    Ok(serde_json::json!({
        "days": retention.days, "at hand for days": retention.at_hand_days,
        "cold storage": retention.cold, "cold storage off this host": retention.cold_sink, "legal holds": holds,
        "sealed segments": sealed.len(), "of them in cold storage": sealed.iter().filter(cold).count(),
        "oldest sealed": sealed.iter().map(|segment| segment.began_ns).min().map(show::time),
    }))
}
