//! What was stored of a shard's record and is not on disk yet: memory that outlives the process, from where it is written into the segments' files.
//!
//! It has three regions. One is stored into; it stands for a stretch of a segment, from a whole page on. When an fsync is due it is frozen and
//! written, and the next one is stored into meanwhile, which begins with the page that was not full. A third is for a segment's last
//! records while another write is under way. So what is stored into is as a rule what was stored into just before, and in the CPU's cache.
//!
//! The first page says what the regions hold, so that the next process finds it ([`held`]). A region that holds nothing is all zero.

use std::sync::atomic::{Ordering, compiler_fence};

use audit::segment::Window;

use crate::driver::Memory;

/// Writes are of whole pages.
pub(crate) const PAGE: usize = 4096;
const REGIONS: usize = 3;
/// A region is as long as a segment, but not longer than this. Where the disk stands still for so long that all are full, nothing
/// more is recorded, and so nothing goes on.
const REGION_MAX: usize = 16 << 20;
const MAGIC: [u8; 8] = *b"ic tail1";

/// The bytes of memory for segments of this size.
pub(crate) fn len(segment_bytes: usize) -> usize {
    PAGE + REGIONS * region_len(segment_bytes)
}

/// The name of the file that the memory is, in the folder of the segments.
pub(crate) fn file_name(shard: u16) -> String {
    format!("{shard:05}.tail")
}

/// Whose memory a file's name says it is.
pub(crate) fn parse_file_name(name: &str) -> Option<u16> {
    let shard = name.strip_suffix(".tail")?.parse().ok()?;
    (file_name(shard) == name).then_some(shard)
}

fn region_len(segment_bytes: usize) -> usize {
    segment_bytes.min(REGION_MAX) / PAGE * PAGE
}

/// A region that is stored into no more, to be written.
#[derive(Debug)]
pub(crate) struct Frozen {
    region: usize,
    /// From this byte of the segment on.
    pub(crate) at: usize,
    /// So many, in whole pages.
    pub(crate) len: usize,
    /// The last record in it.
    pub(crate) last_seq: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Tail<M> {
    memory: M,
    segment_bytes: usize,
    room: usize,
    /// The region that is stored into, and where it begins in its segment.
    region: usize,
    at: usize,
    segment: u64,
    free: Vec<usize>,
    /// How often a region was taken.
    taken: u64,
}

impl<M: Memory> Tail<M> {
    /// Goes on at byte `end` of a segment in memory that is all zero, of [`len`] bytes. `page` is what the segment has from the page of `end` on.
    pub(crate) fn new(mut memory: M, segment_bytes: usize, segment: u64, end: usize, page: &[u8]) -> Tail<M> {
        let room = region_len(segment_bytes);
        let control = memory.bytes();
        control[8..16].copy_from_slice(&(room as u64).to_le_bytes());
        compiler_fence(Ordering::Release);
        control[..8].copy_from_slice(&MAGIC);
        let free = (0..REGIONS).rev().collect();
        let mut tail = Tail { memory, segment_bytes, room, region: 0, at: 0, segment, free, taken: 0 };
        tail.take(end, page);
        tail
    }

    /// What is stored into.
    pub(crate) fn window(&mut self) -> Window<'_> {
        let (at, len, begin) = (self.at, self.end() - self.at, region(self.room, self.region).start);
        Window::new(at, &mut self.memory.bytes()[begin..begin + len])
    }

    /// One behind the last byte of the segment that can be stored here.
    pub(crate) fn end(&self) -> usize {
        (self.at + self.room).min(self.segment_bytes)
    }

    /// Whether there is a region to go on in.
    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Freezes what is stored up to byte `end` of the segment, and goes on behind it. Only where a region is free.
    pub(crate) fn turn(&mut self, end: usize, last_seq: u64) -> Frozen {
        let frozen = self.freeze(end, last_seq);
        let page = region(self.room, frozen.region).start + (end / PAGE * PAGE - frozen.at);
        let (mut carried, len) = ([0; PAGE], end % PAGE);
        carried[..len].copy_from_slice(&self.memory.bytes()[page..page + len]);
        self.take(end, &carried[..len]);
        frozen
    }

    /// Freezes a segment's last records, and goes on with the next segment. Only where a region is free.
    pub(crate) fn turn_to(&mut self, segment: u64, end: usize, last_seq: u64) -> Frozen {
        let frozen = self.freeze(end, last_seq);
        self.segment = segment;
        self.take(0, &[]);
        frozen
    }

    fn freeze(&self, end: usize, last_seq: u64) -> Frozen {
        Frozen { region: self.region, at: self.at, len: (end - self.at).next_multiple_of(PAGE), last_seq }
    }

    /// Takes a free region for what follows byte `end`. It is told of when it has what stands before that.
    fn take(&mut self, end: usize, page: &[u8]) {
        let Some(free) = self.free.pop() else { panic!("a region is taken where none is free") };
        (self.region, self.at) = (free, end / PAGE * PAGE);
        self.taken += 1;
        let (begin, slot) = (region(self.room, free).start, slot(free));
        let memory = self.memory.bytes();
        memory[begin..begin + page.len()].copy_from_slice(page);
        memory[slot + 8..slot + 16].copy_from_slice(&self.taken.to_le_bytes());
        memory[slot + 16..slot + 24].copy_from_slice(&(self.at as u64).to_le_bytes());
        compiler_fence(Ordering::Release);
        memory[slot..slot + 8].copy_from_slice(&self.segment.to_le_bytes());
        compiler_fence(Ordering::Release);
    }

    /// The bytes to be written, and what keeps them.
    pub(crate) fn write(&mut self, frozen: &Frozen) -> (&[u8], uring::Kept) {
        let (kept, begin) = (self.memory.keep(), region(self.room, frozen.region).start);
        (&self.memory.bytes()[begin..begin + frozen.len], kept)
    }

    /// They are on disk: the region holds nothing any more.
    pub(crate) fn written(&mut self, frozen: &Frozen) {
        let (begin, slot) = (region(self.room, frozen.region).start, slot(frozen.region));
        let memory = self.memory.bytes();
        memory[slot..slot + 8].fill(0);
        compiler_fence(Ordering::Release);
        memory[begin..begin + frozen.len].fill(0);
        self.free.push(frozen.region);
    }

    /// Whether a store was lost.
    pub(crate) fn broken(&self) -> bool {
        self.memory.broken()
    }
}

/// What a region of an earlier process holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held<'a> {
    /// Of this segment.
    pub(crate) segment: u64,
    /// From this byte on.
    pub(crate) at: usize,
    /// Zeros follow what was stored.
    pub(crate) bytes: &'a [u8],
}

/// What was stored by an earlier process and may not be in the segments' files, in the order in which it was begun. After a power cut it is as old and as
/// mixed as the disk has it.
pub(crate) fn held(memory: &[u8]) -> Vec<Held<'_>> {
    let word = |at: usize| memory.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let room = word(8).and_then(|room| usize::try_from(room).ok()).filter(|room| *room > 0 && room % PAGE == 0);
    let Some(room) = room.filter(|_| memory.starts_with(&MAGIC)) else { return Vec::new() };
    let of = |index: usize| {
        let slot = slot(index);
        let (segment, taken, at) = (word(slot)?, word(slot + 8)?, usize::try_from(word(slot + 16)?).ok()?);
        let begin = index.checked_mul(room)?.checked_add(PAGE)?;
        let bytes = memory.get(begin..begin.checked_add(room)?)?;
        (segment > 0 && at % PAGE == 0).then_some((taken, Held { segment, at, bytes }))
    };
    let mut found: Vec<_> = (0..REGIONS).filter_map(of).collect();
    found.sort_by_key(|(taken, _)| *taken);
    found.into_iter().map(|(_, held)| held).collect()
}

/// Where a region lies in the memory.
fn region(room: usize, index: usize) -> std::ops::Range<usize> {
    PAGE + index * room..PAGE + (index + 1) * room
}

/// Where the first page tells of it: segment, order, first byte.
fn slot(index: usize) -> usize {
    64 * (index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: usize = 4 * PAGE;

    impl Memory for Vec<u8> {
        fn bytes(&mut self) -> &mut [u8] {
            self
        }

        fn broken(&self) -> bool {
            false
        }

        fn keep(&self) -> uring::Kept {
            uring::Kept::default()
        }
    }

    impl Tail<Vec<u8>> {
        /// As the process leaves it.
        pub(crate) fn into_memory(self) -> Vec<u8> {
            self.memory
        }

        /// Segment, first byte, and what is not zero, of each that holds something.
        fn tells(&self) -> Vec<(u64, usize, Vec<u8>)> {
            let stored = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != 0).collect();
            held(&self.memory).iter().map(|held| (held.segment, held.at, stored(held.bytes))).collect()
        }

        fn store(&mut self, end: usize, byte: u8) {
            let at = region(self.room, self.region).start + end - self.at;
            self.memory[at] = byte;
        }
    }

    #[test]
    fn what_is_held_is_found_by_the_next_process_until_it_is_written() {
        let mut tail = Tail::new(vec![0; len(SEGMENT)], SEGMENT, 7, PAGE + 2, &[1, 2]);
        assert_eq!(tail.tells(), [(7, PAGE, vec![1, 2])]);
        tail.store(PAGE + 2, 3);
        assert_eq!((tail.end(), tail.has_free()), (4 * PAGE, true));
        let first = tail.turn(PAGE + 3, 30);
        assert_eq!((first.at, first.len, first.last_seq), (PAGE, PAGE, 30));
        tail.store(PAGE + 3, 4);
        assert_eq!(tail.tells(), [(7, PAGE, vec![1, 2, 3]), (7, PAGE, vec![1, 2, 3, 4])]);
        let sealed = tail.turn_to(8, PAGE + 4, 40);
        tail.store(0, 9);
        assert_eq!((tail.has_free(), tail.tells().len()), (false, 3));
        assert!(tail.write(&first).0.starts_with(&[1, 2, 3, 0]));
        tail.written(&first);
        assert_eq!(tail.tells(), [(7, PAGE, vec![1, 2, 3, 4]), (8, 0, vec![9])]);
        tail.written(&sealed);
        assert_eq!(tail.tells(), [(8, 0, vec![9])]);
        let full = tail.turn(2 * PAGE, 50);
        assert_eq!((full.at, full.len), (0, 2 * PAGE));
        assert_eq!(tail.tells(), [(8, 0, vec![9]), (8, 2 * PAGE, vec![])]);
        tail.written(&full);
        let regions = &tail.memory[PAGE..];
        assert!(regions.iter().all(|byte| *byte == 0), "what holds nothing is zero");
    }

    #[test]
    fn nothing_is_found_in_what_is_no_tail() {
        let whole = Tail::new(vec![0; len(SEGMENT)], SEGMENT, 7, 0, &[]).into_memory();
        assert_eq!(held(&whole).len(), 1);
        for cut in 0..PAGE {
            assert_eq!(held(&whole[..cut]), []);
        }
        for (at, byte) in [(0, 0), (8, 1), (15, 255), (slot(0) + 16, 1), (slot(0) + 23, 255)] {
            let mut other = whole.clone();
            other[at] = byte;
            assert!(held(&other).iter().all(|held| held.at > SEGMENT), "{at}");
        }
        assert_eq!(held(&vec![255; len(SEGMENT)]), []);
        assert_eq!(held(&[]), []);
    }
}
