//! Bringing the index up to date: the records since the last time, of all series in the order of time.

use std::collections::HashMap;
use std::fs::File;

use anyhow::{Context, Result, bail};
use audit::{RecordId, RecordType, Verdict, show};
use nix::fcntl::{Flock, FlockArg};
use rusqlite::{CachedStatement, Transaction, TransactionBehavior, params};

use super::super::entry::{Column, Entry};
use super::super::place::{Place, Segments};
use super::blocks::{self, Blocks};
use super::frequent::Without;
use super::profiles::{Profiles, tell};
use super::series::{self, Item, Series, keep};
use super::{HOUR_NS, Index, Running, signed};

/// So many records are written at a time.
const BATCH: usize = 50_000;
pub(super) const FULL: &str = "cannot write the index; is the disk full?";

/// What goes on from batch to batch.
pub(super) struct Going {
    pub(super) running: Running,
    profiles: Profiles,
    pub(super) blocks: Blocks,
    pub(super) without: Without,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Records that are new in the index.
    pub records: u64,
    /// Records that were in the index and are not in the record any more: a power cut took them, or somebody changed it.
    pub taken_back: u64,
    /// Segments (shard and number) whose records end before their seal: what is behind is not found. `audit verify` says more.
    pub damaged: Vec<(u16, u64)>,
}

/// How far it is: bytes of segments read, and how many there are to read.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Read.
    pub done: u64,
    /// To read, about.
    pub all: u64,
}

impl Index {
    /// Indexes what was recorded since the last time. One process at a time does, the next waits. An index that
    /// is of another record is emptied first.
    pub fn fill(&mut self, segments: &Segments, progress: &mut dyn FnMut(Progress)) -> Result<Filled> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".lock");
        let lock = File::create(&name).context("cannot lock the index")?;
        let _lock =
            Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, why)| why).context("cannot lock the index")?;
        let mut series = self.series(segments)?;
        if series.iter().any(|series| series.is_another) {
            Index::remove(&self.path)?;
            *self = Index::open(&self.path)?;
            series = self.series(segments)?;
        }
        let mut filled = Filled { taken_back: self.take_back(&series, segments)?, ..Filled::default() };
        if series.iter().all(|series| series.next.is_none()) {
            if series.iter().any(|series| series.is_changed) {
                let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                keep(&transaction, &mut series)?;
                transaction.commit().context(FULL)?;
            }
            filled.damaged = series.into_iter().flat_map(|series| series.damaged).collect();
            return Ok(filled);
        }
        let mut going = self.going()?;
        let all: u64 = series.iter().map(Series::left).sum();
        loop {
            let batch = Batch::take(&mut series)?;
            let is_last = batch.items.len() < BATCH && batch.late.len() < BATCH;
            filled.records += batch.items.len() as u64;
            self.write(batch, &mut series, &mut going, segments)?;
            self.make_sets(&mut going, segments, is_last)?;
            progress(Progress { done: all.saturating_sub(series.iter().map(Series::left).sum()), all });
            if is_last {
                filled.damaged = series.into_iter().flat_map(|series| series.damaged).collect();
                return Ok(filled);
            }
        }
    }

    fn series<'a>(&self, segments: &'a Segments) -> Result<Vec<Series<'a>>> {
        let mut kept = series::kept(&self.connection)?;
        let series = |shard| Series::new(segments, shard, kept.remove(&shard).unwrap_or_default());
        segments.shards().into_iter().map(series).collect()
    }

    pub(super) fn going(&self) -> Result<Going> {
        let profiles = Profiles::load(&self.connection, self.profiles_max)?;
        let without = Without::load(&self.connection)?;
        Ok(Going { running: self.running()?, profiles, blocks: Blocks::default(), without })
    }

    fn running(&self) -> Result<Running> {
        let mut statement = self.connection.prepare("SELECT shard, number, session FROM running")?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get::<_, i64>(1)? as u64), row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn write(
        &mut self,
        mut batch: Batch,
        series: &mut [Series<'_>],
        going: &mut Going,
        segments: &Segments,
    ) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut writer = Writer::new(&transaction, going)?;
            for item in &mut batch.items {
                writer.insert(item)?;
            }
            for late in &mut batch.late {
                writer.ended(late, segments)?;
            }
            writer.finish()?;
        }
        keep(&transaction, series)?;
        transaction.commit().context(FULL)
    }

    /// The sets of frequent words, of the blocks that are full.
    fn make_sets(&mut self, going: &mut Going, segments: &Segments, is_end: bool) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last: i64 = transaction.query_row("SELECT ifnull(max(id), 0) FROM records", [], |row| row.get(0))?;
        going.without.make(&transaction, segments, blocks::place(last).0, is_end)?;
        transaction.commit().context(FULL)
    }
}

/// Records of all series, in the order of time.
#[derive(Default)]
struct Batch {
    items: Vec<Item>,
    /// Outcomes whose decisions were indexed before.
    late: Vec<Item>,
}

impl Batch {
    fn take(series: &mut [Series<'_>]) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut by_name: HashMap<RecordId, usize> = HashMap::new();
        while batch.items.len() < BATCH && batch.late.len() < BATCH {
            let with = series.iter_mut().filter(|series| series.next.is_some());
            let oldest = with.min_by_key(|series| series.next.as_ref().map(|item| item.entry.wall_ns));
            let Some(mut item) = oldest.map_or(Ok(None), Series::take)? else { break };
            let is_outcome = item.entry.kind == RecordType::Outcome.code();
            match item.entry.about.filter(|_| is_outcome).map(|about| by_name.get(&about)) {
                None => {
                    by_name.insert(item.place.id, batch.items.len());
                    batch.items.push(item);
                }
                Some(Some(&decision)) => {
                    if let Some(decision) = batch.items.get_mut(decision) {
                        decision.entry.ended_by(&mut item.entry);
                        decision.outcome = Some(item.place);
                    }
                }
                Some(None) => batch.late.push(item),
            }
        }
        Ok(batch)
    }
}

/// What one batch adds to a session.
#[derive(Default)]
pub(super) struct Sum {
    last_ns: u64,
    has_ended: bool,
    user: String,
    statements: u64,
    refused: u64,
    rows: u64,
    masked: u64,
}

impl Sum {
    pub(super) fn add(&mut self, item: &Item) {
        self.last_ns = self.last_ns.max(item.entry.wall_ns);
        let words = &item.entry.words;
        if !words.of(Column::User).is_empty() {
            words.of(Column::User).clone_into(&mut self.user);
        }
        match RecordType::of(item.entry.kind) {
            Some(RecordType::Decision) => {
                self.statements += 1;
                self.refused += u64::from(words.of(Column::Verdict) == Verdict::Block.as_str());
                self.rows += item.entry.figures.rows;
                self.masked += item.entry.figures.masked;
            }
            Some(RecordType::SessionEnd) => self.has_ended = true,
            _ => {}
        }
    }
}

/// Writes into one transaction.
pub(super) struct Writer<'t, 'r> {
    record: CachedStatement<'t>,
    pub(super) transaction: &'t Transaction<'t>,
    pub(super) going: &'r mut Going,
    pub(super) sums: HashMap<i64, Sum>,
    hours: HashMap<u64, (i64, i64)>,
}

impl<'t, 'r> Writer<'t, 'r> {
    pub(super) fn new(transaction: &'t Transaction<'t>, going: &'r mut Going) -> Result<Writer<'t, 'r>> {
        Ok(Writer {
            record: transaction.prepare_cached(
                "INSERT INTO records(shard, seq, segment, at, time, session, rows, bytes, masked, sensitive, duration_ns,
                 out_seq, out_segment, out_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            transaction,
            going,
            sums: HashMap::new(),
            hours: HashMap::new(),
        })
    }

    fn insert(&mut self, item: &mut Item) -> Result<()> {
        let session = self.session(item)?;
        if let Some(session) = session {
            self.sums.entry(session).or_default().add(item);
        }
        let (place, entry, figures) = (&item.place, &item.entry, &item.entry.figures);
        let id = self.record.insert(params![
            place.id.shard,
            signed(place.id.seq),
            signed(place.segment),
            signed(place.at),
            signed(entry.wall_ns),
            session,
            signed(figures.rows),
            signed(figures.bytes),
            signed(figures.masked),
            signed(figures.sensitive),
            signed(figures.duration_ns),
            item.outcome.map(|place| signed(place.id.seq)),
            item.outcome.map(|place| signed(place.segment)),
            item.outcome.map(|place| signed(place.at)),
        ])?;
        self.tell(id, &mut item.entry)?;
        let entry = &item.entry;
        let hour = self.hours.entry(entry.wall_ns / HOUR_NS).or_insert((id, id));
        *hour = (hour.0.min(id), hour.1.max(id));
        Ok(())
    }

    /// What a row is found by, in place of what it was found by.
    pub(super) fn tell(&mut self, id: i64, entry: &mut Entry) -> Result<()> {
        let profile = self.going.profiles.of(self.transaction, entry)?;
        self.going.blocks.put(self.transaction, id, profile, &entry.figures)?;
        self.going.without.changed(self.transaction, blocks::place(id).0)?;
        if !entry.own.is_empty() {
            tell(self.transaction, "words", id, &entry.own)?;
        }
        Ok(())
    }

    /// The session of a record, which its first record begins.
    fn session(&mut self, item: &Item) -> Result<Option<i64>> {
        let (shard, number) = (item.place.id.shard, item.entry.session);
        if number == 0 {
            return Ok(None);
        }
        if item.entry.kind == RecordType::SessionStart.code() {
            let words = &item.entry.words;
            let began = signed(item.entry.wall_ns);
            let mut begin = self.transaction.prepare_cached(
                "INSERT INTO sessions(shard, seq, began, last, ended, agent, database, user, statements, refused, rows, masked)
                 VALUES (?, ?, ?, ?, 0, ?, ?, '', 0, 0, 0, 0)",
            )?;
            let session = begin.insert(params![
                shard,
                signed(item.place.id.seq),
                began,
                began,
                words.of(Column::Agent),
                words.of(Column::Database)
            ])?;
            let mut run = self.transaction.prepare_cached("REPLACE INTO running VALUES (?, ?, ?)")?;
            run.execute(params![shard, signed(number), session])?;
            self.going.running.insert((shard, number), session);
        }
        Ok(self.going.running.get(&(shard, number)).copied())
    }

    /// An outcome whose decision is in the index: that is read again, and its words and figures are replaced.
    fn ended(&mut self, late: &mut Item, segments: &Segments) -> Result<()> {
        let Some(about) = late.entry.about else { return Ok(()) };
        let mut find = self
            .transaction
            .prepare_cached("SELECT id, segment, at, session FROM records WHERE shard = ? AND seq = ?")?;
        let mut rows = find.query(params![about.shard, signed(about.seq)])?;
        // Its segment was moved away before it was ever indexed: there is nothing to add to.
        let Some(row) = rows.next()? else { return Ok(()) };
        let (id, session): (i64, Option<i64>) = (row.get(0)?, row.get(3)?);
        let place = Place { id: about, segment: row.get::<_, i64>(1)? as u64, at: row.get::<_, i64>(2)? as u64 };
        let Some(bytes) = segments.record(place)? else { return Ok(()) };
        let Some(frame) = show::frame(&bytes) else {
            bail!("record {about} cannot be read: run `interceptor audit verify`")
        };
        let mut entry = Entry::of(&frame);
        entry.ended_by(&mut late.entry);
        self.tell(id, &mut entry)?;
        let (figures, outcome) = (&entry.figures, &late.place);
        let mut update = self.transaction.prepare_cached(
            "UPDATE records SET rows = ?, bytes = ?, masked = ?, sensitive = ?, duration_ns = ?, out_seq = ?, out_segment = ?,
             out_at = ? WHERE id = ?",
        )?;
        update.execute(params![
            signed(figures.rows),
            signed(figures.bytes),
            signed(figures.masked),
            signed(figures.sensitive),
            signed(figures.duration_ns),
            signed(outcome.id.seq),
            signed(outcome.segment),
            signed(outcome.at),
            id
        ])?;
        if let Some(session) = session {
            let sum = self.sums.entry(session).or_default();
            sum.last_ns = sum.last_ns.max(late.entry.wall_ns);
            sum.rows += figures.rows;
            sum.masked += figures.masked;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        self.going.blocks.write(self.transaction)?;
        let mut add = self.transaction.prepare_cached(
            "UPDATE sessions SET last = max(last, ?), ended = ended OR ?, user = iif(? = '', user, ?), statements = statements + ?,
             refused = refused + ?, rows = rows + ?, masked = masked + ? WHERE id = ?",
        )?;
        for (session, sum) in &self.sums {
            add.execute(params![
                signed(sum.last_ns),
                sum.has_ended,
                sum.user,
                sum.user,
                signed(sum.statements),
                signed(sum.refused),
                signed(sum.rows),
                signed(sum.masked),
                session
            ])?;
        }
        let mut hour = self.transaction.prepare_cached(
            "INSERT INTO hours VALUES (?1, ?2, ?3) ON CONFLICT(hour) DO UPDATE SET first = min(first, ?2), last = max(last, ?3)",
        )?;
        for (of, (first, last)) in &self.hours {
            hour.execute(params![signed(*of), first, last])?;
        }
        Ok(())
    }
}
