//! The shard's part of the record: appends into the mapped segment, rolls over to the next, and brings it all to disk.
//!
//! A store into the segment is out of the process at once, so a killed service loses nothing; fsync makes it outlive a power cut.
//! One fsync is in flight at a time and covers all that was appended before it began (group commit). A failed one is never tried
//! again: the kernel may have dropped the pages and reported it once.

use std::collections::VecDeque;
use std::fmt;

use session::Now;
use uring::{Errno, Op};

use crate::driver::{Driver, Segment};
use crate::supply::Supply;
use crate::timers::NEVER;
use crate::token::Task;

/// A record is on disk within 10 ms; the fsync begins early enough for that.
const SYNC_AFTER_NS: u64 = 5_000_000;
/// Without a next segment, this much of the current one is kept for the last records of sessions that end because of it.
const RESERVE_BYTES: usize = 1 << 20;

/// Why a record could not be written. Nothing that depends on it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFailure {
    /// The segment is full, and no next one could be made (yet).
    Full,
    /// The store was lost: the medium failed, or somebody cut the file.
    Broken,
}

/// See the module's documentation.
pub struct Journal<S: Segment> {
    shard: u16,
    current: Written<S>,
    next: Option<S>,
    /// Full segments whose last records are not on disk yet, oldest first.
    old: VecDeque<Written<S>>,
    supply: Box<dyn Supply<S>>,
    synced_seq: u64,
    /// An fsync up to this record is wanted without delay.
    wanted_seq: u64,
    /// The fsync in flight covers the records up to this one.
    syncing: Option<u64>,
    /// When the oldest record was appended that no fsync covers.
    dirty_since_ns: Option<u64>,
    written: u64,
}

/// A segment that is written on, or was.
struct Written<S> {
    segment: S,
    end: usize,
    last_seq: u64,
}

impl<S: Segment> Journal<S> {
    /// A journal that begins with an empty segment; `supply` makes the next ones.
    pub fn begin(shard: u16, first: S, supply: Box<dyn Supply<S>>) -> Journal<S> {
        Journal {
            shard,
            current: Written { segment: first, end: 0, last_seq: 0 },
            next: None,
            old: VecDeque::new(),
            supply,
            synced_seq: 0,
            wanted_seq: 0,
            syncing: None,
            dirty_since_ns: None,
            written: 0,
        }
    }

    /// The number that the next record will get.
    pub(crate) fn next_seq(&self) -> u64 {
        self.last_seq() + 1
    }

    /// The number of the last record.
    pub(crate) fn last_seq(&self) -> u64 {
        self.current.last_seq
    }

    /// All records up to this one are on disk.
    pub(crate) fn synced_seq(&self) -> u64 {
        self.synced_seq
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced_seq == self.last_seq()
    }

    /// How many records were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Whether a store into a segment was lost.
    pub(crate) fn is_broken(&self) -> bool {
        self.current.segment.broken() || self.old.iter().any(|old| old.segment.broken())
    }

    /// Whether new sessions can be recorded.
    pub(crate) fn has_room(&mut self) -> bool {
        self.next.is_some() || self.left() > 2 * RESERVE_BYTES || {
            self.next = self.supply.next();
            self.next.is_some()
        }
    }

    /// Appends a record and returns its number. What it describes may leave once this returned, or, where it must outlive a power
    /// cut, once [`Journal::synced_seq`] has reached the number.
    pub(crate) fn append(&mut self, kind: u8, session: u64, now: Now, payload: &[u8]) -> Result<u64, RecordFailure> {
        self.make_room(payload.len(), RESERVE_BYTES)?;
        self.store(kind, session, now, payload)
    }

    /// Appends a record of something that has ended, from the reserve if need be.
    pub(crate) fn append_last(
        &mut self,
        kind: u8,
        session: u64,
        now: Now,
        payload: &[u8],
    ) -> Result<u64, RecordFailure> {
        self.make_room(payload.len(), 0)?;
        self.store(kind, session, now, payload)
    }

    /// The last record must reach the disk without delay.
    pub(crate) fn want_sync(&mut self) {
        self.wanted_seq = self.last_seq();
    }

    /// When [`Journal::sync`] has something to do.
    pub(crate) fn due_ns(&self) -> u64 {
        match (self.syncing, self.dirty_since_ns) {
            (None, Some(since_ns)) => since_ns + SYNC_AFTER_NS,
            (Some(_), _) | (None, None) => NEVER,
        }
    }

    /// Begins an fsync where one is due and none is in flight.
    pub(crate) fn sync<D: Driver>(&mut self, driver: &mut D, now_ns: u64) {
        let due = self.wanted_seq > self.synced_seq || self.due_ns() <= now_ns || !self.old.is_empty();
        if self.syncing.is_some() || self.is_synced() || !due {
            return;
        }
        let oldest = self.old.front().unwrap_or(&self.current);
        self.syncing = Some(oldest.last_seq);
        if self.old.is_empty() {
            self.dirty_since_ns = None;
        }
        driver.submit(Task::Sync.token(u32::from(self.shard)), Op::Fsync { file: oldest.segment.file() });
    }

    /// The fsync in flight has ended.
    pub(crate) fn synced(&mut self, result: Result<u32, Errno>) -> Result<(), Errno> {
        result?;
        let Some(seq) = self.syncing.take() else { return Ok(()) };
        self.synced_seq = seq;
        if self.old.front().is_some_and(|old| old.last_seq <= seq)
            && let Some(old) = self.old.pop_front()
        {
            self.supply.retire(old.segment);
        }
        Ok(())
    }

    fn left(&self) -> usize {
        SEGMENT_BYTES_INTERIM.saturating_sub(self.current.end)
    }

    /// Makes sure that a record of this size fits, on the next segment if not on this one.
    fn make_room(&mut self, payload: usize, reserve: usize) -> Result<(), RecordFailure> {
        let needed = payload + 64;
        if self.next.is_none() && self.left() < needed + reserve {
            self.next = self.supply.next();
        }
        if self.left() >= needed + if self.next.is_some() { 0 } else { reserve } {
            return Ok(());
        }
        let Some(next) = self.next.take() else { return Err(RecordFailure::Full) };
        let last_seq = self.current.last_seq;
        let full = std::mem::replace(&mut self.current, Written { segment: next, end: 0, last_seq });
        self.old.push_back(full);
        Ok(())
    }

    fn store(&mut self, kind: u8, session: u64, now: Now, payload: &[u8]) -> Result<u64, RecordFailure> {
        let _ = (kind, session);
        let current = &mut self.current;
        current.segment.bytes()[current.end + 48..current.end + 48 + payload.len()].copy_from_slice(payload);
        current.end += (48 + payload.len()).next_multiple_of(8);
        current.last_seq += 1;
        self.written += 1;
        self.dirty_since_ns.get_or_insert(now.mono_ns);
        if current.segment.broken() { Err(RecordFailure::Broken) } else { Ok(current.last_seq) }
    }
}

const SEGMENT_BYTES_INTERIM: usize = 3 << 20;

/// Why the record of a shard cannot be continued.
#[derive(Debug)]
pub enum OpenError {
    /// A file or directory cannot be used.
    File(std::path::PathBuf, std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::File(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Continues the record of a shard in a new segment.
pub(crate) fn open(
    settings: &crate::settings::RecordSettings,
    shard: u16,
) -> Result<Journal<uring::MappedSegment>, OpenError> {
    let file = |error| OpenError::File(settings.directory.clone(), error);
    let directory = settings.directory.clone();
    let path = move |number: u64| directory.join(format!("{shard:03}-{number:010}.seg"));
    let first = (1..).find(|number| !path(*number).exists()).unwrap_or(1);
    let segment = uring::MappedSegment::create(&path(first), settings.segment_bytes).map_err(file)?;
    let supply = crate::supply::FileSupply::start(shard, first + 1, settings.segment_bytes, path).map_err(file)?;
    Ok(Journal::begin(shard, segment, Box::new(supply)))
}
