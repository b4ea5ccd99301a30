//! Bytes that we made and that are on their way out: owned by the ring until the caller takes the place back.

use crate::StagedId;

/// A slab of byte vectors. A vector here is never written to, grown or moved out while an operation names it.
#[derive(Default)]
pub(crate) struct Stage {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    bytes: Vec<u8>,
    used: bool,
    in_flight: u16,
}

impl Stage {
    /// Takes the bytes and leaves an empty vector in their place, one that was used before if there is any.
    pub(crate) fn put(&mut self, bytes: &mut Vec<u8>) -> StagedId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        assert!(!slot.used && slot.in_flight == 0);
        slot.used = true;
        std::mem::swap(&mut slot.bytes, bytes);
        bytes.clear();
        StagedId(index)
    }

    /// The caller is done with the bytes.
    pub(crate) fn release(&mut self, id: StagedId, keep_max: usize) {
        let slot = &mut self.slots[id.0 as usize];
        assert!(slot.used && slot.in_flight == 0, "released staged bytes that an operation names, or twice");
        slot.used = false;
        slot.bytes.clear();
        // One large answer must not pin its memory for ever.
        if slot.bytes.capacity() > keep_max {
            slot.bytes = Vec::new();
        }
        self.free.push(id.0);
    }

    /// An operation that names the bytes begins; returns where byte `at` is.
    pub(crate) fn begin(&mut self, id: StagedId, at: u32, end: u32) -> *const u8 {
        let slot = &mut self.slots[id.0 as usize];
        assert!(slot.used, "sent from staged bytes that were released");
        assert!(at <= end && end as usize <= slot.bytes.len(), "a range outside the staged bytes");
        slot.in_flight += 1;
        slot.bytes.as_ptr().wrapping_add(at as usize)
    }

    /// An operation that names the bytes has ended.
    pub(crate) fn end(&mut self, id: StagedId) {
        let slot = &mut self.slots[id.0 as usize];
        assert!(slot.in_flight > 0, "an operation ended on staged bytes that none named");
        slot.in_flight -= 1;
    }

    /// How many the caller has not released.
    pub(crate) fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
