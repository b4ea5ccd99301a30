//! One series as it is read: from the first record on that is not indexed yet, a bounded piece at a time.
//!
//! What is read may not be on disk yet, and a power cut may take it back. So some places are remembered with the hashes of the records that
//! stand there: the last record that was read, and those that close a batch, back to one that another one told to be on disk. Where the last is
//! not there any more, the newest that is says from where on to read anew.

use std::collections::{HashMap, VecDeque};

use anyhow::Result;
use audit::decode::durable_seq;
use audit::segment::{FRAME_LEN, Frame, HEADER_LEN, frames_from};
use audit::{PAYLOAD_MAX, RecordId, RecordType};
use rusqlite::{Connection, Transaction, params};

use super::super::entry::Entry;
use super::super::place::{Place, Segments};
use super::signed;
use crate::record::stands::{Last, Stands};

/// Where a header says how long the segment before was (docs/AUDIT-FORMAT.md).
const HEADER_PREVIOUS_END: u64 = 40;
/// So much of a segment is read at a time, whose longest record fits in.
const WINDOW: usize = 4 << 20;
const _: () = assert!(WINDOW > FRAME_LEN + PAYLOAD_MAX);
/// So many places of a series are remembered, of which the oldest stays.
const SEEN_MAX: usize = 64;

pub(super) const TABLES: &str = "
CREATE TABLE seen(shard INTEGER, seq INTEGER, segment INTEGER, at INTEGER, sha256 TEXT, PRIMARY KEY(shard, seq)) WITHOUT ROWID;
";

/// How far each series was read.
pub(super) fn keep(transaction: &Transaction<'_>, series: &mut [Series<'_>]) -> Result<()> {
    let mut forget = transaction.prepare_cached("DELETE FROM seen WHERE shard = ?")?;
    let mut see = transaction.prepare_cached("INSERT INTO seen VALUES (?, ?, ?, ?, ?)")?;
    for series in series {
        series.see_taken()?;
        forget.execute([series.shard])?;
        for Seen { seq, last } in &series.seen {
            see.execute(params![series.shard, signed(*seq), signed(last.segment), signed(last.at), last.sha256])?;
        }
    }
    Ok(())
}

/// What was seen of each series, oldest first.
pub(super) fn kept(connection: &Connection) -> Result<HashMap<u16, VecDeque<Seen>>> {
    let mut all: HashMap<u16, VecDeque<Seen>> = HashMap::new();
    let mut statement = connection.prepare("SELECT shard, seq, segment, at, sha256 FROM seen ORDER BY shard, seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
        let last = Last { segment: number(2)?, at: number(3)?, sha256: row.get(4)? };
        all.entry(row.get(0)?).or_default().push_back(Seen { seq: number(1)?, last });
    }
    Ok(all)
}

/// A record that was read.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    seq: u64,
    last: Last,
}

/// A record to index.
pub(super) struct Item {
    pub(super) place: Place,
    /// The byte behind its frame.
    behind: u64,
    pub(super) entry: Entry,
    pub(super) outcome: Option<Place>,
}

impl Item {
    /// One that was indexed before.
    pub(super) fn again(place: Place, entry: Entry) -> Item {
        Item { place, behind: 0, entry, outcome: None }
    }
}

/// One series, from the first record on that is not indexed yet.
pub(super) struct Series<'a> {
    segments: &'a Segments,
    pub(super) shard: u16,
    segment: u64,
    /// Its length.
    len: u64,
    /// Of the segment, from `from` on.
    bytes: Vec<u8>,
    from: u64,
    /// Behind the last record that was taken.
    at: u64,
    pub(super) next: Option<Item>,
    /// The last record that was taken, where nothing behind it was seen.
    taken: Option<Place>,
    /// Oldest first.
    seen: VecDeque<Seen>,
    /// What was indexed behind this record is not there any more.
    pub(super) back_to: Option<u64>,
    /// Nothing that was seen is there: it is another series.
    pub(super) is_another: bool,
    /// More was read than was kept, or there is less.
    pub(super) is_changed: bool,
    pub(super) damaged: Vec<(u16, u64)>,
}

impl<'a> Series<'a> {
    pub(super) fn new(segments: &'a Segments, shard: u16, seen: VecDeque<Seen>) -> Result<Series<'a>> {
        let mut series = Series {
            segments,
            shard,
            segment: 0,
            len: 0,
            bytes: Vec::new(),
            from: 0,
            at: 0,
            next: None,
            taken: None,
            seen,
            back_to: None,
            is_another: false,
            is_changed: false,
            damaged: Vec::new(),
        };
        let (number, at) = series.go_back();
        // Where that one was moved away, or the next is not begun, there may be none: nothing is read then.
        if let Some(first) = segments.next(shard, number) {
            series.begin(first, if first == number { at } else { HEADER_LEN as u64 })?;
            series.look()?;
        }
        Ok(series)
    }

    /// From where on it is read: behind the newest record that was seen and is still there.
    fn go_back(&mut self) -> (u64, u64) {
        let was_begun = !self.seen.is_empty();
        while let Some(Seen { seq, last }) = self.seen.back() {
            let stands = last.stands(self.shard, self.segments.files());
            if stands != Stands::Gone {
                self.back_to = self.is_changed.then_some(*seq);
                return match stands {
                    Stands::There { behind } => (last.segment, behind),
                    Stands::Away | Stands::Gone => (last.segment + 1, HEADER_LEN as u64),
                };
            }
            self.is_changed = true;
            self.seen.pop_back();
        }
        self.is_another = was_begun;
        (0, HEADER_LEN as u64)
    }

    fn begin(&mut self, number: u64, at: u64) -> Result<()> {
        (self.segment, self.at, self.from) = (number, at, at);
        self.bytes.clear();
        self.len = self.segments.len(self.shard, number)?;
        Ok(())
    }

    /// Remembers a record.
    fn see(&mut self, seen: Seen, durable_seq: u64) {
        self.is_changed = true;
        self.seen.push_back(seen);
        // What is on disk no power cut takes: nobody goes back behind it.
        while self.seen.get(1).is_some_and(|second| second.seq <= durable_seq) {
            self.seen.pop_front();
        }
        if self.seen.len() > SEEN_MAX {
            self.seen.remove(1);
        }
    }

    /// Remembers the record that was taken last.
    fn see_taken(&mut self) -> Result<()> {
        if let Some(place) = self.taken.take()
            && let Some(bytes) = self.segments.record(place)?
        {
            self.see(Seen { seq: place.id.seq, last: Last::of(place.segment, place.at, &bytes) }, 0);
        }
        Ok(())
    }

    /// Bytes, about.
    pub(super) fn left(&self) -> u64 {
        let behind = self.segments.behind(self.shard, self.segment) as u64;
        // Segments of one series are of one size.
        self.len.saturating_sub(self.at) + behind * self.len
    }

    /// The record at `at`, if there is one: what was read of the segment goes on, where there is more to read.
    fn frame(&mut self) -> Result<Option<(u64, Frame<'_>)>> {
        let in_window = |series: &Series<'_>| {
            let at = (series.at - series.from) as usize;
            frames_from(&series.bytes, at).next().map(|(at, _)| at)
        };
        let mut found = in_window(self);
        if found.is_none() && self.is_more()? {
            self.bytes = self.segments.part(self.shard, self.segment, self.at, WINDOW)?;
            self.from = self.at;
            found = in_window(self);
        }
        let from = self.from;
        Ok(found.and_then(|at| frames_from(&self.bytes, at).next()).map(|(at, frame)| (from + at as u64, frame)))
    }

    /// Whether something stands at `at`: a few bytes say so, of a segment that may be of zeros from there on.
    fn is_more(&self) -> Result<bool> {
        let begin = self.segments.part(self.shard, self.segment, self.at, 4)?;
        Ok(begin.iter().any(|byte| *byte != 0))
    }

    /// Finds the next record that is indexed; what closes a batch is passed over.
    fn look(&mut self) -> Result<()> {
        loop {
            while let Some((at, frame)) = self.frame()? {
                let (behind, seq) = (at + frame.room() as u64, frame.seq);
                if is_indexed(&frame) {
                    let entry = Entry::of(&frame);
                    let place = Place { id: RecordId { shard: self.shard, seq }, segment: self.segment, at };
                    self.next = Some(Item { place, behind, entry, outcome: None });
                    return Ok(());
                }
                let durable_seq = durable_seq(frame.payload()).unwrap_or_default();
                let bytes = frame.bytes().to_vec();
                self.taken = None;
                self.see(Seen { seq, last: Last::of(self.segment, at, &bytes) }, durable_seq);
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
        // One that was made in advance has no record yet.
        if self.segments.part(self.shard, number, HEADER_LEN as u64, 4)?.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        // The next one says where this one was sealed.
        let end = self.segments.part(self.shard, number, HEADER_PREVIOUS_END, 8)?;
        let is_next = number == self.segment + 1;
        if is_next && end != self.at.to_le_bytes() {
            // It may have been sealed since it was read.
            self.bytes.clear();
            self.from = self.at;
            if self.frame()?.is_some() {
                return Ok(true);
            }
            self.damaged.push((self.shard, self.segment));
        }
        self.begin(number, HEADER_LEN as u64)?;
        Ok(true)
    }

    /// The next record.
    pub(super) fn take(&mut self) -> Result<Option<Item>> {
        let Some(item) = self.next.take() else { return Ok(None) };
        self.at = item.behind;
        self.taken = Some(item.place);
        self.look()?;
        Ok(Some(item))
    }
}

fn is_indexed(frame: &Frame<'_>) -> bool {
    RecordType::of(frame.kind).is_none_or(|kind| !kind.closes_batch() && kind != RecordType::Checkpoint)
}
