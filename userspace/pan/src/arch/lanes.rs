//! What the strict scan asks of a processor beyond masks: many bytes at once, and bits gathered and scattered.

use super::{Masks, WORD, portable::Portable};

/// The instructions of one backend.
pub(crate) trait Strict: Masks {
    /// A register full of bytes.
    type Values: Lanes;

    /// The bytes at the mask's places, side by side; what stands behind them is of no interest.
    #[inline(always)]
    fn packed(word: &[u8; WORD], mask: u64) -> [u8; WORD] {
        let (mut packed, mut count) = ([0; WORD], 0);
        for (at, &byte) in word.iter().enumerate() {
            packed[count % WORD] = byte;
            count += (mask >> at & 1) as usize;
        }
        packed
    }

    /// The bits of `bits` at the mask's places, side by side.
    #[inline(always)]
    fn gathered(bits: u64, mask: u64) -> u64 {
        let (mut rest, mut gathered) = (bits & mask, 0);
        while rest != 0 {
            let lowest = rest & rest.wrapping_neg();
            gathered |= 1 << (mask & (lowest - 1)).count_ones();
            rest ^= lowest;
        }
        gathered
    }

    /// The inverse: the lowest bits of `bits` at the mask's places.
    #[inline(always)]
    fn scattered(bits: u64, mask: u64) -> u64 {
        if bits == 0 || mask == u64::MAX {
            return bits & mask;
        }
        let (mut bits, mut rest, mut scattered) = (bits, mask, 0);
        while rest != 0 {
            let lowest = rest & rest.wrapping_neg();
            scattered |= lowest & (bits & 1).wrapping_neg();
            (bits, rest) = (bits >> 1, rest ^ lowest);
        }
        scattered
    }

    /// Bit n: the byte n is at most the limit n.
    #[inline(always)]
    fn at_most(bytes: &[u8; WORD], limits: &[u8; WORD]) -> u64 {
        bytes.iter().zip(limits).enumerate().fold(0, |mask, (at, (byte, limit))| mask | u64::from(byte <= limit) << at)
    }

    /// Writes a star at the mask's places.
    #[inline(always)]
    fn star(word: &mut [u8; WORD], mask: u64) {
        for (at, byte) in word.iter_mut().enumerate() {
            *byte = if mask >> at & 1 == 1 { b'*' } else { *byte };
        }
    }
}

/// So many bytes that one instruction works on all of them.
pub(crate) trait Lanes: Copy {
    const COUNT: usize;
    /// Whether `of_pairs` is an instruction.
    const PAIRS: bool = false;
    /// For each byte, yes or no.
    type Which: Copy;

    /// The bytes of a row from `at` on; a row that ends before has none.
    fn load(row: &[u8], at: usize) -> Self;
    fn store(self, row: &mut [u8], at: usize);
    fn all(byte: u8) -> Self;
    /// None overflows.
    fn plus(self, other: Self) -> Self;
    /// Not below zero.
    fn minus(self, other: Self) -> Self;
    fn larger(self, other: Self) -> Self;
    fn smaller(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    /// Less ten where that is not below zero; of what is less than 20, the rest modulo ten.
    fn rest(self) -> Self;
    /// The table's entries at these places, each less than 16.
    fn of(self, table: &[u8; 16]) -> Self;
    /// The table's entries at these places, each less than 128.
    fn of_pairs(self, table: &[u8; 128]) -> Self;
    fn or(self, other: Self) -> Self;
    /// The upper four bits of each byte.
    fn high(self) -> Self;
    fn equals(self, other: Self) -> Self::Which;
    /// Where both have a bit in common.
    fn meets(self, other: Self) -> Self::Which;
    /// Nothing elsewhere.
    fn only(self, which: Self::Which) -> Self;
    /// With this bit, which was not set, where `which` says so.
    fn marked(self, which: Self::Which, bit: u8) -> Self;
    /// The same, but only where `lengths` has the bit too.
    fn marked_if(self, which: Self::Which, lengths: Self, bit: u8) -> Self;
    /// Bit n: the byte n is not zero.
    fn positive(self) -> u64;
}

/// For any processor: arrays that the compiler has instructions for.
#[derive(Clone, Copy)]
pub(crate) struct Bytes([u8; 32]);

/// One result for each of 32 places.
macro_rules! each {
    ($at:ident => $byte:expr) => {{
        let mut bytes = [0; 32];
        for $at in 0..32 {
            bytes[$at] = $byte;
        }
        Bytes(bytes)
    }};
}

impl Lanes for Bytes {
    const COUNT: usize = 32;
    type Which = Bytes;

    #[inline(always)]
    fn load(row: &[u8], at: usize) -> Bytes {
        row.get(at..).and_then(|rest| rest.first_chunk()).map_or(Bytes([0; 32]), |bytes| Bytes(*bytes))
    }

    #[inline(always)]
    fn store(self, row: &mut [u8], at: usize) {
        if let Some(bytes) = row.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *bytes = self.0;
        }
    }

    #[inline(always)]
    fn all(byte: u8) -> Bytes {
        Bytes([byte; 32])
    }

    #[inline(always)]
    fn plus(self, other: Bytes) -> Bytes {
        each!(at => self.0[at].wrapping_add(other.0[at]))
    }

    #[inline(always)]
    fn minus(self, other: Bytes) -> Bytes {
        each!(at => self.0[at].saturating_sub(other.0[at]))
    }

    #[inline(always)]
    fn larger(self, other: Bytes) -> Bytes {
        each!(at => self.0[at].max(other.0[at]))
    }

    #[inline(always)]
    fn smaller(self, other: Bytes) -> Bytes {
        each!(at => self.0[at].min(other.0[at]))
    }

    #[inline(always)]
    fn and(self, other: Bytes) -> Bytes {
        each!(at => self.0[at] & other.0[at])
    }

    #[inline(always)]
    fn rest(self) -> Bytes {
        each!(at => self.0[at].min(self.0[at].wrapping_sub(10)))
    }

    #[inline(always)]
    fn of(self, table: &[u8; 16]) -> Bytes {
        each!(at => table[usize::from(self.0[at] % 16)])
    }

    #[inline(always)]
    fn of_pairs(self, table: &[u8; 128]) -> Bytes {
        each!(at => table[usize::from(self.0[at] % 128)])
    }

    #[inline(always)]
    fn or(self, other: Bytes) -> Bytes {
        each!(at => self.0[at] | other.0[at])
    }

    #[inline(always)]
    fn high(self) -> Bytes {
        each!(at => self.0[at] >> 4)
    }

    #[inline(always)]
    fn equals(self, other: Bytes) -> Bytes {
        each!(at => if self.0[at] == other.0[at] { 0xff } else { 0 })
    }

    #[inline(always)]
    fn meets(self, other: Bytes) -> Bytes {
        each!(at => if self.0[at] & other.0[at] != 0 { 0xff } else { 0 })
    }

    #[inline(always)]
    fn only(self, which: Bytes) -> Bytes {
        self.and(which)
    }

    #[inline(always)]
    fn marked(self, which: Bytes, bit: u8) -> Bytes {
        each!(at => self.0[at] | which.0[at] & bit)
    }

    #[inline(always)]
    fn marked_if(self, which: Bytes, lengths: Bytes, bit: u8) -> Bytes {
        self.marked(which.and(lengths), bit)
    }

    #[inline(always)]
    fn positive(self) -> u64 {
        let mut word = [0; WORD];
        for (at, byte) in self.0.iter().enumerate() {
            word[at] = if *byte == 0 { 0 } else { b'0' };
        }
        Portable::digits(&word)
    }
}

impl Strict for Portable {
    type Values = Bytes;
}

#[cfg(target_arch = "aarch64")]
impl Strict for super::neon::Neon {
    type Values = Bytes;
}
