//! Segments in memory, and a supply that may have none for a while.

use uring::File;

use super::ledger::Ledger;
use crate::driver::Segment;
use crate::supply::Supply;

/// Small, so that a run uses many.
pub(super) const SEGMENT_BYTES: usize = 32 << 10;

pub(super) struct MemorySegment {
    bytes: Vec<u8>,
    number: i32,
}

impl MemorySegment {
    pub(super) fn new(number: i32) -> MemorySegment {
        MemorySegment { bytes: vec![0; SEGMENT_BYTES], number }
    }
}

impl Segment for MemorySegment {
    fn bytes(&mut self) -> &mut [u8] {
        // Whoever asks for the bytes is about to write the records of the call under way.
        let ledger = Ledger::current();
        let mut ledger = ledger.borrow_mut();
        let last_seq = ledger.last_seq;
        ledger.files.insert(self.number, last_seq);
        &mut self.bytes
    }

    fn file(&self) -> File {
        File(self.number)
    }

    fn broken(&self) -> bool {
        false
    }
}

/// The next segments, of which there are only so many.
pub(super) struct MemorySupply {
    pub(super) next: i32,
    pub(super) left: i32,
}

impl Supply<MemorySegment> for MemorySupply {
    fn next(&mut self) -> Option<MemorySegment> {
        let ledger = Ledger::current();
        let mut ledger = ledger.borrow_mut();
        if self.left == 0 || ledger.rng.once_in(3) {
            return None;
        }
        self.left -= 1;
        self.next += 1;
        Some(MemorySegment::new(self.next))
    }

    fn retire(&mut self, segment: MemorySegment) {
        let ledger = Ledger::current();
        ledger.borrow_mut().retired.push(segment.number);
    }
}
