//! Bringing the index up to date: the records since the last time, of all series in the order of time.

use std::collections::HashMap;
use std::fs::File;

use anyhow::{Context, Result, bail};
use audit::segment::{Frame, HEADER_LEN, frames_from};
use audit::{RecordId, RecordType, Verdict, show};
use nix::fcntl::{Flock, FlockArg};
use rusqlite::{CachedStatement, Transaction, TransactionBehavior, params};

use super::super::entry::Entry;
use super::super::place::{Place, Segments};
use super::{HOUR_NS, Index, Running, signed};

/// So many records are written at a time.
const BATCH: usize = 50_000;
/// Of a segment's header, what tells it from every other.
const HEADER_KEPT: usize = 192;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Records that are new in the index.
    pub records: u64,
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
        let mut running = self.running()?;
        let all: u64 = series.iter().map(Series::left).sum();
        let mut filled = Filled::default();
        loop {
            let batch = Batch::take(&mut series)?;
            let is_last = batch.items.len() < BATCH && batch.late.len() < BATCH;
            filled.records += batch.items.len() as u64;
            self.write(batch, &series, &mut running, segments)?;
            progress(Progress { done: all.saturating_sub(series.iter().map(Series::left).sum()), all });
            if is_last {
                filled.damaged = series.into_iter().flat_map(|series| series.damaged).collect();
                return Ok(filled);
            }
        }
    }

    fn series<'a>(&self, segments: &'a Segments) -> Result<Vec<Series<'a>>> {
        let mut kept = HashMap::new();
        let mut statement = self.connection.prepare("SELECT shard, segment, at, header FROM series")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let at: (i64, i64, Vec<u8>) = (row.get(1)?, row.get(2)?, row.get(3)?);
            kept.insert(row.get::<_, u16>(0)?, at);
        }
        segments.shards().into_iter().map(|shard| Series::new(segments, shard, kept.remove(&shard))).collect()
    }

    fn running(&self) -> Result<Running> {
        let mut statement = self.connection.prepare("SELECT shard, number, session FROM running")?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get::<_, i64>(1)? as u64), row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn write(&mut self, batch: Batch, series: &[Series<'_>], running: &mut Running, segments: &Segments) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut writer = Writer::new(&transaction, running)?;
            for item in &batch.items {
                writer.insert(item)?;
            }
            for late in &batch.late {
                writer.ended(late, segments)?;
            }
            writer.finish()?;
            let mut place = transaction.prepare_cached("REPLACE INTO series VALUES (?, ?, ?, ?)")?;
            for series in series {
                place.execute(params![series.shard, signed(series.segment), series.at as i64, series.header()])?;
            }
        }
        transaction.commit().context("cannot write the index; is the disk full?")
    }
}

/// One series, from the first record on that is not indexed yet.
struct Series<'a> {
    segments: &'a Segments,
    shard: u16,
    segment: u64,
    bytes: Vec<u8>,
    /// Behind the last record that was taken.
    at: usize,
    next: Option<Item>,
    /// The last record of the segment is its seal.
    is_sealed: bool,
    /// The segment is not the one that was indexed.
    is_another: bool,
    damaged: Vec<(u16, u64)>,
}

impl<'a> Series<'a> {
    fn new(segments: &'a Segments, shard: u16, kept: Option<(i64, i64, Vec<u8>)>) -> Result<Series<'a>> {
        let (number, at, header) = kept.unwrap_or((0, HEADER_LEN as i64, Vec::new()));
        let mut series = Series {
            segments,
            shard,
            segment: number as u64,
            bytes: Vec::new(),
            at: at as usize,
            next: None,
            is_sealed: false,
            is_another: false,
            damaged: Vec::new(),
        };
        match segments.next(shard, series.segment) {
            Some(first) if first == series.segment => {
                series.bytes = segments.read(shard, first)?;
                series.is_another = series.header() != header.as_slice();
            }
            Some(first) => series.begin(first)?,
            None => series.is_another = true,
        }
        series.look()?;
        Ok(series)
    }

    fn begin(&mut self, number: u64) -> Result<()> {
        (self.segment, self.at) = (number, HEADER_LEN);
        self.bytes = self.segments.read(self.shard, number)?;
        Ok(())
    }

    fn header(&self) -> &[u8] {
        self.bytes.get(..HEADER_KEPT).unwrap_or_default()
    }

    fn left(&self) -> u64 {
        let behind = self.segments.behind(self.shard, self.segment) as u64;
        // Segments of one series are of one size.
        self.bytes.len().saturating_sub(self.at) as u64 + behind * self.bytes.len() as u64
    }

    /// Finds the next record that is indexed; what closes a batch is passed over.
    fn look(&mut self) -> Result<()> {
        loop {
            while let Some((at, frame)) = frames_from(&self.bytes, self.at).next() {
                let behind = at + frame.room();
                self.is_sealed = frame.kind == RecordType::Seal.code();
                if is_indexed(&frame) {
                    let place = Place { id: self.id(&frame), segment: self.segment, at: at as u64 };
                    self.next = Some(Item { place, behind, entry: Entry::of(&frame), outcome: None });
                    return Ok(());
                }
                self.at = behind;
            }
            if !self.goes_on()? {
                return Ok(());
            }
        }
    }

    /// Whether there is more than was read: in this segment, or in the next one, which is begun.
    fn goes_on(&mut self) -> Result<bool> {
        let Some(number) = self.segments.next(self.shard, self.segment.saturating_add(1)) else { return Ok(false) };
        let next = self.segments.read(self.shard, number)?;
        // One that was made in advance has no record yet.
        if frames_from(&next, HEADER_LEN).next().is_none() {
            return Ok(false);
        }
        if !self.is_sealed {
            // It may have been sealed since it was read.
            self.bytes = self.segments.read(self.shard, self.segment)?;
            if frames_from(&self.bytes, self.at).next().is_some() {
                return Ok(true);
            }
            self.damaged.push((self.shard, self.segment));
        }
        (self.segment, self.at, self.bytes, self.is_sealed) = (number, HEADER_LEN, next, false);
        Ok(true)
    }

    fn id(&self, frame: &Frame<'_>) -> RecordId {
        RecordId { shard: self.shard, seq: frame.seq }
    }

    fn take(&mut self) -> Result<Option<Item>> {
        let Some(item) = self.next.take() else { return Ok(None) };
        self.at = item.behind;
        self.look()?;
        Ok(Some(item))
    }
}

fn is_indexed(frame: &Frame<'_>) -> bool {
    RecordType::of(frame.kind).is_none_or(|kind| !kind.closes_batch() && kind != RecordType::Checkpoint)
}

/// A record to index.
struct Item {
    place: Place,
    /// The byte behind its frame.
    behind: usize,
    entry: Entry,
    outcome: Option<Place>,
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
            let Some(item) = oldest.map_or(Ok(None), Series::take)? else { break };
            let is_outcome = item.entry.kind == RecordType::Outcome.code();
            match item.entry.about.filter(|_| is_outcome).map(|about| by_name.get(&about)) {
                None => {
                    by_name.insert(item.place.id, batch.items.len());
                    batch.items.push(item);
                }
                Some(Some(&decision)) => {
                    if let Some(decision) = batch.items.get_mut(decision) {
                        decision.entry.ended_by(&item.entry);
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
struct Sum {
    last_ns: u64,
    has_ended: bool,
    user: String,
    statements: u64,
    refused: u64,
    rows: u64,
    masked: u64,
}

/// Writes into one transaction.
struct Writer<'t, 'r> {
    record: CachedStatement<'t>,
    words: CachedStatement<'t>,
    transaction: &'t Transaction<'t>,
    running: &'r mut Running,
    sums: HashMap<i64, Sum>,
    hours: HashMap<u64, (i64, i64)>,
}

impl<'t, 'r> Writer<'t, 'r> {
    fn new(transaction: &'t Transaction<'t>, running: &'r mut Running) -> Result<Writer<'t, 'r>> {
        Ok(Writer {
            record: transaction.prepare_cached(
                "INSERT INTO records(shard, seq, segment, at, time, session, rows, bytes, masked, sensitive, duration_ns,
                 out_seq, out_segment, out_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            words: transaction.prepare_cached(
                "INSERT OR REPLACE INTO words(rowid, text, agent, database, user, objects, kinds, rule, verdict, reviewer,
                 said, marks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            transaction,
            running,
            sums: HashMap::new(),
            hours: HashMap::new(),
        })
    }

    fn insert(&mut self, item: &Item) -> Result<()> {
        let session = self.session(item)?;
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
        self.tell(id, entry)?;
        let hour = self.hours.entry(entry.wall_ns / HOUR_NS).or_insert((id, id));
        *hour = (hour.0.min(id), hour.1.max(id));
        if let Some(session) = session {
            self.add(session, item);
        }
        Ok(())
    }

    fn tell(&mut self, id: i64, entry: &Entry) -> Result<()> {
        let words = &entry.words;
        self.words.execute(params![
            id,
            words.text,
            words.agent,
            words.database,
            words.user,
            words.objects,
            words.kinds,
            words.rule,
            words.verdict,
            words.reviewer,
            words.said,
            entry.marks()
        ])?;
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
            let session =
                begin.insert(params![shard, signed(item.place.id.seq), began, began, words.agent, words.database])?;
            let mut run = self.transaction.prepare_cached("REPLACE INTO running VALUES (?, ?, ?)")?;
            run.execute(params![shard, signed(number), session])?;
            self.running.insert((shard, number), session);
        }
        Ok(self.running.get(&(shard, number)).copied())
    }

    fn add(&mut self, session: i64, item: &Item) {
        let sum = self.sums.entry(session).or_default();
        sum.last_ns = sum.last_ns.max(item.entry.wall_ns);
        if !item.entry.words.user.is_empty() {
            sum.user.clone_from(&item.entry.words.user);
        }
        match RecordType::of(item.entry.kind) {
            Some(RecordType::Decision) => {
                sum.statements += 1;
                sum.refused += u64::from(item.entry.words.verdict == Verdict::Block.as_str());
                sum.rows += item.entry.figures.rows;
                sum.masked += item.entry.figures.masked;
            }
            Some(RecordType::SessionEnd) => sum.has_ended = true,
            _ => {}
        }
    }

    /// An outcome whose decision is in the index: that is read again, and its words and figures are replaced.
    fn ended(&mut self, late: &Item, segments: &Segments) -> Result<()> {
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
        entry.ended_by(&late.entry);
        self.tell(id, &entry)?;
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

    fn finish(self) -> Result<()> {
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
