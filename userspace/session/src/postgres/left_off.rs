//! What of a result is beyond the part that is kept: counted, and hashed as it passes.
//!
//! BLAKE3 is a tree over pieces of 1 KiB, which it hashes sixteen at a time where the processor can; but only whole aligned groups of them, and
//! bytes of a socket end anywhere. So what remains behind the last whole group waits for more: half of the time and less (note 0170).

use crate::result_memory::{ResultMemory, Share};

/// Bytes that are hashed at a time, and multiples of it. A power of two, so that no group is torn.
const GROUP: usize = 16 << 10;

/// See the module's documentation.
pub(super) struct LeftOff {
    bytes: u64,
    hasher: blake3::Hasher,
    /// What remains behind the last whole group.
    rest: Vec<u8>,
    /// The memory of `rest`; where there is none each piece is hashed as it is, which is right and slow.
    share: Share,
}

impl LeftOff {
    /// Of nothing yet.
    pub(super) fn new(memory: &ResultMemory) -> LeftOff {
        let mut share = Share::default();
        let rest = if share.grow_to(GROUP, memory) { Vec::with_capacity(GROUP) } else { Vec::new() };
        LeftOff { bytes: 0, hasher: blake3::Hasher::new(), rest, share }
    }

    /// So many bytes have passed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
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

    /// Their hash.
    pub(super) fn hash(&mut self) -> [u8; 32] {
        self.hasher.update(&self.rest);
        self.rest.clear();
        self.hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes come, and whether there is memory or none.
    #[test]
    fn the_hash_is_that_of_the_bytes() {
        let bytes: Vec<u8> = (0..5 * GROUP + 77).map(|at| (at * 31 % 251) as u8).collect();
        let plenty = ResultMemory::new(GROUP);
        for (memory, taken) in [(&plenty, GROUP), (&ResultMemory::new(GROUP - 1), 0)] {
            for length in [0, 1, 1023, 1024, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, bytes.len()] {
                for cut in [1_000, 8_187, GROUP - 1, GROUP, GROUP + 1, 65_391, 1 << 20] {
                    let mut left_off = LeftOff::new(memory);
                    assert_eq!(memory.taken(), taken);
                    bytes[..length].chunks(cut).for_each(|piece| left_off.pass(piece));
                    assert_eq!(left_off.bytes(), length as u64);
                    let wanted: [u8; 32] = blake3::hash(&bytes[..length]).into();
                    assert_eq!(left_off.hash(), wanted, "{length} bytes in pieces of {cut}");
                }
            }
        }
        assert_eq!(plenty.taken(), 0);
    }
}
