//! The writer's state over a segment in memory. It owns no memory: each call is given the segment's bytes again, or those where it is written.
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

use super::frame::{self, Head};
use super::header::{HEADER_LEN, Header, Identity, Previous};
use super::recover::Recovered;
use super::{RESERVE, SEGMENT_LEN_MAX, SEGMENT_LEN_MIN};
use crate::chain::{self, Hash, Tree};
use crate::encode::{bytes, number};
use crate::record_type::RecordType;
use crate::{PAYLOAD_MAX, field};

/// When: both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The monotonic clock: the order within a boot.
    pub mono_ns: u64,
    /// The wall clock: nanoseconds since 1970.
    pub wall_ns: u64,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The segment has no room for it: seal it and begin the next.
    Full,
    /// No segment has room for it: more than [`PAYLOAD_MAX`], or than this size of segment holds.
    TooLong,
    /// The type is the appender's own.
    Kind,
    /// The segment is sealed.
    Sealed,
    /// The memory is not this segment's: more than it, or not where it is written; or a size that no segment may have.
    Memory,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Full => "the segment is full",
            Refused::TooLong => "the record is longer than a segment holds",
            Refused::Kind => "the record's type is the appender's own",
            Refused::Sealed => "the segment is sealed",
            Refused::Memory => "the memory is not that of the segment",
        })
    }
}

impl std::error::Error for Refused {}

/// Bytes of a segment in memory: all of it, or a part, from a byte on that is told.
#[derive(Debug)]
pub struct Window<'a> {
    at: usize,
    bytes: &'a mut [u8],
    is_all: bool,
}

impl<'a> Window<'a> {
    /// These bytes stand in the segment from byte `at` on.
    pub fn new(at: usize, bytes: &'a mut [u8]) -> Window<'a> {
        Window { at, bytes, is_all: false }
    }

    /// One behind its last byte.
    fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    /// Whether it may be of a segment of this size.
    fn fits(&self, size: usize) -> bool {
        if self.is_all { self.end() == size } else { self.end() <= size }
    }

    /// The segment's bytes in this range, where it has them all.
    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        self.bytes.get(range.start.checked_sub(self.at)?..range.end.checked_sub(self.at)?)
    }

    fn get_mut(&mut self, range: Range<usize>) -> Option<&mut [u8]> {
        self.bytes.get_mut(range.start.checked_sub(self.at)?..range.end.checked_sub(self.at)?)
    }
}

impl<'a> From<&'a mut [u8]> for Window<'a> {
    fn from(bytes: &'a mut [u8]) -> Window<'a> {
        Window { at: 0, bytes, is_all: true }
    }
}

impl<'a> From<&'a mut Vec<u8>> for Window<'a> {
    fn from(bytes: &'a mut Vec<u8>) -> Window<'a> {
        Window { at: 0, bytes, is_all: true }
    }
}

/// The state of one segment's writing.
#[derive(Clone, Debug)]
pub struct Appender {
    header: Header,
    /// Where the next frame goes; `HEADER_LEN <= hashed <= end <= header.size - …`, all multiples of 8.
    end: usize,
    /// Up to here the records are in `tree`.
    hashed: usize,
    next_seq: u64,
    /// The records that a root covers: the size of the tree that it told of.
    rooted: u64,
    tree: Tree,
    /// The header's hash.
    begun: Hash,
    sealed: bool,
    /// The payload of the last record that closed a batch: its memory is used again, a root is written twice a second.
    closing: Vec<u8>,
}

impl Appender {
    /// Begins a segment in zeroed memory, all of it: writes its header.
    pub fn begin<'a>(
        memory: impl Into<Window<'a>>,
        shard: u16,
        identity: Identity,
        previous: Previous,
        stamp: Stamp,
    ) -> Result<Appender, Refused> {
        let memory = memory.into();
        let size = memory.end();
        Appender::begin_of(size, memory, shard, identity, previous, stamp)
    }

    /// The same of a segment of `size` bytes, whose first ones are here.
    pub fn begin_of(
        size: usize,
        mut memory: Window<'_>,
        shard: u16,
        identity: Identity,
        previous: Previous,
        stamp: Stamp,
    ) -> Result<Appender, Refused> {
        if !(SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&size) || !size.is_multiple_of(8) || !memory.fits(size) {
            return Err(Refused::Memory);
        }
        let Stamp { mono_ns, wall_ns } = stamp;
        let header = Header { shard, size: size as u64, previous, identity, mono_ns, wall_ns };
        memory.get_mut(0..HEADER_LEN).ok_or(Refused::Memory)?.copy_from_slice(&header.encode());
        Ok(Appender {
            end: HEADER_LEN,
            hashed: HEADER_LEN,
            next_seq: header.first_seq(),
            rooted: header.previous.last_seq(),
            tree: header.previous.tree.clone(),
            begun: header.hash(),
            sealed: false,
            closing: Vec::with_capacity(ROOT_ROOM),
            header,
        })
    }

    /// Goes on where [`super::recover`] found the end: clears unfinished bytes and says so in a record of its own.
    pub fn resume<'a>(memory: impl Into<Window<'a>>, recovered: &Recovered, stamp: Stamp) -> Result<Appender, Refused> {
        let mut memory = memory.into();
        if memory.end() as u64 != recovered.header.size {
            return Err(Refused::Memory);
        }
        if recovered.sealed {
            return Err(Refused::Sealed);
        }
        memory.get_mut(recovered.end..recovered.used).ok_or(Refused::Memory)?.fill(0);
        let mut appender = Appender {
            header: recovered.header.clone(),
            end: recovered.end,
            hashed: recovered.end,
            next_seq: recovered.next_seq,
            rooted: recovered.rooted,
            tree: recovered.tree.clone(),
            begun: recovered.header.hash(),
            sealed: false,
            closing: Vec::with_capacity(ROOT_ROOM),
        };
        let torn_bytes = recovered.used - recovered.end + recovered.given_up;
        if !recovered.stopped || torn_bytes > 0 {
            appender.recovered(memory, stamp, torn_bytes)?;
        }
        Ok(appender)
    }

    /// Says that writing goes on after a kill or a power cut, and how many bytes of unfinished records are gone.
    pub fn recovered<'a>(
        &mut self,
        memory: impl Into<Window<'a>>,
        stamp: Stamp,
        torn_bytes: usize,
    ) -> Result<(), Refused> {
        let mut payload = Vec::new();
        number(&mut payload, field::TORN_BYTES, torn_bytes as u64);
        self.store(&mut memory.into(), RecordType::Recovered.code(), 0, stamp, &payload, 2 * ROOT_ROOM)?;
        Ok(())
    }

    /// Appends one encoded event and returns its number. When this returns, the record is out of the process.
    pub fn append<'a>(
        &mut self,
        memory: impl Into<Window<'a>>,
        kind: u8,
        session: u64,
        stamp: Stamp,
        payload: &[u8],
    ) -> Result<u64, Refused> {
        if RecordType::of(kind).is_none_or(|kind| kind.closes_batch() || kind == RecordType::Recovered) {
            return Err(Refused::Kind);
        }
        if payload.len() > PAYLOAD_MAX || HEADER_LEN + frame::room(payload.len()) + RESERVE > self.size() {
            return Err(Refused::TooLong);
        }
        self.store(&mut memory.into(), kind, session, stamp, payload, RESERVE)
    }

    /// Hashes at most `records_max` records that the tree lacks, so that a shard can do it when it has nothing
    /// better to do and a root costs little. Returns how many are left.
    pub fn hash<'a>(&mut self, memory: impl Into<Window<'a>>, records_max: u64) -> u64 {
        self.hash_in(&memory.into(), records_max)
    }

    fn hash_in(&mut self, memory: &Window<'_>, records_max: u64) -> u64 {
        let mut left = usize::try_from(records_max).unwrap_or(usize::MAX);
        loop {
            let mut records = [[].as_slice(); chain::BATCH];
            let mut count = 0;
            // What is before `end` was stored by this appender or checked by the recovery: its checksum is not computed again.
            while let Some(place) = records.get_mut(count).filter(|_| count < left)
                && let Some(record) = memory.get(self.hashed..self.end).and_then(|stored| frame::stored(stored, 0))
            {
                *place = record;
                self.hashed += frame::room(record.len() - frame::HEADER_LEN);
                count += 1;
            }
            if count == 0 {
                break;
            }
            self.tree.append(&records[..count]);
            left -= count;
        }
        self.unhashed()
    }

    /// How many records the tree lacks.
    pub fn unhashed(&self) -> u64 {
        self.last_seq().saturating_sub(self.tree.size())
    }

    /// Closes the batch: writes the root of all records so far. Nothing to do where there is no record since the last. `durable_seq`: the
    /// last record that is known to be on disk.
    pub fn root<'a>(&mut self, memory: impl Into<Window<'a>>, stamp: Stamp, durable_seq: u64) -> Result<(), Refused> {
        if self.unrooted() == 0 {
            return Ok(());
        }
        self.close_batch(&mut memory.into(), RecordType::Root, stamp, durable_seq, RESERVE / 2)
    }

    /// The last record of an orderly stop; writing may go on after it.
    pub fn stop<'a>(&mut self, memory: impl Into<Window<'a>>, stamp: Stamp, durable_seq: u64) -> Result<(), Refused> {
        self.close_batch(&mut memory.into(), RecordType::Stop, stamp, durable_seq, ROOT_ROOM)
    }

    /// Closes the segment, and returns what the next one's header says of it.
    pub fn seal<'a>(
        &mut self,
        memory: impl Into<Window<'a>>,
        stamp: Stamp,
        durable_seq: u64,
    ) -> Result<Previous, Refused> {
        if !self.sealed {
            let mut memory = memory.into();
            self.close_batch(&mut memory, RecordType::Seal, stamp, durable_seq, 0)?;
            self.sealed = true;
            // The next header's tree has the seal's own record too.
            self.hash_in(&memory, 1);
        }
        Ok(Previous { number: self.header.number(), used: self.end as u64, tree: self.tree.clone() })
    }

    /// The segment's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number that the next record gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The number of the last record; before the first, one less than its number.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// How many records no root covers.
    pub fn unrooted(&self) -> u64 {
        self.last_seq() - self.rooted
    }

    /// The end of what is written: what an fsync must cover.
    pub fn end(&self) -> usize {
        self.end
    }

    /// How many payload bytes still fit in one record.
    pub fn left(&self) -> usize {
        self.left_before(self.size())
    }

    /// The same in memory that ends at this byte of the segment.
    pub fn left_before(&self, end: usize) -> usize {
        end.min(self.size()).saturating_sub(self.end + RESERVE + frame::HEADER_LEN + 7)
    }

    /// The tree of the records that were hashed so far: its size is the number of the last of them.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    fn size(&self) -> usize {
        self.header.size as usize
    }

    fn close_batch(
        &mut self,
        memory: &mut Window<'_>,
        kind: RecordType,
        stamp: Stamp,
        durable_seq: u64,
        reserve: usize,
    ) -> Result<(), Refused> {
        self.hash_in(memory, u64::MAX);
        let mut payload = std::mem::take(&mut self.closing);
        payload.clear();
        number(&mut payload, field::TREE_SIZE, self.tree.size());
        bytes(&mut payload, field::TREE_ROOT, &self.tree.root());
        bytes(&mut payload, field::HEADER_HASH, &self.begun);
        number(&mut payload, field::DURABLE_SEQ, durable_seq.min(self.last_seq()));
        let stored = self.store(memory, kind.code(), 0, stamp, &payload, reserve);
        self.closing = payload;
        self.rooted = stored? - 1;
        Ok(())
    }

    /// Stores one frame, its length word last. `reserve`: bytes that stay free behind it.
    fn store(
        &mut self,
        memory: &mut Window<'_>,
        kind: u8,
        session: u64,
        stamp: Stamp,
        payload: &[u8],
        reserve: usize,
    ) -> Result<u64, Refused> {
        if self.sealed {
            return Err(Refused::Sealed);
        }
        if !memory.fits(self.size()) {
            return Err(Refused::Memory);
        }
        let room = frame::room(payload.len());
        if self.end + room + reserve > self.size() {
            return Err(Refused::Full);
        }
        let seq = self.next_seq;
        let Head(head) = frame::header(kind, seq, stamp, session, payload);
        let slot = memory.get_mut(self.end..self.end + room).ok_or(Refused::Memory)?;
        let (slot_head, slot_payload) = slot.split_at_mut(frame::HEADER_LEN);
        // The padding is zero since the file was made.
        slot_payload.get_mut(..payload.len()).ok_or(Refused::Full)?.copy_from_slice(payload);
        let (len, rest) = slot_head.split_at_mut(4);
        rest.copy_from_slice(head.get(4..).unwrap_or_default());
        compiler_fence(Ordering::Release);
        len.copy_from_slice(head.get(..4).unwrap_or_default());
        compiler_fence(Ordering::Release);
        self.end += room;
        self.next_seq += 1;
        Ok(seq)
    }
}

/// The most room that a root's record takes: two hashes, two numbers, the frame.
const ROOT_ROOM: usize = (frame::HEADER_LEN + 2 * 34 + 2 * 10).next_multiple_of(8);
// Behind any append there is room for a recovery's record, a root, a stop and the seal, many times over.
const _: () = assert!(RESERVE / 2 >= 8 * ROOT_ROOM && HEADER_LEN + 2 * RESERVE <= SEGMENT_LEN_MIN);
