//! What the strict scan asks of a processor beyond masks: many bytes at once, and bits gathered and scattered.

use super::{
    Masks, WORD,
    portable::{self, Portable},
};
use crate::{
    Engine,
    iin::ROOM as HEADS,
    keep::{DIGITS_MAX, DIGITS_MIN},
    strict::{Columns, Found},
};

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

    /// [`Columns::search`], compiled once for this backend.
    fn search(columns: &mut Columns, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
        columns.search::<Self::Values>(engine, digits, count, covered)
    }

    /// [`Columns::bound`], in the same way.
    fn bound(columns: &mut Columns, engine: &Engine, digits: &[u8]) -> [u64; WORD] {
        columns.bound::<Self::Values>(engine, digits)
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

/// Lengths of cards: 13 to 19.
pub(crate) const LENGTHS: usize = DIGITS_MAX - DIGITS_MIN + 1;
/// Lengths that are told apart when it comes to what they hide: 13, 14, 15, and those from 16 on.
pub(crate) const GROUPS: usize = 4;

/// The group of a length, given as how much more than 13 it is.
pub(crate) const fn group(length: usize) -> usize {
    if length < GROUPS { length } else { GROUPS - 1 }
}

/// A number for each length, in the forms that it is looked up in.
pub(crate) struct Numbers {
    pub(super) rows: [Row; LENGTHS],
    /// By the lower four bits of a set (bit 0: 12 digits): the largest of each group alone, then of all.
    low: [[u8; 16]; GROUPS],
    /// By the upper four bits, from 16 digits on.
    high: [u8; 16],
}

impl Numbers {
    pub(crate) const fn new(numbers: [u8; LENGTHS]) -> Numbers {
        let mut all = Numbers { rows: [Row([0; WORD]); LENGTHS], low: [[0; 16]; GROUPS], high: [0; 16] };
        let mut length = 0;
        while length < LENGTHS {
            let (number, bit) = (numbers[length], length + DIGITS_MIN - 12);
            all.rows[length] = Row([number; WORD]);
            let mut bits = 0;
            while bits < 16 {
                let has = bits >> (bit % 4) & 1 == 1;
                if has && bit >= 4 && all.high[bits] < number {
                    all.high[bits] = number;
                }
                if has && bit < 4 {
                    all.low[group(length)][bits] = number;
                    if all.low[GROUPS - 1][bits] < number {
                        all.low[GROUPS - 1][bits] = number;
                    }
                }
                bits += 1;
            }
            length += 1;
        }
        all
    }

    #[cfg(test)]
    pub(crate) fn of(&self, length: usize) -> u8 {
        self.rows[length - DIGITS_MIN].0[0]
    }
}

/// What is the largest of the numbers of those lengths that pass and are issued.
pub(crate) struct Largest<L> {
    /// Of how many digits a card hides, by group.
    pub(crate) hides: [L; GROUPS],
    /// Of how short it is.
    pub(crate) short: L,
}

impl<L: Lanes> Largest<L> {
    #[inline(always)]
    pub(crate) fn none() -> Largest<L> {
        Largest { hides: [L::all(0); GROUPS], short: L::all(0) }
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
    /// The same of bytes that begin anywhere.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for `balanced::fours`"))]
    fn at(bytes: &[u8; WORD]) -> Self;
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for `balanced::fours`"))]
    fn put(self, bytes: &mut [u8; WORD]);
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
    /// With these bits, none of which was set, where `which` says so.
    fn with(self, which: Self::Which, bits: u8) -> Self;
    fn choose(which: Self::Which, yes: Self, no: Self) -> Self;
    /// With this bit, which was not set, where `which` says so and `lengths` has it too.
    fn marked_if(self, which: Self::Which, lengths: Self, bit: u8) -> Self;
    /// Bit n: the byte n is not zero.
    fn positive(self) -> u64;
    /// Bit n: the highest bit of the byte n.
    fn signs(self) -> u64;
    /// Bit n: it says yes of the byte n.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for `balanced::fours`"))]
    fn bits(which: Self::Which) -> u64;
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

    /// Takes a length into account (given as how much more than 13 it is) where it passes and is issued (bit n: 12 + n). `ALIKE`: all lengths
    /// are of the first group.
    ///
    /// This way gathers sets of lengths, for processors with tables of 16 and no masks.
    #[inline(always)]
    fn note<const ALIKE: bool>(
        largest: &mut Largest<Self>,
        length: usize,
        passes: Self::Which,
        issued: Self,
        _: &Numbers,
        _: &Numbers,
    ) {
        largest.short = largest.short.marked_if(passes, issued, 2 << length);
    }

    /// All lengths are taken into account.
    #[inline(always)]
    fn noted<const ALIKE: bool>(largest: &mut Largest<Self>, hides: &Numbers, short: &Numbers) {
        let (low, high) = (largest.short.and(Self::all(15)), largest.short.high());
        largest.hides = [high.of(&hides.high); GROUPS];
        if ALIKE {
            largest.hides[0] = largest.hides[0].larger(low.of(&hides.low[GROUPS - 1]));
        } else {
            for group in 0..GROUPS - 1 {
                largest.hides[group] = low.of(&hides.low[group]);
            }
        }
        largest.short = high.of(&short.high).larger(low.of(&short.low[GROUPS - 1]));
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
    fn at(bytes: &[u8; WORD]) -> Bytes {
        Bytes(*bytes)
    }

    #[inline(always)]
    fn put(self, bytes: &mut [u8; WORD]) {
        *bytes = self.0;
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
    fn with(self, which: Bytes, bits: u8) -> Bytes {
        each!(at => self.0[at] | which.0[at] & bits)
    }

    #[inline(always)]
    fn choose(which: Bytes, yes: Bytes, no: Bytes) -> Bytes {
        each!(at => yes.0[at] & which.0[at] | no.0[at] & !which.0[at])
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
    fn signs(self) -> u64 {
        portable::signs(&self.0)
    }

    #[inline(always)]
    fn bits(which: Bytes) -> u64 {
        which.signs()
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
    fn note<const ALIKE: bool>(
        largest: &mut Largest<Bytes>,
        length: usize,
        passes: Bytes,
        issued: Bytes,
        hides: &Numbers,
        short: &Numbers,
    ) {
        let (bit, own) = (2 << length, if ALIKE { 0 } else { group(length) });
        let (hides, short) = (hides.rows[length].0[0], short.rows[length].0[0]);
        for at in 0..WORD {
            let is = passes.0[at] & if issued.0[at] & bit != 0 { 0xff } else { 0 };
            largest.hides[own].0[at] = largest.hides[own].0[at].max(is & hides);
            largest.short.0[at] = largest.short.0[at].max(is & short);
        }
    }

    #[inline(always)]
    fn noted<const ALIKE: bool>(_: &mut Largest<Bytes>, _: &Numbers, _: &Numbers) {}
}

impl Strict for Portable {
    type Values = Bytes;
}

#[cfg(target_arch = "aarch64")]
impl Strict for super::neon::Neon {
    type Values = Bytes;
}
