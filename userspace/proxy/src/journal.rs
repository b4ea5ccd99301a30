//! The shard's part of the record: appends into the mapped segment, rolls over to the next, and brings it all to disk.
//!
//! A store into the segment is out of the process at once, so a killed service loses nothing; fsync makes it outlive a power cut.
//! One fsync is in flight at a time and covers all that was appended before it began (group commit). A failed one is never tried
//! again: the kernel may have dropped the pages and reported it once.
//!
//! Records of the journal's own (a batch's root, a segment's seal) take numbers too. They are written between the calls of
//! sessions, never within one, so that a session knows the numbers of its records before it writes them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use audit::segment::{Appender, Identity, Refused, Stamp};
use session::Now;
use uring::{Errno, Op};

use crate::driver::{Driver, Segment};
use crate::head::DurableHead;
use crate::supply::Supply;
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
/// Records hashed in a turn of the loop, once there are so many, so that a root has little left to hash: as many as a tree takes side by
/// side. Fewer at a time cost more each, and more keep the loop from its sessions for longer.
const HASHED: u64 = audit::chain::BATCH as u64;
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
pub struct Journal<S: Segment> {
    shard: u16,
    identity: Identity,
    segment: S,
    appender: Appender,
    next: Option<S>,
    /// Sealed segments whose last records are not on disk yet, oldest first, with the last record of each.
    old: VecDeque<(S, u64)>,
    supply: Box<dyn Supply<S>>,
    synced_seq: u64,
    /// An fsync up to this record is wanted without delay.
    wanted_seq: u64,
    /// The fsync in flight covers the records up to this one.
    syncing: Option<u64>,
    /// When that began.
    syncing_since_ns: u64,
    pace: Pace,
    /// When the oldest record was appended that no fsync covers.
    dirty_since_ns: Option<u64>,
    /// When the oldest record was appended that no root covers.
    unrooted_since_ns: Option<u64>,
    /// The last record is an orderly stop's.
    stopped: bool,
    /// The state of the tree that is told once it is on disk.
    rooted: Option<audit::Head>,
    told: Arc<DurableHead>,
}

impl<S: Segment> Journal<S> {
    /// Goes on with a segment that the appender is at the end of; `supply` makes the next ones.
    pub fn resume(
        shard: u16,
        identity: Identity,
        segment: S,
        appender: Appender,
        supply: Box<dyn Supply<S>>,
    ) -> Journal<S> {
        let head = head(shard, &appender);
        Journal {
            rooted: (head.size > 0).then_some(head),
            told: Arc::default(),
            shard,
            identity,
            segment,
            next: None,
            old: VecDeque::new(),
            supply,
            synced_seq: appender.header().previous.last_seq(),
            wanted_seq: appender.last_seq(),
            syncing: None,
            syncing_since_ns: 0,
            pace: Pace::default(),
            // What a process before this one left in the page cache is not known to be on disk.
            dirty_since_ns: (appender.last_seq() > appender.header().previous.last_seq()).then_some(0),
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

    /// Whether a store into a segment was lost.
    pub(crate) fn is_broken(&self) -> bool {
        self.segment.broken() || self.old.iter().any(|(segment, _)| segment.broken())
    }

    /// Whether new sessions can be recorded beside what the open ones owe.
    pub(crate) fn has_room(&mut self, owed: usize) -> bool {
        let wanted = 2 * self.call_bytes() + owed;
        if self.next.is_none() && self.appender.left() < wanted {
            self.next = self.supply.next();
        }
        self.next.is_some() || self.appender.left() >= wanted
    }

    /// Bytes of records that a call may write and come to owe. Where no next segment is at hand, what sessions owe already (the
    /// outcomes of what runs, their ends) is set aside: no statement goes on that could not be told to its end.
    pub(crate) fn room(&self, owed: usize) -> usize {
        self.appender.left().saturating_sub(self.call_bytes() / 4 + self.set_aside(owed))
    }

    fn set_aside(&self, owed: usize) -> usize {
        if self.next.is_some() { 0 } else { owed }
    }

    /// Before a call: begins the next segment where this one has little room left for the call's records.
    pub(crate) fn prepare(&mut self, now: Now) -> Result<(), RecordFailure> {
        if self.appender.left() >= self.call_bytes() {
            return Ok(());
        }
        if self.next.is_none() {
            self.next = self.supply.next();
        }
        match self.next.take() {
            Some(next) => self.roll(next, now),
            None => Ok(()),
        }
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
        if self.appender.left() < payload.len() + self.set_aside(owed) {
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
        let seq = self.appender.append(self.segment.bytes(), kind, session, stamp(now), payload)?;
        self.stored(now)?;
        self.segment.after_store(self.appender.end());
        self.unrooted_since_ns.get_or_insert(now.mono_ns);
        Ok(seq)
    }

    /// The last record must reach the disk without delay.
    pub(crate) fn want_sync(&mut self) {
        self.wanted_seq = self.last_seq();
    }

    /// When [`Journal::turn`] has something to do.
    pub(crate) fn due_ns(&self) -> u64 {
        let sync_ns = match (self.syncing, self.dirty_since_ns) {
            (None, Some(since_ns)) => since_ns + self.pace.after_ns(),
            (Some(_), _) | (None, None) => NEVER,
        };
        sync_ns.min(self.root_due_ns())
    }

    /// What is to be done between calls: hash, write a root, begin an fsync.
    pub(crate) fn turn<D: Driver>(&mut self, driver: &mut D, now: Now) -> Result<(), RecordFailure> {
        if self.appender.unhashed() >= HASHED {
            self.appender.hash(self.segment.bytes(), HASHED);
        }
        // The next segment is at hand long before it is needed.
        let half = usize::try_from(self.appender.header().size / 2).unwrap_or(usize::MAX);
        if self.next.is_none() && self.appender.left() < half {
            self.next = self.supply.next();
        }
        if self.root_due_ns() <= now.mono_ns {
            self.unrooted_since_ns = None;
            self.appender.root(self.segment.bytes(), stamp(now), self.synced_seq)?;
            self.rooted = Some(head(self.shard, &self.appender));
            self.stored(now)?;
        }
        self.sync(driver, now.mono_ns);
        self.tell();
        Ok(())
    }

    /// The last record of an orderly stop, unless it is there already. All before it is on disk by then, and it says so: what is
    /// missing before a stop was not taken by a power cut.
    pub(crate) fn stop(&mut self, now: Now) -> Result<(), RecordFailure> {
        if !self.stopped && !self.is_synced() {
            self.want_sync();
        } else if !self.stopped {
            self.appender.stop(self.segment.bytes(), stamp(now), self.synced_seq)?;
            self.appender.hash(self.segment.bytes(), 1);
            self.rooted = Some(head(self.shard, &self.appender));
            self.stored(now)?;
            self.stopped = true;
            self.unrooted_since_ns = None;
            self.want_sync();
        }
        Ok(())
    }

    /// The fsync in flight has ended.
    pub(crate) fn synced(&mut self, result: Result<u32, Errno>, now_ns: u64) -> Result<(), Errno> {
        result?;
        let Some(seq) = self.syncing.take() else { return Ok(()) };
        self.pace.took(now_ns.saturating_sub(self.syncing_since_ns));
        self.synced_seq = seq;
        if self.old.front().is_some_and(|(_, last_seq)| *last_seq <= seq)
            && let Some((segment, _)) = self.old.pop_front()
        {
            self.supply.retire(segment);
        } else {
            self.segment.after_sync(self.appender.end());
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

    fn sync<D: Driver>(&mut self, driver: &mut D, now_ns: u64) {
        let due = self.wanted_seq > self.synced_seq
            || !self.old.is_empty()
            || self.dirty_since_ns.is_some_and(|since_ns| since_ns + self.pace.after_ns() <= now_ns);
        if self.is_synced() {
            // A segment may begin without a record: its header reaches the disk with its first one.
            self.dirty_since_ns = None;
            return;
        }
        if !due || self.syncing.is_some() {
            return;
        }
        let file = match self.old.front_mut() {
            Some((segment, last_seq)) => {
                self.syncing = Some(*last_seq);
                segment.before_sync(usize::MAX);
                segment.file()
            }
            None => {
                self.syncing = Some(self.last_seq());
                self.dirty_since_ns = None;
                self.segment.before_sync(self.appender.end());
                self.segment.file()
            }
        };
        self.syncing_since_ns = now_ns;
        driver.submit(Task::Sync.token(u32::from(self.shard)), Op::Fsync { file });
    }

    fn root_due_ns(&self) -> u64 {
        self.unrooted_since_ns.map_or(NEVER, |since_ns| since_ns + ROOT_AFTER_NS)
    }

    fn stored(&mut self, now: Now) -> Result<(), RecordFailure> {
        self.stopped = false;
        self.dirty_since_ns.get_or_insert(now.mono_ns);
        if self.segment.broken() { Err(RecordFailure::Broken) } else { Ok(()) }
    }

    /// Seals this segment and begins the next.
    fn roll(&mut self, mut next: S, now: Now) -> Result<(), RecordFailure> {
        let previous = self.appender.seal(self.segment.bytes(), stamp(now), self.synced_seq)?;
        self.stored(now)?;
        let last_seq = self.appender.last_seq();
        self.appender = Appender::begin(next.bytes(), self.shard, self.identity, previous, stamp(now))?;
        self.unrooted_since_ns = None;
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
