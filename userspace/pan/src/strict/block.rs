//! Every window that ends in a block of digits, all at once: arrays and no branches, so that the compiler works on many ends together.
//!
//! Sums are kept modulo 10 in a byte. Those of 2, 4, 8 and 12 digits that end at each place give those of 13 to 19 by one addition more. Read
//! backward, a window of an odd length has the same sum; one of an even length has the other digits doubled.

use super::run::PENDING;
use crate::{
    Engine,
    keep::{DIGITS_MAX, DIGITS_MIN},
};

/// Ends in a block.
pub(super) const ENDS: usize = 512;
/// Digits before the first end: more than a window's, so that every loop is whole vectors long.
pub(super) const BEFORE: usize = 64;
/// Digits that a block looks at.
pub(super) const DIGITS: usize = BEFORE + ENDS;
/// From here on, sums and lengths are computed: those of the first end look back so far.
const FROM: usize = 32;
const _: () = assert!(BEFORE - FROM > PENDING);

pub(super) type Sums = [u8; DIGITS];

/// For every digit, the lengths (bit n: 12 + n) of the cards that end with it, as they are read forward and backward; and room behind.
pub(super) struct Cards {
    forward: [u8; DIGITS + FROM],
    backward: [u8; DIGITS + FROM],
}

/// `digits` are values; `allowed` are the lengths that reach back no further than the run; `end` is where
/// they end.
#[inline(always)]
pub(super) fn cards(engine: &Engine, digits: &Sums, allowed: &[u8; DIGITS], end: usize) -> Cards {
    let end = end.min(DIGITS);
    let mut doubled = [0; DIGITS];
    for (double, &digit) in doubled.iter_mut().zip(digits) {
        *double = reduced(digit * 2) + u8::from(digit > 4);
    }
    let (mut begins, mut ends) = ([0; DIGITS], [0; DIGITS]);
    issued(engine, digits, &mut begins, &mut ends, end);

    let two = joined::<1>(digits, &doubled, end);
    let four = joined::<2>(&two, &two, end);
    let eight = joined::<4>(&four, &four, end);
    let twelve = joined::<8>(&eight, &four, end);
    let back_two = joined::<1>(&doubled, digits, end);
    let back_four = joined::<2>(&back_two, &back_two, end);
    let back_eight = joined::<4>(&back_four, &back_four, end);
    let back_twelve = joined::<8>(&back_eight, &back_four, end);
    let sixteen = joined::<8>(&eight, &eight, end);
    let back_sixteen = joined::<8>(&back_eight, &back_eight, end);

    let mut cards = Cards { forward: [0; DIGITS + FROM], backward: [0; DIGITS + FROM] };
    let forward = &mut cards.forward;
    let backward = &mut cards.backward;
    let sum = joined::<12>(&twelve, digits, end);
    take::<13>(&sum, &begins, forward, end);
    take_back::<13>(&sum, &ends, backward, end);
    let fourteen = joined::<12>(&twelve, &two, end);
    take::<14>(&fourteen, &begins, forward, end);
    take_back::<14>(&joined::<12>(&back_twelve, &back_two, end), &ends, backward, end);
    let sum = joined::<14>(&fourteen, digits, end);
    take::<15>(&sum, &begins, forward, end);
    take_back::<15>(&sum, &ends, backward, end);
    take::<16>(&sixteen, &begins, forward, end);
    take_back::<16>(&back_sixteen, &ends, backward, end);
    let sum = joined::<16>(&sixteen, digits, end);
    take::<17>(&sum, &begins, forward, end);
    take_back::<17>(&sum, &ends, backward, end);
    let eighteen = joined::<16>(&sixteen, &two, end);
    take::<18>(&eighteen, &begins, forward, end);
    take_back::<18>(&joined::<16>(&back_sixteen, &back_two, end), &ends, backward, end);
    let sum = joined::<18>(&eighteen, digits, end);
    take::<19>(&sum, &begins, forward, end);
    take_back::<19>(&sum, &ends, backward, end);
    for ((forward, backward), allowed) in cards.forward.iter_mut().zip(&mut cards.backward).zip(allowed) {
        *forward &= allowed;
        *backward &= allowed;
    }
    cards
}

/// Modulo 10, of what is less than 20.
#[inline(always)]
fn reduced(sum: u8) -> u8 {
    sum.min(sum.wrapping_sub(10))
}

/// Sums of the digits that end at each place, joined with those of the digits before them.
#[inline(always)]
fn joined<const BACK: usize>(last: &Sums, before: &Sums, end: usize) -> Sums {
    let mut sums = [0; DIGITS];
    for at in FROM..end.min(DIGITS) {
        sums[at] = reduced(last[at] + before[at - BACK]);
    }
    sums
}

#[inline(always)]
fn take<const LENGTH: usize>(sums: &Sums, begins: &[u8; DIGITS], cards: &mut [u8; DIGITS + FROM], end: usize) {
    for at in BEFORE..end.min(DIGITS) {
        let holds = if sums[at] == 0 { 1 << (LENGTH - 12) } else { 0 };
        cards[at] |= begins[at + 4 - LENGTH] & holds;
    }
}

#[inline(always)]
fn take_back<const LENGTH: usize>(sums: &Sums, ends: &[u8; DIGITS], cards: &mut [u8; DIGITS + FROM], end: usize) {
    for at in BEFORE..end.min(DIGITS) {
        let holds = if sums[at] == 0 { 1 << (LENGTH - 12) } else { 0 };
        cards[at] |= ends[at] & holds;
    }
}

/// By the last of four digits: the lengths of numbers that begin with them, and of those that, read backward, begin with the last.
#[inline(always)]
fn issued(engine: &Engine, digits: &[u8; DIGITS], begins: &mut [u8; DIGITS], ends: &mut [u8; DIGITS], end: usize) {
    let mut tens = [0_u8; DIGITS];
    for at in FROM - 8..end.min(DIGITS) {
        tens[at] = digits[at - 1] * 10 + digits[at];
    }
    let mut heads = [0_u16; DIGITS];
    for at in FROM..end.min(DIGITS) {
        heads[at] = u16::from(tens[at - 2]) * 100 + u16::from(tens[at]);
    }
    let table = engine.heads.strict_ends();
    for at in FROM..end.min(DIGITS) {
        let lengths = table[usize::from(heads[at]) % table.len()];
        begins[at] = lengths as u8;
        ends[at] = (lengths >> 8) as u8;
    }
}

impl Cards {
    /// Marks the digits that go; `hidden` are those of the block.
    #[inline(always)]
    pub(super) fn hide(&self, reach: &Reach, hidden: &mut [u8; DIGITS], end: usize) {
        let end = end.min(DIGITS);
        for (back, &(forward, backward)) in reach.0.iter().enumerate() {
            if forward | backward == 0 {
                continue;
            }
            let ends = self.forward[FROM + back..end + back].iter().zip(&self.backward[FROM + back..end + back]);
            for (hidden, (cards, reversed)) in hidden[FROM..].iter_mut().zip(ends) {
                *hidden |= (cards & forward) | (reversed & backward);
            }
        }
    }

    /// Counts those that do not overlap one counted before; `covered` is where those end, from the block's first digit.
    pub(super) fn count(&self, covered: &mut usize) -> u32 {
        let (mut at, mut count) = ((*covered + DIGITS_MIN - 1).max(BEFORE), 0);
        while let Some((forward, backward)) = self.forward.get(at).zip(self.backward.get(at)).filter(|_| at < DIGITS) {
            let lengths = forward | backward;
            if lengths != 0 && at + 1 >= *covered + 12 + lengths.trailing_zeros() as usize {
                count += 1;
                *covered = at + 1;
                at += DIGITS_MIN;
            } else {
                at += 1;
            }
        }
        count
    }
}

/// For a digit so far before a card's end, the lengths of which it is hidden, forward and backward.
pub(super) struct Reach([(u8, u8); DIGITS_MAX]);

impl Reach {
    pub(super) fn new(engine: &Engine) -> Reach {
        let mut reach = [(0, 0); DIGITS_MAX];
        for length in DIGITS_MIN..=DIGITS_MAX {
            for (back, (forward, backward)) in reach.iter_mut().enumerate().take(length) {
                *forward |= u8::from(engine.keep.hides(length - 1 - back, length)) << (length - 12);
                *backward |= u8::from(engine.keep.hides(back, length)) << (length - 12);
            }
        }
        Reach(reach)
    }
}
