//! A block that is hashed while it passes.
//!
//! BLAKE3 hashes sixteen pieces at a time where the processor can; but only whole aligned groups of them, and bytes of a socket end anywhere. So
//! what remains behind the last whole group waits for more: half of the time and less (note 0170).

use blake3::Hasher;

use crate::result_memory::{ResultMemory, Share};

/// Bytes that are hashed at a time, and multiples of it. A power of two, so that no group is torn.
pub(super) const GROUP: usize = 16 << 10;

/// See the module's documentation.
pub(super) struct Passing {
    hasher: Hasher,
    /// What remains behind the last whole group.
    rest: Vec<u8>,
    /// The memory of `rest`; where there is none each piece is hashed as it is, which is right and slow.
    share: Share,
}

impl Passing {
    /// Of nothing yet; it begins so far in.
    pub(super) fn new(offset: u64, memory: &ResultMemory) -> Passing {
        let mut share = Share::default();
        let rest = if share.grow_to(GROUP, memory) { Vec::with_capacity(GROUP) } else { Vec::new() };
        Passing { hasher: crate::block::at(offset), rest, share }
    }

    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        if self.share.bytes() == 0 {
            self.hasher.update(bytes);
            return;
        }
        if !self.rest.is_empty() {
            let (fills, behind) = bytes.split_at(bytes.len().min(GROUP - self.rest.len()));
            self.rest.extend_from_slice(fills);
            bytes = behind;
            if self.rest.len() < GROUP {
                return;
            }
            self.hasher.update(&self.rest);
            self.rest.clear();
        }
        let (whole, behind) = bytes.split_at(bytes.len() - bytes.len() % GROUP);
        self.hasher.update(whole);
        self.rest.extend_from_slice(behind);
    }

    /// What has all that passed.
    pub(super) fn hasher(&self) -> Hasher {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.rest);
        hasher
    }
}
