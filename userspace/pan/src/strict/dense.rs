//! Blocks of nothing but digits: every window of a block at once, 64 starts to a mask. No other reading finds anything there, but for hex text
//! that is all decimal, which is left to the usual way.
//!
//! The last word of a block stays for whatever comes next: no window that ends behind the block begins before it.

use crate::{
    Engine,
    arch::{Masks, Set, WORD},
    keep::{DIGITS_MAX, DIGITS_MIN},
};

const WORDS: usize = 16;
/// Bytes of a block.
pub(crate) const BLOCK: usize = WORDS * WORD;
/// A window may reach beyond the block: it is dropped then.
const LENGTH: usize = BLOCK + WORD;
const COUNT: usize = DIGITS_MAX - DIGITS_MIN + 1;

/// Digits with which a pair may begin that is a digit or a separator in hex text.
const PAIRS: Set = Set::of(&[(0x3, b"\x00\x02\x03\x05")]);

type Row = [u8; LENGTH];

/// What a block holds.
pub(crate) struct Found {
    /// Bit n of word i: the byte 64 i + n is hidden.
    pub(crate) hidden: [u64; WORDS + 1],
    pub(crate) cards: u32,
}

/// Sums over the digits that follow each place; "one" and "two" say what the first digit counts.
struct Sums {
    one: Row,
    two: Row,
    two_one: Row,
    one_two: Row,
    twelve_two: Row,
    twelve_one: Row,
    sixteen_two: Row,
    sixteen_one: Row,
}

/// Looks for cards in a block; None where it is no block of digits alone. Digits before `covered` belong to a counted card.
#[inline(always)]
pub(crate) fn find<M: Masks>(engine: &Engine, bytes: &[u8; BLOCK], covered: &mut usize) -> Option<Found> {
    let (words, _) = bytes.as_chunks::<WORD>();
    if !words.iter().all(|word| M::digits(word) == u64::MAX) || may_be_pairs::<M>(words) {
        return None;
    }
    let mut sums = Sums::EMPTY;
    sums.fill(bytes);
    let (mut begins, mut ends) = ([0; LENGTH], [0; LENGTH]);
    issued(engine, &sums.one, &mut begins, &mut ends);
    let mut found = Found { hidden: [0; WORDS + 1], cards: 0 };
    let mut hits = [[0; COUNT]; WORDS];
    let look = Look { sums: &sums, begins: &begins, ends: &ends };
    let reach = Reach::new(engine);
    for (word, hits) in hits.iter_mut().enumerate() {
        hits[0] = look.at::<M, 13>(&reach, word, &mut found);
        hits[1] = look.at::<M, 14>(&reach, word, &mut found);
        hits[2] = look.at::<M, 15>(&reach, word, &mut found);
        hits[3] = look.at::<M, 16>(&reach, word, &mut found);
        hits[4] = look.at::<M, 17>(&reach, word, &mut found);
        hits[5] = look.at::<M, 18>(&reach, word, &mut found);
        hits[6] = look.at::<M, 19>(&reach, word, &mut found);
    }
    found.count(&hits, covered);
    Some(found)
}

/// Whether thirteen pairs in a row may be digits and separators of hex text.
#[inline(always)]
fn may_be_pairs<M: Masks>(words: &[[u8; WORD]]) -> bool {
    let (mut any, mut before) = (0, 0);
    for word in words {
        let here = M::of(word, &PAIRS);
        let both = u128::from(here) << 64 | u128::from(before);
        let two = both & both >> 2;
        let four = two & two >> 4;
        let eight = four & four >> 8;
        any |= eight & four >> 16 & both >> 24;
        before = here;
    }
    any != 0
}

#[inline(always)]
fn at(row: &Row, from: usize) -> &[u8; WORD] {
    row.get(from..).and_then(|row| row.first_chunk()).unwrap_or(&[0; WORD])
}

/// By the first of four digits: the lengths of numbers that begin with them, and of those that, read backward, begin with the last.
#[inline(always)]
fn issued(engine: &Engine, digits: &Row, begins: &mut Row, ends: &mut Row) {
    let mut heads = [0_u16; LENGTH];
    let mut tens = [0_u8; LENGTH];
    for at in 0..LENGTH - 1 {
        tens[at] = digits[at].wrapping_mul(10).wrapping_add(digits[at + 1]);
    }
    for at in 0..BLOCK {
        heads[at] = u16::from(tens[at]) * 100 + u16::from(tens[at + 2]);
    }
    let table = engine.heads.strict_ends();
    for at in 0..BLOCK {
        let lengths = table[usize::from(heads[at]) % table.len()];
        begins[at] = lengths as u8;
        ends[at] = (lengths >> 8) as u8;
    }
}

impl Sums {
    const EMPTY: Sums = Sums {
        one: [0; LENGTH],
        two: [0; LENGTH],
        two_one: [0; LENGTH],
        one_two: [0; LENGTH],
        twelve_two: [0; LENGTH],
        twelve_one: [0; LENGTH],
        sixteen_two: [0; LENGTH],
        sixteen_one: [0; LENGTH],
    };

    #[inline(always)]
    fn fill(&mut self, bytes: &[u8; BLOCK]) {
        for ((byte, one), two) in bytes.iter().zip(&mut self.one).zip(&mut self.two) {
            let digit = byte & 15;
            *one = digit;
            *two = digit + digit - if digit > 4 { 9 } else { 0 };
        }
        add::<1>(&mut self.two_one, &self.two, &self.one);
        add::<1>(&mut self.one_two, &self.one, &self.two);
        let mut four = [0; LENGTH];
        let mut eight = [0; LENGTH];
        add::<2>(&mut four, &self.two_one, &self.two_one);
        add::<4>(&mut eight, &four, &four);
        add::<8>(&mut self.twelve_two, &eight, &four);
        add::<8>(&mut self.sixteen_two, &eight, &eight);
        add::<2>(&mut four, &self.one_two, &self.one_two);
        add::<4>(&mut eight, &four, &four);
        add::<8>(&mut self.twelve_one, &eight, &four);
        add::<8>(&mut self.sixteen_one, &eight, &eight);
    }

    /// The starts from `from` on where the check digit of a number of this length is right, read forward and backward. Of an odd number of
    /// digits the first counts one either way; of an even one it counts two, and backward one.
    #[inline(always)]
    fn right<M: Masks>(&self, from: usize, length: usize) -> (u64, u64) {
        let (one, two_one, one_two) = (|n| at(&self.one, from + n), &self.two_one, &self.one_two);
        let (twelve, sixteen) = (|n| at(&self.twelve_two, from + n), |n| at(&self.sixteen_two, from + n));
        let two = |n| at(two_one, from + n);
        let odd = |mask| (mask, mask);
        match length {
            13 => odd(M::tenths(&[one(0), twelve(1)])),
            14 => {
                let backward = [at(&self.twelve_one, from), at(one_two, from + 12)];
                (M::tenths(&[twelve(0), two(12)]), M::tenths(&backward))
            }
            15 => odd(M::tenths(&[one(0), twelve(1), two(13)])),
            16 => (M::tenths(&[sixteen(0)]), M::tenths(&[at(&self.sixteen_one, from)])),
            17 => odd(M::tenths(&[one(0), sixteen(1)])),
            18 => {
                let backward = [at(&self.sixteen_one, from), at(one_two, from + 16)];
                (M::tenths(&[sixteen(0), two(16)]), M::tenths(&backward))
            }
            _ => odd(M::tenths(&[one(0), sixteen(1), two(17)])),
        }
    }
}

/// `sums[n] = first[n] + second[n + OFFSET]`.
#[inline(always)]
fn add<const OFFSET: usize>(sums: &mut Row, first: &Row, second: &Row) {
    for at in 0..LENGTH - OFFSET {
        sums[at] = first[at].wrapping_add(second[at + OFFSET]);
    }
}

impl Found {
    /// Hides these digits of the numbers that start at these places of a word: a few, so one by one.
    #[inline(always)]
    fn hide(&mut self, word: usize, starts: u64, digits: u64) {
        let mut starts = starts;
        while starts != 0 {
            let at = starts.trailing_zeros();
            starts &= starts - 1;
            self.hidden[word] |= digits << at;
            self.hidden[word + 1] |= digits >> 1 >> (63 - at);
        }
    }

    /// Counts, in the order of their ends, those that do not overlap one counted before.
    #[inline(always)]
    fn count(&mut self, hits: &[[u64; COUNT]; WORDS], covered: &mut usize) {
        let mut before = &[0; COUNT];
        for (word, here) in hits.iter().enumerate() {
            let mut ends = 0;
            for (index, (here, before)) in here.iter().zip(before).enumerate() {
                let back = DIGITS_MIN + index - 1;
                ends |= here << back | before >> (WORD - back);
            }
            before = here;
            while ends != 0 {
                let end = word * WORD + ends.trailing_zeros() as usize + 1;
                ends &= ends - 1;
                if end >= *covered + DIGITS_MIN && ends_free(hits, end, *covered) {
                    *covered = end;
                    self.cards += 1;
                }
            }
        }
    }
}

/// Whether a card that ends at `end` begins at `covered` or behind.
#[inline(always)]
fn ends_free(hits: &[[u64; COUNT]; WORDS], end: usize, covered: usize) -> bool {
    (0..COUNT).any(|index| match end.checked_sub(DIGITS_MIN + index) {
        Some(start) if start >= covered => hits[start / WORD % WORDS][index] >> (start % WORD) & 1 == 1,
        _ => false,
    })
}

/// What is hidden of a number of each length.
struct Reach([Hidden; COUNT]);

/// Bit n: the digit n is hidden.
#[derive(Clone, Copy)]
struct Hidden {
    forward: u64,
    backward: u64,
}

impl Reach {
    fn new(engine: &Engine) -> Reach {
        Reach(std::array::from_fn(|index| {
            let length = DIGITS_MIN + index;
            let bits = |place: &dyn Fn(usize) -> usize| {
                (0..length).filter(|&index| engine.keep.hides(place(index), length)).fold(0, |bits, at| bits | 1 << at)
            };
            Hidden { forward: bits(&|index| index), backward: bits(&|index| length - 1 - index) }
        }))
    }
}

/// All that the numbers of a block are judged by.
struct Look<'a> {
    sums: &'a Sums,
    begins: &'a Row,
    ends: &'a Row,
}

impl Look<'_> {
    /// The starts of cards of this length in a word; hides what has to go of them.
    #[inline(always)]
    fn at<M: Masks, const LENGTH: usize>(&self, reach: &Reach, word: usize, found: &mut Found) -> u64 {
        let (forward, backward) = self.sums.right::<M>(word * WORD, LENGTH);
        let inside = if word + 1 == WORDS { u64::MAX >> (LENGTH - 1) } else { u64::MAX };
        let bit = 1 << (LENGTH - 12);
        let forward = forward & inside & M::with_bit(at(self.begins, word * WORD), bit);
        let backward = backward & inside & M::with_bit(at(self.ends, word * WORD + LENGTH - 4), bit);
        let hidden = reach.0[LENGTH - DIGITS_MIN];
        found.hide(word, forward, hidden.forward);
        found.hide(word, backward, hidden.backward);
        forward | backward
    }
}
