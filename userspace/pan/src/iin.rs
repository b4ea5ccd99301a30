//! Issuer ranges: which lengths does a brand issue under these first four digits? The data is `iin.csv`, compiled by `build.rs`.

pub(crate) mod products;

use std::sync::OnceLock;

use products::{Eight, Products};

use crate::strict::Issued;

static BALANCED: &[u8; 10_000] = include_bytes!(concat!(env!("OUT_DIR"), "/balanced.bin"));
static STRICT: &[u8; 10_000] = include_bytes!(concat!(env!("OUT_DIR"), "/strict.bin"));

/// The lengths issued under one head, as a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths(u8);

/// First four digits -> lengths, for both modes: the built-in ranges and what an operator added.
#[derive(Debug)]
pub(crate) struct Heads {
    balanced: Box<[u8; ROOM]>,
    strict: Box<[u8; 10_000]>,
    ends: Box<[u16; ROOM]>,
    /// The strict lengths once more, for many numbers at once: made when it is first asked for.
    issued: OnceLock<Box<Issued>>,
    /// The balanced heads of 16 digits once more, for many places at once; made when they are first asked for.
    sixteens: OnceLock<Option<Products>>,
}

/// Four digits as an index, rounded up so that any 14 bits are in range.
pub(crate) const ROOM: usize = 1 << 14;

impl Heads {
    pub(crate) fn builtin() -> Heads {
        let mut heads = Heads {
            balanced: Box::new([0; ROOM]),
            strict: Box::new(*STRICT),
            ends: Box::new([0; ROOM]),
            issued: OnceLock::new(),
            sixteens: OnceLock::new(),
        };
        heads.balanced.iter_mut().zip(BALANCED).for_each(|(slot, lengths)| *slot = *lengths);
        heads.join_ends();
        heads
    }

    /// For four digits: the lengths of numbers that begin with them (low byte) and of numbers that, read backward, end with them. And what else is made
    /// of the tables.
    fn join_ends(&mut self) {
        for (head, slot) in self.ends.iter_mut().enumerate().take(10_000) {
            let back = head % 10 * 1000 + head / 10 % 10 * 100 + head / 100 % 10 * 10 + head / 1000;
            *slot = u16::from(self.strict[head]) | u16::from(self.strict[back]) << 8;
        }
        self.issued = OnceLock::new();
        self.sixteens = OnceLock::new();
    }

    /// Both directions of the strict lengths by four digits as a number: see `join_ends`.
    pub(crate) fn strict_ends(&self) -> &[u16; ROOM] {
        &self.ends
    }

    /// The strict lengths by pairs of digits.
    pub(crate) fn issued(&self) -> &Issued {
        self.issued.get_or_init(|| Box::new(Issued::of(&self.strict)))
    }

    /// Adds a range: the first four of `digits` (values 0..=9), or all numbers that begin with fewer.
    pub(crate) fn add(&mut self, digits: &[u8], lengths: &[u8]) {
        let head = digits.get(..digits.len().min(4)).unwrap_or_default();
        let scale = 10_usize.pow(4 - head.len() as u32);
        let first = head.iter().fold(0, |sum, &digit| sum * 10 + usize::from(digit)) * scale;
        let bits = lengths.iter().fold(0, |bits, length| bits | 1 << (length - 12));
        let balanced = self.balanced.iter_mut().skip(first).take(scale);
        balanced.chain(self.strict.iter_mut().skip(first).take(scale)).for_each(|known| *known |= bits);
        self.join_ends();
    }

    /// Lengths found by content in every value. `digits` are values 0..=9; fewer than four have none.
    pub(crate) fn balanced(&self, digits: &[u8]) -> Lengths {
        Lengths::of(&*self.balanced, digits)
    }

    /// The same for a text whose first four bytes are digits.
    #[inline(always)]
    pub(crate) fn balanced_of(&self, text: &[u8; 4]) -> Lengths {
        self.balanced_at(head_of(text))
    }

    /// The same by four digits as a number.
    #[inline(always)]
    pub(crate) fn balanced_at(&self, head: u32) -> Lengths {
        Lengths(self.balanced[head as usize % ROOM])
    }

    /// The heads of 16 digits as products; None: they are too many.
    #[inline(always)]
    pub(crate) fn sixteens(&self) -> Option<&[Eight]> {
        let made = || Products::of(|head| self.balanced.get(head).is_some_and(|&set| Lengths(set).contains(16)));
        self.sixteens.get_or_init(made).as_ref().map(Products::eights)
    }

    /// Lengths found by the strict scan: a superset.
    pub(crate) fn strict(&self, digits: &[u8]) -> Lengths {
        Lengths::of(&*self.strict, digits)
    }
}

/// Four digits as a number.
#[inline(always)]
pub(crate) fn head_of(text: &[u8; 4]) -> u32 {
    // Two digits to a number, then four: each product's upper part is the sum that is wanted.
    let digits = u32::from_le_bytes(*text) & 0x0f0f_0f0f;
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff;
    pairs.wrapping_mul(100 << 16 | 1) >> 16
}

impl Lengths {
    fn of(table: &[u8], digits: &[u8]) -> Lengths {
        let [a, b, c, d, ..] = *digits else { return Lengths(0) };
        let head = usize::from(a) * 1000 + usize::from(b) * 100 + usize::from(c) * 10 + usize::from(d);
        Lengths(table.get(head).copied().unwrap_or(0))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One length alone.
    pub(crate) fn of_one(length: usize) -> Lengths {
        Lengths(1 << (length.wrapping_sub(12) & 7))
    }

    /// Every length.
    pub(crate) const ALL: Lengths = Lengths(u8::MAX);

    /// Those in both.
    #[inline(always)]
    pub(crate) fn and(self, other: Lengths) -> Lengths {
        Lengths(self.0 & other.0)
    }

    #[inline(always)]
    pub(crate) fn any_of(self, other: Lengths) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn contains(self, length: usize) -> bool {
        (12..=19).contains(&length) && self.0 >> (length - 12) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes that are safe only because one bit of the table is clear (facts: pan.md B).
    #[test]
    fn bits_that_must_stay_clear() {
        let builtin = Heads::builtin();
        for head in (0..10_000_u16).step_by(if cfg!(miri) { 37 } else { 1 }) {
            let digits = [head / 1000, head / 100 % 10, head / 10 % 10, head % 10].map(|d| d as u8);
            assert!(!builtin.balanced(&digits).contains(13), "phones and EAN-13: {head}");
            assert!(!builtin.strict(&digits).contains(12), "{head}");
        }
        assert!(!builtin.balanced(&[3, 5, 3, 0]).contains(15), "IMEI");
        assert!(builtin.strict(&[8, 9, 4, 9]).is_empty(), "ICCID");
        assert!(!builtin.balanced(&[2, 2, 0, 1]).contains(19), "snowflakes of June 2027");
        assert!(builtin.strict(&[2, 0, 2, 6]).is_empty(), "order numbers that start with a year");
        assert!(builtin.strict(&[1, 7, 6, 3]).is_empty(), "epochs");
    }

    /// One number in ten passes the check digit; of random ones the table may take no more than this (facts: pan.md E).
    #[test]
    #[cfg_attr(miri, ignore = "a sum over a table, nothing that Miri sees more of")]
    fn budgets_of_random_numbers() {
        let builtin = Heads::builtin();
        let heads = |first: u32| [first / 1000, first / 100 % 10, first / 10 % 10, first % 10].map(|d| d as u8);
        let ids = (0..10_000).filter(|&head| builtin.balanced(&heads(head)).contains(16)).count();
        assert!(ids <= 3_000, "30,000 per million 16-digit ids: {ids}");
        let mut bigints = 0_u64;
        for (length, head) in (14..=19).flat_map(|length| (1000..10_000).map(move |head| (length, head))) {
            if builtin.balanced(&heads(head)).contains(length as usize) {
                let (from, size) = (u64::from(head) * 10_u64.pow(length - 4), 10_u64.pow(length - 4));
                bigints += from.saturating_add(size).min(1 << 63).saturating_sub(from);
            }
        }
        assert!(bigints / 10 <= (1 << 63) / 1_000_000 * 15_000, "15,000 per million of 63 bits");
    }

    #[test]
    fn edges_of_the_ranges() {
        let builtin = Heads::builtin();
        let has = |digits: [u8; 4], length| builtin.balanced(&digits).contains(length);
        assert!(!has([2, 2, 2, 0], 16) && has([2, 2, 2, 1], 16) && has([2, 7, 2, 0], 16) && !has([2, 7, 2, 1], 16));
        assert!(!has([3, 5, 2, 7], 16) && has([3, 5, 2, 8], 16) && has([3, 5, 8, 9], 16) && !has([3, 5, 9, 0], 16));
        assert!(has([4, 9, 9, 9], 16) && has([5, 5, 9, 9], 16) && !has([5, 6, 0, 0], 16) && has([3, 7, 8, 2], 15));
    }
}
