//! Issuer ranges: which lengths does a brand issue under these first four digits? The data is `iin.csv`, compiled by `build.rs`.

use std::sync::OnceLock;

use crate::{
    arch::Set,
    keep::{DIGITS_MAX, DIGITS_MIN},
    strict::Issued,
};

static BALANCED: &[u8; 10_000] = include_bytes!(concat!(env!("OUT_DIR"), "/balanced.bin"));
static STRICT: &[u8; 10_000] = include_bytes!(concat!(env!("OUT_DIR"), "/strict.bin"));

/// The lengths issued under one head, as a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths(u8);

/// First four digits -> lengths, for both modes: the built-in ranges and what an operator added.
#[derive(Debug)]
pub(crate) struct Heads {
    balanced: Box<[u8; 10_000]>,
    strict: Box<[u8; 10_000]>,
    ends: Box<[u16; ENDS]>,
    /// By length from 13 on.
    pairs: [Pairs; DIGITS_MAX - DIGITS_MIN + 1],
    /// The strict lengths once more, for many numbers at once: made when it is first asked for.
    issued: OnceLock<Box<Issued>>,
}

/// What the first two digits say about the balanced lengths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs {
    /// Every number of this length that begins with these two is issued.
    pub(crate) all: Set,
    /// Some are, or more: it is never missing here.
    pub(crate) some: Set,
    /// What else is issued by its first four digits, as far as eight boxes of them go: two pairs in their sets by the same row.
    pub(crate) fours: [Set; 2],
}

/// Four sets of digits, one for each place: all the numbers that they make are issued.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Box4([u16; 4]);

impl Box4 {
    fn size(self) -> u32 {
        self.0.iter().map(|digits| digits.count_ones()).product()
    }

    /// The largest boxes of a table whose pairs are neither issued as a whole nor not at all, as two sets.
    fn largest(issued: impl Fn(usize) -> bool) -> [Set; 2] {
        let mut boxes: Vec<Box4> = Vec::new();
        for pair in 0..100 {
            let row = |third: usize| {
                (0..10).fold(0_u16, |row, fourth| row | u16::from(issued(pair * 100 + third * 10 + fourth)) << fourth)
            };
            if (0..10).all(|third| row(third) == 0x3ff) {
                continue;
            }
            let mut rows: Vec<u16> = (0..10).map(row).filter(|&row| row != 0).collect();
            rows.sort_unstable();
            rows.dedup();
            for wanted in rows {
                let thirds = (0..10).filter(|&third| row(third) == wanted).fold(0, |thirds, third| thirds | 1 << third);
                let ends = [thirds, wanted];
                // Pairs with the same first digit and the same ends share a box.
                match boxes.iter_mut().find(|other| other.0[0] == 1 << (pair / 10) && other.0[2..] == ends) {
                    Some(other) => other.0[1] |= 1 << (pair % 10),
                    None => boxes.push(Box4([1 << (pair / 10), 1 << (pair % 10), thirds, wanted])),
                }
            }
        }
        boxes.sort_by_key(|numbers| std::cmp::Reverse(numbers.size()));
        let mut sets = [Set::EMPTY; 2];
        for (bit, numbers) in boxes.iter().take(8).enumerate() {
            for digit in 0..10 {
                let has = |place: usize| ((numbers.0[place] >> digit & 1) as u8) << bit;
                sets[0].high[digit] |= has(0);
                sets[0].low[digit] |= has(1);
                sets[1].high[digit] |= has(2);
                sets[1].low[digit] |= has(3);
            }
        }
        sets
    }
}

/// Four digits as an index, rounded up so that any 14 bits are in range.
const ENDS: usize = 1 << 14;

impl Heads {
    pub(crate) fn builtin() -> Heads {
        let mut heads = Heads {
            balanced: Box::new(*BALANCED),
            strict: Box::new(*STRICT),
            ends: Box::new([0; ENDS]),
            pairs: [Pairs { all: Set::EMPTY, some: Set::EMPTY, fours: [Set::EMPTY; 2] }; DIGITS_MAX - DIGITS_MIN + 1],
            issued: OnceLock::new(),
        };
        heads.join_ends();
        heads.join_pairs();
        heads
    }

    /// For four digits: the lengths of numbers that begin with them (low byte) and of numbers that, read backward, end with them.
    fn join_ends(&mut self) {
        for (head, slot) in self.ends.iter_mut().enumerate().take(10_000) {
            let back = head % 10 * 1000 + head / 10 % 10 * 100 + head / 100 % 10 * 10 + head / 1000;
            *slot = u16::from(self.strict[head]) | u16::from(self.strict[back]) << 8;
        }
        self.issued = OnceLock::new();
    }

    /// What two digits say, by length.
    fn join_pairs(&mut self) {
        let balanced = &self.balanced;
        for (index, slot) in self.pairs.iter_mut().enumerate() {
            let issued = |&head: &usize| Lengths(balanced[head]).contains(DIGITS_MIN + index);
            let heads = |first: usize, second: usize| (first * 10 + second) * 100..(first * 10 + second + 1) * 100;
            *slot = Pairs {
                all: Set::of_pairs(|first, second| heads(first, second).all(|head| issued(&head)), false),
                some: Set::of_pairs(|first, second| heads(first, second).any(|head| issued(&head)), true),
                fours: Box4::largest(|head| issued(&head)),
            };
        }
    }

    /// What the first two digits of a number of so many say; 13 to 19.
    #[inline(always)]
    pub(crate) fn pairs(&self, digits: usize) -> &Pairs {
        &self.pairs[digits - DIGITS_MIN]
    }

    /// Both directions of the strict lengths by four digits as a number: see `join_ends`.
    pub(crate) fn strict_ends(&self) -> &[u16; ENDS] {
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
        for table in [&mut self.balanced, &mut self.strict] {
            table.iter_mut().skip(first).take(scale).for_each(|known| *known |= bits);
        }
        self.join_ends();
        self.join_pairs();
    }

    /// Lengths found by content in every value. `digits` are values 0..=9; fewer than four have none.
    pub(crate) fn balanced(&self, digits: &[u8]) -> Lengths {
        Lengths::of(&self.balanced, digits)
    }

    /// The same for a text whose first four bytes are digits.
    #[inline(always)]
    pub(crate) fn balanced_of(&self, text: &[u8; 4]) -> Lengths {
        let digits = u32::from_le_bytes(*text) & 0x0f0f_0f0f;
        let pairs = (digits & 0x000f_000f) * 10 + (digits >> 8 & 0x000f_000f);
        let head = (pairs & 0xff) * 100 + (pairs >> 16);
        Lengths(self.balanced.get(head as usize).copied().unwrap_or(0))
    }

    /// Lengths found by the strict scan: a superset.
    pub(crate) fn strict(&self, digits: &[u8]) -> Lengths {
        Lengths::of(&self.strict, digits)
    }
}

impl Lengths {
    fn of(table: &[u8; 10_000], digits: &[u8]) -> Lengths {
        let [a, b, c, d, ..] = *digits else { return Lengths(0) };
        let head = usize::from(a) * 1000 + usize::from(b) * 100 + usize::from(c) * 10 + usize::from(d);
        Lengths(table.get(head).copied().unwrap_or(0))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
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
        for head in 0..10_000_u16 {
            let digits = [head / 1000, head / 100 % 10, head / 10 % 10, head % 10].map(|d| d as u8);
            assert!(!Heads::builtin().balanced(&digits).contains(13), "phones and EAN-13: {head}");
            assert!(!Heads::builtin().strict(&digits).contains(12), "{head}");
        }
        assert!(!Heads::builtin().balanced(&[3, 5, 3, 0]).contains(15), "IMEI");
        assert!(Heads::builtin().strict(&[8, 9, 4, 9]).is_empty(), "ICCID");
        assert!(!Heads::builtin().balanced(&[2, 2, 0, 1]).contains(19), "snowflakes of June 2027");
        assert!(Heads::builtin().strict(&[2, 0, 2, 6]).is_empty(), "order numbers that start with a year");
        assert!(Heads::builtin().strict(&[1, 7, 6, 3]).is_empty(), "epochs");
    }

    /// One number in ten passes the check digit; of random ones the table may take no more than this (facts: pan.md E).
    #[test]
    fn budgets_of_random_numbers() {
        let heads = |first: u32| [first / 1000, first / 100 % 10, first / 10 % 10, first % 10].map(|d| d as u8);
        let ids = (0..10_000).filter(|&head| Heads::builtin().balanced(&heads(head)).contains(16)).count();
        assert!(ids <= 3_000, "30,000 per million 16-digit ids: {ids}");
        let mut bigints = 0_u64;
        for (length, head) in (14..=19).flat_map(|length| (1000..10_000).map(move |head| (length, head))) {
            if Heads::builtin().balanced(&heads(head)).contains(length as usize) {
                let (from, size) = (u64::from(head) * 10_u64.pow(length - 4), 10_u64.pow(length - 4));
                bigints += from.saturating_add(size).min(1 << 63).saturating_sub(from);
            }
        }
        assert!(bigints / 10 <= (1 << 63) / 1_000_000 * 15_000, "15,000 per million of 63 bits");
    }

    /// Two digits never say more than the table, with as many ranges as an operator may add.
    #[test]
    fn pairs_agree_with_the_table() {
        let (mut heads, mut sure) = (Heads::builtin(), 0);
        for added in 0..3 {
            for (length, head) in
                (DIGITS_MIN..=DIGITS_MAX).flat_map(|length| (0..10_000).map(move |head| (length, head)))
            {
                let (first, second) = (head / 1000, head / 100 % 10);
                let has = |set: &Set| set.high[first] & set.low[second] != 0;
                let issued = Lengths(heads.balanced[head]).contains(length);
                let pairs = heads.pairs(length);
                assert!(!issued || has(&pairs.some), "{head}, length {length}, round {added}");
                assert!(issued || !has(&pairs.all), "{head}, length {length}, round {added}");
                let [pair, ends] = &pairs.fours;
                let row = pair.high[first] & pair.low[second] & ends.high[head / 10 % 10] & ends.low[head % 10];
                assert!(issued || row == 0, "{head}, length {length}, round {added}");
                sure += u32::from(issued && (row != 0 || has(&pairs.all)));
            }
            for first in 0..10 {
                heads.add(&[first, first, added], &[13, 16, 17]);
                heads.add(&[first, 9 - first], &[14, 16, 17]);
            }
        }
        assert!(sure > 3 * 7 * 500);
        assert!(Heads::builtin().pairs(16).all.high[4] & Heads::builtin().pairs(16).all.low[9] != 0);
    }

    #[test]
    fn edges_of_the_ranges() {
        let has = |digits: [u8; 4], length| Heads::builtin().balanced(&digits).contains(length);
        assert!(!has([2, 2, 2, 0], 16) && has([2, 2, 2, 1], 16) && has([2, 7, 2, 0], 16) && !has([2, 7, 2, 1], 16));
        assert!(!has([3, 5, 2, 7], 16) && has([3, 5, 2, 8], 16) && has([3, 5, 8, 9], 16) && !has([3, 5, 9, 0], 16));
        assert!(has([4, 9, 9, 9], 16) && has([5, 5, 9, 9], 16) && !has([5, 6, 0, 0], 16) && has([3, 7, 8, 2], 15));
    }
}
