//! What the strict scan asks of a processor beyond masks: many bytes at once, and bits gathered and scattered.

use super::{
    Masks, WORD,
    portable::{self, Portable},
};
use crate::iin::ROOM as HEADS;

/// The instructions of one backend.
pub(crate) trait Strict: Masks {
    /// 64 bytes in registers.
    type Values: Lanes;

    /// The values of the taken bytes, side by side: of digits their own, `other` of the rest. What stands behind them is of no interest.
    #[inline(always)]
    fn packed(word: &[u8; WORD], digits: u64, taken: u64, other: u8) -> [u8; WORD] {
        let (mut packed, mut count) = ([0; WORD], 0);
        for (at, &byte) in word.iter().enumerate() {
            packed[count % WORD] = if digits >> at & 1 == 1 { byte & 15 } else { other };
            count += (taken >> at & 1) as usize;
        }
        packed
    }

    /// The lowest bits of `bits` at the mask's places.
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

    /// Writes a star at the mask's places.
    #[inline(always)]
    fn star(word: &mut [u8; WORD], mask: u64) {
        for (at, byte) in word.iter_mut().enumerate() {
            *byte = if mask >> at & 1 == 1 { b'*' } else { *byte };
        }
    }
}

/// 64 bytes, where a register's worth begins a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Row(pub(crate) [u8; WORD]);

/// A number for each length of a set (bit 0: 12 digits).
#[derive(Clone, Copy)]
pub(crate) struct Most {
    by_length: [u8; 8],
    /// The largest of a set, by its lower and its upper four bits.
    nibbles: [[u8; 16]; 2],
}

impl Most {
    pub(crate) const NONE: Most = Most { by_length: [0; 8], nibbles: [[0; 16]; 2] };

    pub(crate) const fn add(&mut self, length: usize, number: u8) {
        let bit = length - 12;
        self.by_length[bit] = number;
        let (half, mut bits) = (bit / 4, 0);
        while bits < 16 {
            if bits >> (bit % 4) & 1 == 1 && self.nibbles[half][bits] < number {
                self.nibbles[half][bits] = number;
            }
            bits += 1;
        }
    }

    #[cfg(test)]
    pub(crate) fn of(&self, length: usize) -> u8 {
        let number = self.by_length[length - 12];
        assert_eq!(self.nibbles[(length - 12) / 4][1 << (length % 4)], number);
        number
    }
}

/// 64 bytes, one for each of so many numbers.
pub(crate) trait Lanes: Copy {
    /// Whether `of_pairs` is an instruction.
    const PAIRS: bool = false;
    /// For each byte, yes or no.
    type Which: Copy;

    fn load(row: &Row) -> Self;
    fn store(self, row: &mut Row);
    fn all(byte: u8) -> Self;
    /// Modulo 256.
    fn plus(self, other: Self) -> Self;
    /// Not below zero.
    fn minus(self, other: Self) -> Self;
    fn larger(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    /// Less ten where that is not below zero; of what is less than 20, the rest modulo ten.
    fn rest(self) -> Self;
    /// The table's entries at these places, each less than 16.
    fn of(self, table: &[u8; 16]) -> Self;
    /// The table's entries at these places, each less than 128.
    fn of_pairs(self, table: &[u8; 128]) -> Self;
    /// The upper four bits of each byte.
    fn high(self) -> Self;
    fn equals(self, other: Self) -> Self::Which;
    fn at_most(self, other: Self) -> Self::Which;
    /// Where both have a bit in common.
    fn meets(self, other: Self) -> Self::Which;
    /// Nothing elsewhere.
    fn only(self, which: Self::Which) -> Self;
    fn choose(which: Self::Which, yes: Self, no: Self) -> Self;
    /// With this bit, which was not set, where `which` says so.
    fn marked(self, which: Self::Which, bit: u8) -> Self;
    /// The same, but only where `lengths` has the bit too.
    fn marked_if(self, which: Self::Which, lengths: Self, bit: u8) -> Self;
    /// Bit n: the byte n is not zero.
    fn positive(self) -> u64;
    /// Whether all bytes are equal.
    fn same(self, other: Self) -> bool;

    /// What a doubled digit adds to the sum of the check digit.
    #[inline(always)]
    fn doubled(self) -> Self {
        self.of(&[0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0])
    }

    /// Ten times a digit.
    #[inline(always)]
    fn tenfold(self) -> Self {
        self.of(&[0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 0, 0, 0, 0, 0, 0])
    }

    /// Of each set of lengths the largest number; of none, nothing.
    #[inline(always)]
    fn most(self, most: &Most) -> Self {
        let [low, high] = &most.nibbles;
        self.and(Self::all(15)).of(low).larger(self.high().of(high))
    }

    /// The entries for four digits, given as two pairs of them: the lower bytes and the upper ones.
    #[inline(always)]
    fn heads(first: Self, second: Self, table: &[u16; HEADS]) -> (Self, Self) {
        let (mut firsts, mut seconds) = (Row([0; WORD]), Row([0; WORD]));
        first.store(&mut firsts);
        second.store(&mut seconds);
        let mut heads = [0; WORD];
        for (head, (&first, &second)) in heads.iter_mut().zip(firsts.0.iter().zip(&seconds.0)) {
            *head = u16::from(first) * 100 + u16::from(second);
        }
        looked_up(&mut heads, table);
        for ((first, second), entry) in firsts.0.iter_mut().zip(&mut seconds.0).zip(heads) {
            (*first, *second) = (entry as u8, (entry >> 8) as u8);
        }
        (Self::load(&firsts), Self::load(&seconds))
    }

    /// Lays out 16 bytes of each of 64 columns, each `apart` bytes behind the one before.
    #[inline(always)]
    fn columns(source: &[u8], apart: usize, rows: &mut [Row; 16]) {
        for column in 0..WORD {
            let Some(bytes) = source.get(column * apart..).and_then(|rest| rest.first_chunk::<16>()) else { return };
            rows.iter_mut().zip(bytes).for_each(|(row, byte)| row.0[column] = *byte);
        }
    }
}

/// On its own, so that it is one load a number and not a vector taken apart.
#[inline(never)]
fn looked_up(heads: &mut [u16; WORD], table: &[u16; HEADS]) {
    for head in heads {
        *head = table[usize::from(*head) % HEADS];
    }
}

/// For any processor: arrays that the compiler has instructions for.
#[derive(Clone, Copy)]
pub(crate) struct Bytes([u8; WORD]);

/// One result for each place.
macro_rules! each {
    ($at:ident => $byte:expr) => {{
        let mut bytes = [0; WORD];
        for $at in 0..WORD {
            bytes[$at] = $byte;
        }
        Bytes(bytes)
    }};
}

impl Lanes for Bytes {
    type Which = Bytes;

    #[inline(always)]
    fn load(row: &Row) -> Bytes {
        Bytes(row.0)
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        row.0 = self.0;
    }

    #[inline(always)]
    fn all(byte: u8) -> Bytes {
        Bytes([byte; WORD])
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
    fn and(self, other: Bytes) -> Bytes {
        each!(at => self.0[at] & other.0[at])
    }

    #[inline(always)]
    fn or(self, other: Bytes) -> Bytes {
        each!(at => self.0[at] | other.0[at])
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
    fn high(self) -> Bytes {
        each!(at => self.0[at] >> 4)
    }

    #[inline(always)]
    fn equals(self, other: Bytes) -> Bytes {
        each!(at => if self.0[at] == other.0[at] { 0xff } else { 0 })
    }

    #[inline(always)]
    fn at_most(self, other: Bytes) -> Bytes {
        each!(at => if self.0[at] <= other.0[at] { 0xff } else { 0 })
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
    fn choose(which: Bytes, yes: Bytes, no: Bytes) -> Bytes {
        each!(at => yes.0[at] & which.0[at] | no.0[at] & !which.0[at])
    }

    #[inline(always)]
    fn marked(self, which: Bytes, bit: u8) -> Bytes {
        each!(at => self.0[at] | which.0[at] & bit)
    }

    #[inline(always)]
    fn marked_if(self, which: Bytes, lengths: Bytes, bit: u8) -> Bytes {
        each!(at => self.0[at] | which.0[at] & lengths.0[at] & bit)
    }

    #[inline(always)]
    fn positive(self) -> u64 {
        portable::nonzero(&self.0)
    }

    #[inline(always)]
    fn same(self, other: Bytes) -> bool {
        self.0 == other.0
    }

    // Without tables of 16, which few processors have where nothing is known of them.

    #[inline(always)]
    fn doubled(self) -> Bytes {
        each!(at => (self.0[at] * 2).wrapping_sub(if self.0[at] > 4 { 9 } else { 0 }))
    }

    #[inline(always)]
    fn tenfold(self) -> Bytes {
        each!(at => self.0[at].wrapping_mul(10))
    }

    #[inline(always)]
    fn most(self, most: &Most) -> Bytes {
        let mut all = Bytes([0; WORD]);
        for (bit, &number) in most.by_length.iter().enumerate().filter(|(_, number)| **number > 0) {
            all = each!(at => all.0[at].max(if self.0[at] >> bit & 1 == 1 { number } else { 0 }));
        }
        all
    }
}

impl Strict for Portable {
    type Values = Bytes;
}

#[cfg(target_arch = "aarch64")]
impl Strict for super::neon::Neon {
    type Values = Bytes;
}
