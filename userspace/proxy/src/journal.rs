//! The shard's part of the record: appends into the segment's tail, rolls over to the next segment, and brings it all to disk.
//!
//! A store into the tail is out of the process at once, so a killed service loses nothing: the next one finds it there. Written into the
//! segment's file and synced it outlives a power cut. One such write is in flight at a time and covers all that was appended before it
//! began (group commit). A failed one is never tried again: nobody knows what of it is on disk.
//!
//! Records of the journal's own (a batch's root, a segment's seal) take numbers too. They are written between the calls of
//! sessions, never within one, so that a session knows the numbers of its records before it writes them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use audit::segment::{Appender, Identity, Refused, Stamp};
use session::Now;
use uring::{Errno, Op};

use crate::driver::{Driver, Memory, Target};
use crate::head::DurableHead;
use crate::supply::Supply;
use crate::tail::{Frozen, Tail};
use crate::timers::NEVER;
use crate::token::Task;

/// A record is on disk within this time, but for a slower disk.
const ON_DISK_NS: u64 = 10_000_000;
/// The fsync begins this much earlier than its disk would need: the loop may be at work when its time comes.
const SLACK_NS: u64 = 1_000_000;
/// It does not wait longer than this whatever the disk.
const SYNC_AFTER_MAX_NS: u64 = 8_000_000;
/// A batch's root is written at most this long after its first record.
const ROOT_AFTER_NS: u64 = 500_000_000;
/// Records hashed in a turn of the loop, once there are so many, so that a root has little left to hash. Some times as many as a tree takes
/// side by side: what hashes pushes what serves sessions out of the CPU's nearest cache each time. More keep the loop from its sessions
/// for longer, and are no faster.
const HASHED: u64 = 4 * audit::chain::BATCH as u64;
/// The room that one call's records should find: else the next segment is begun before the call.
const CALL_BYTES: usize = 4 << 20;

/// Why a record could not be written. Nothing that depends on it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFailure {
    /// The segment is full, and no next one could be made (yet).
    Full,
    /// The record is longer than any segment holds, or of a kind that only the journal writes.
    Unfit,
    /// The store was lost: the medium failed, or somebody cut the file.
    Broken,
}

impl fmt::Display for RecordFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordFailure::Full => "the segment is full and no next one is ready",
            RecordFailure::Unfit => "no segment takes such a record",
            RecordFailure::Broken => "a store into the segment was lost",
        })
    }
}

impl From<Refused> for RecordFailure {
    fn from(refused: Refused) -> RecordFailure {
        match refused {
            Refused::Full => RecordFailure::Full,
            Refused::TooLong | Refused::Kind => RecordFailure::Unfit,
            Refused::Sealed | Refused::Memory => RecordFailure::Broken,
        }
    }
}

/// How long the oldest record waits for others that go to disk with it: as long as the disk's own time leaves.
#[derive(Debug)]
struct Pace {
    /// What an fsync takes: the longest of the last ones.
    sync_ns: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { sync_ns: ON_DISK_NS / 2 }
    }
}

impl Pace {
    /// An fsync took so long. The longest is forgotten by and by: a disk that was slow for a moment is not slow for ever.
    fn took(&mut self, ns: u64) {
        self.sync_ns = (self.sync_ns - self.sync_ns / 16).max(ns);
    }

    fn after_ns(&self) -> u64 {
        ON_DISK_NS.saturating_sub(SLACK_NS + self.sync_ns).min(SYNC_AFTER_MAX_NS)
    }
}

/// See the module's documentation.
pub struct Journal<S, M> {
    shard: u16,
    identity: Identity,
    segment: S,
    appender: Appender,
    tail: Tail<M>,
    next: Option<S>,
    /// Sealed segments whose last records are not on disk yet, oldest first, with the last record of each.
    old: VecDeque<(S, u64)>,
    supply: Box<dyn Supply<S>>,
    synced_seq: u64,
    /// A write up to this record is wanted without delay.
    wanted_seq: u64,
    /// What is to be written at once, oldest first.
    frozen: VecDeque<Frozen>,
    /// The write in flight.
    writing: Option<Frozen>,
    /// When that began.
    writing_since_ns: u64,
    pace: Pace,
    /// When the oldest record was appended that is not frozen.
    dirty_since_ns: Option<u64>,
    /// When the oldest record was appended that no root covers.
    unrooted_since_ns: Option<u64>,
    /// The last record is an orderly stop's.
    stopped: bool,
    /// The state of the tree that is told once it is on disk.
    rooted: Option<audit::Head>,
    told: Arc<DurableHead>,
}

/// Where a journal goes on: all up to there is on disk and hashed.
pub(crate) struct Place<S, M> {
    pub(crate) segment: S,
    pub(crate) appender: Appender,
    pub(crate) tail: Tail<M>,
}

impl<S: Target, M: Memory> Journal<S, M> {
    /// Goes on from there; `supply` makes the next segments.
    pub(crate) fn resume(
        shard: u16,
        identity: Identity,
        place: Place<S, M>,
        supply: Box<dyn Supply<S>>,
    ) -> Journal<S, M> {
        let Place { segment, appender, tail } = place;
        let head = head(shard, &appender);
        Journal {
            rooted: (head.size > 0).then_some(head),
            told: Arc::default(),
            shard,
            identity,
            segment,
            tail,
            next: None,
            old: VecDeque::new(),
            supply,
            synced_seq: appender.last_seq(),
            wanted_seq: appender.last_seq(),
            frozen: VecDeque::new(),
            writing: None,
            writing_since_ns: 0,
            pace: Pace::default(),
            dirty_since_ns: None,
            unrooted_since_ns: None,
            stopped: false,
            appender,
        }
    }

    /// Where the state of the record on disk is told.
    pub fn head(&self) -> Arc<DurableHead> {
        Arc::clone(&self.told)
    }

    /// The number that the next record will get.
    pub(crate) fn next_seq(&self) -> u64 {
        self.appender.next_seq()
    }

    /// The number of the last record.
    pub(crate) fn last_seq(&self) -> u64 {
        self.appender.last_seq()
    }

    /// All records up to this one are on disk.
    pub(crate) fn synced_seq(&self) -> u64 {
        self.synced_seq
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced_seq == self.last_seq()
    }

    /// Whether a store was lost.
    pub(crate) fn is_broken(&self) -> bool {
        self.tail.broken()
    }

    /// Whether new sessions can be recorded beside what the open ones owe.
    pub(crate) fn has_room(&mut self, owed: usize) -> bool {
        let wanted = 2 * self.call_bytes() + owed;
        if self.next.is_none() && self.appender.left() < wanted {
            self.next = self.supply.next();
        }
        let ahead = self.tail.has_free() && (self.next.is_some() || self.appender.left() >= wanted);
        ahead || self.left() >= wanted
    }

    /// Bytes of records that a call may write and come to owe.
    pub(crate) fn room(&self, owed: usize) -> usize {
        self.left_beside(owed).saturating_sub(self.call_bytes() / 4)
    }

    /// Payload bytes that one more record may have where it is stored now.
    fn left(&self) -> usize {
        self.appender.left_before(self.tail.end())
    }

    /// The same, less what is set aside where no next segment or no next region is at hand: what sessions owe already (the outcomes
    /// of what runs, their ends). So no statement goes on that could not be told to its end.
    fn left_beside(&self, owed: usize) -> usize {
        match (self.tail.has_free(), &self.next) {
            (true, Some(_)) => self.left(),
            (true, None) => self.left().min(self.appender.left().saturating_sub(owed)),
            (false, _) => self.left().saturating_sub(owed),
        }
    }

    /// Before a call: begins the next segment, or the next region of this one, where there is little room left for the call's records.
    pub(crate) fn prepare(&mut self, now: Now) -> Result<(), RecordFailure> {
        if self.left() >= self.call_bytes() || !self.tail.has_free() {
            return Ok(());
        }
        if self.appender.left() < self.call_bytes() {
            if self.next.is_none() {
                self.next = self.supply.next();
            }
            if let Some(next) = self.next.take() {
                return self.roll(next, now);
            }
        }
        if self.left() < self.appender.left() {
            self.freeze();
        }
        Ok(())
    }

    /// Appends a record and returns its number. What it describes may leave once this returned, or, where it must outlive a power
    /// cut, once [`Journal::synced_seq`] has reached the number. The room of what sessions owe then is not touched.
    pub(crate) fn append(
        &mut self,
        kind: u8,
        session: u64,
        now: Now,
        payload: &[u8],
        owed: usize,
    ) -> Result<u64, RecordFailure> {
        if self.left_beside(owed) < payload.len() {
            return Err(RecordFailure::Full);
        }
        self.append_last(kind, session, now, payload)
    }

    /// Appends a session's last record, or one of the service itself, into whatever room there is.
    pub(crate) fn append_last(
        &mut self,
        kind: u8,
        session: u64,
        now: Now,
        payload: &[u8],
    ) -> Result<u64, RecordFailure> {
        if self.left() < payload.len() && self.appender.left() >= payload.len() {
            if !self.tail.has_free() {
                return Err(RecordFailure::Full);
            }
            self.freeze();
        }
        let seq = self.appender.append(self.tail.window(), kind, session, stamp(now), payload)?;
        self.stored(now)?;
        self.unrooted_since_ns.get_or_insert(now.mono_ns);
        Ok(seq)
    }

    /// The last record must reach the disk without delay.
    pub(crate) fn want_sync(&mut self) {
        self.wanted_seq = self.last_seq();
    }

    /// When [`Journal::turn`] has something to do.
    pub(crate) fn due_ns(&self) -> u64 {
        let sync_ns = match (&self.writing, self.dirty_since_ns) {
            (None, Some(since_ns)) => since_ns + self.pace.after_ns(),
            (Some(_), _) | (None, None) => NEVER,
        };
        sync_ns.min(self.root_due_ns())
    }

    /// What is to be done between calls: hash, append a root, begin a write.
    pub(crate) fn turn<D: Driver>(&mut self, driver: &mut D, now: Now) -> Result<(), RecordFailure> {
        if self.appender.unhashed() >= HASHED {
            self.appender.hash(self.tail.window(), HASHED);
        }
        // The next segment is at hand long before it is needed.
        let half = usize::try_from(self.appender.header().size / 2).unwrap_or(usize::MAX);
        if self.next.is_none() && self.appender.left() < half {
            self.next = self.supply.next();
        }
        if self.root_due_ns() <= now.mono_ns {
            self.unrooted_since_ns = None;
            self.appender.root(self.tail.window(), stamp(now), self.synced_seq)?;
            self.rooted = Some(head(self.shard, &self.appender));
            self.stored(now)?;
        }
        self.sync(driver, now.mono_ns)?;
        self.tell();
        Ok(())
    }

    /// The last record of an orderly stop, unless it is there already. All before it is on disk by then, and it says so: what is
    /// missing before a stop was not taken by a power cut.
    pub(crate) fn stop(&mut self, now: Now) -> Result<(), RecordFailure> {
        if !self.stopped && !self.is_synced() {
            self.want_sync();
        } else if !self.stopped {
            self.appender.stop(self.tail.window(), stamp(now), self.synced_seq)?;
            self.appender.hash(self.tail.window(), 1);
            self.rooted = Some(head(self.shard, &self.appender));
            self.stored(now)?;
            self.stopped = true;
            self.unrooted_since_ns = None;
            self.want_sync();
        }
        Ok(())
    }

    /// The write in flight has ended.
    pub(crate) fn synced(&mut self, result: Result<u32, Errno>, now_ns: u64) -> Result<(), Errno> {
        let written = result?;
        let Some(frozen) = self.writing.take() else { return Ok(()) };
        if written as usize != frozen.len {
            return Err(Errno::IO);
        }
        self.pace.took(now_ns.saturating_sub(self.writing_since_ns));
        self.tail.written(&frozen);
        self.synced_seq = frozen.last_seq;
        if self.old.front().is_some_and(|(_, last_seq)| *last_seq <= frozen.last_seq)
            && let Some((segment, _)) = self.old.pop_front()
        {
            self.supply.retire(segment);
        }
        self.tell();
        Ok(())
    }

    /// Tells of the last root, once all that it covers is on disk.
    fn tell(&mut self) {
        if let Some(head) = self.rooted.take_if(|head| head.size <= self.synced_seq) {
            self.told.tell(head);
        }
    }

    fn sync<D: Driver>(&mut self, driver: &mut D, now_ns: u64) -> Result<(), RecordFailure> {
        let is_due = self.wanted_seq > self.synced_seq
            || self.dirty_since_ns.is_some_and(|since_ns| since_ns + self.pace.after_ns() <= now_ns);
        if self.writing.is_some() {
            return Ok(());
        }
        if self.frozen.is_empty() && self.is_synced() {
            // A segment may begin without a record: its header reaches the disk with its first one.
            self.dirty_since_ns = None;
            return Ok(());
        }
        if self.frozen.is_empty() && is_due {
            self.freeze();
        }
        if self.tail.broken() {
            // What a lost store left there would be written over what is on disk.
            return Err(RecordFailure::Broken);
        }
        let Some(frozen) = self.frozen.pop_front() else { return Ok(()) };
        let old = self.old.iter().find(|(_, last_seq)| frozen.last_seq <= *last_seq);
        let file = old.map_or(&self.segment, |(segment, _)| segment).file();
        let (bytes, kept) = self.tail.write(&frozen);
        let write = Op::Write { file, at: frozen.at as u64, bytes, kept };
        driver.submit(Task::Sync.token(u32::from(self.shard)), write);
        (self.writing, self.writing_since_ns) = (Some(frozen), now_ns);
        Ok(())
    }

    /// What is stored is to be written, and what comes is stored behind it. Only where a region is free: with nothing in flight and
    /// nothing frozen two are.
    fn freeze(&mut self) {
        self.appender.hash(self.tail.window(), u64::MAX);
        self.frozen.push_back(self.tail.turn(self.appender.end(), self.last_seq()));
        self.dirty_since_ns = None;
    }

    fn root_due_ns(&self) -> u64 {
        self.unrooted_since_ns.map_or(NEVER, |since_ns| since_ns + ROOT_AFTER_NS)
    }

    fn stored(&mut self, now: Now) -> Result<(), RecordFailure> {
        self.stopped = false;
        self.dirty_since_ns.get_or_insert(now.mono_ns);
        if self.tail.broken() { Err(RecordFailure::Broken) } else { Ok(()) }
    }

    /// Seals this segment and begins the next. Only where a region is free.
    fn roll(&mut self, next: S, now: Now) -> Result<(), RecordFailure> {
        let previous = self.appender.seal(self.tail.window(), stamp(now), self.synced_seq)?;
        self.stored(now)?;
        let (number, last_seq) = (previous.number + 1, self.appender.last_seq());
        self.frozen.push_back(self.tail.turn_to(number, self.appender.end(), last_seq));
        let size = usize::try_from(self.appender.header().size).unwrap_or(usize::MAX);
        self.appender = Appender::begin_of(size, self.tail.window(), self.shard, self.identity, previous, stamp(now))?;
        (self.unrooted_since_ns, self.dirty_since_ns) = (None, None);
        let full = std::mem::replace(&mut self.segment, next);
        self.old.push_back((full, last_seq));
        self.stored(now)
    }

    fn call_bytes(&self) -> usize {
        CALL_BYTES.min(usize::try_from(self.appender.header().size / 8).unwrap_or(CALL_BYTES))
    }
}

/// The state of the tree so far hashed.
fn head(shard: u16, appender: &Appender) -> audit::Head {
    audit::Head { shard, size: appender.tree().size(), root: appender.tree().root() }
}

/// The session's clocks are the record's.
pub(crate) fn stamp(now: Now) -> Stamp {
    Stamp { mono_ns: now.mono_ns, wall_ns: now.wall_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_wait_for_each_other_as_long_as_the_disk_leaves_time() {
        const MS: u64 = 1_000_000;
        let mut pace = Pace::default();
        assert_eq!(pace.after_ns(), 4 * MS);
        pace.took(3 * MS);
        assert!((4 * MS..5 * MS).contains(&pace.after_ns()));
        (0..100).for_each(|_| pace.took(MS / 5));
        assert_eq!(pace.after_ns(), SYNC_AFTER_MAX_NS);
        // One slow fsync counts at once; a disk that is slower than the promise is never idle.
        pace.took(6 * MS);
        assert_eq!(pace.after_ns(), 3 * MS);
        pace.took(40 * MS);
        assert_eq!(pace.after_ns(), 0);
    }
}
