//! The second reading: hex text. A digit is the pair `30` to `39`, at either parity; the pairs of the separators of one byte may stand between.
//! A number needs thirteen such pairs at one parity, 26 characters and more, so decimal numbers are not read so by chance.
//!
//! Where pairs of a number begin is a mask, of every other place at a time: each parity is a stream of digits like the first reading's.

use std::ops::Range;

use super::{
    Place, Window,
    columns::Columns,
    events::Events,
    marks::{Marks, WORDS, lowest, word_at},
    place,
};
use crate::{
    arch::{Set, WORD, lanes::Strict},
    keep::DIGITS_MIN,
};

/// The first and the second characters of the pairs of separators: a superset of the pairs, as any first one goes with any second.
const FIRSTS: Set = Set::of(&[(0x3, b"\x00\x02\x05"), (0x4, b"\x01"), (0x6, b"\x01")]);
const SECONDS: Set = Set::of(&[(0x3, b"\x00\x09"), (0x4, b"\x01\x04\x05\x06"), (0x6, b"\x01\x04\x05\x06")]);
const ANY_FIRST: Set = Set::of(&[(0x3, b"\x00\x02\x03\x05"), (0x4, b"\x01"), (0x6, b"\x01")]);
const THREE: Set = Set::of(&[(0x3, b"\x03")]);
/// Each first character, and the second ones that go with it.
const SEPARATORS: [(Set, Set); 4] = [
    (Set::of(&[(0x3, b"\x02")]), Set::of(&[(0x3, b"\x00"), (0x4, b"\x04\x05\x06"), (0x6, b"\x04\x05\x06")])),
    (Set::of(&[(0x3, b"\x05")]), Set::of(&[(0x4, b"\x06"), (0x6, b"\x06")])),
    (Set::of(&[(0x3, b"\x00")]), Set::of(&[(0x3, b"\x09"), (0x4, b"\x01\x04"), (0x6, b"\x01\x04")])),
    (Set::of(&[(0x4, b"\x01"), (0x6, b"\x01")]), Set::of(&[(0x3, b"\x00")])),
];

/// Every other place.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Between two windows.
#[derive(Clone, Copy, Default)]
pub(super) struct Pairs {
    pub(super) at: Place,
    /// Of the pairs that begin at `at`, at `at + 2` …, and of the others.
    covered: [Place; 2],
}

/// A bit for every place of the window, and room behind.
type Bits = [u64; WORDS + 1];

impl Pairs {
    #[inline(always)]
    pub(super) fn read<S: Strict>(
        &mut self,
        window: &Window<'_>,
        columns: &mut Option<Columns>,
        marks: &mut Marks,
    ) -> u32 {
        let (bytes, from) = (window.bytes, usize::from(self.at));
        let words = from / WORD..bytes.len().div_ceil(WORD);
        let mut first = [0; WORDS + 1];
        for (index, slot) in first.iter_mut().enumerate().take(words.end).skip(words.start) {
            *slot = S::of(&word_at(bytes, index * WORD), &ANY_FIRST);
        }
        // What is no pair's beginning is none of thirteen.
        let (cards, pending) = if thirteen(&first) && thirteen(&like::<S>(bytes, from, words.clone())) {
            self.search::<S>(window, columns, marks)
        } else {
            let last = words.end.saturating_sub(2).max(words.start);
            (0, first_of_last(&like::<S>(bytes, from, last..words.end), bytes.len(), from))
        };
        let next = if window.last { bytes.len() } else { pending };
        if next.abs_diff(from) % 2 == 1 {
            self.covered.swap(0, 1);
        }
        self.at = place(next);
        cards
    }

    /// Looks at both parities; returns the cards, and from where on it is not sure.
    #[inline(always)]
    fn search<S: Strict>(
        &mut self,
        window: &Window<'_>,
        columns: &mut Option<Columns>,
        marks: &mut Marks,
    ) -> (u32, usize) {
        let (bytes, from) = (window.bytes, usize::from(self.at));
        let (mut cards, end) = (0, bytes.len().saturating_sub(1));
        let mut pending = if bytes.last() == Some(&b'3') { end } else { bytes.len() };
        for (parity, covered) in self.covered.iter_mut().enumerate() {
            let here = EVEN << ((from + parity) % 2);
            let (mut events, mut separated_before) = (Events::new(), 0);
            for index in from / WORD..end.div_ceil(WORD) {
                let (first, second) = (word_at(bytes, index * WORD), word_at(bytes, index * WORD + 1));
                let until = (end - index * WORD).min(WORD);
                let read = here & lowest(until) & !lowest(from.saturating_sub(index * WORD));
                let digits = S::of(&first, &THREE) & S::digits(&second) & read;
                let mut separated = 0;
                for (of_first, of_second) in &SEPARATORS {
                    separated |= S::of(&first, of_first) & S::of(&second, of_second);
                }
                separated &= read;
                let both = u128::from(separated_before) | u128::from(separated) << WORD;
                let two = both & both << 2;
                let wide = ((two & two << 4) >> WORD) as u64;
                let breaks = read & !digits & !separated | wide;
                events.push_word::<S>(&second, index, digits, breaks);
                separated_before = separated;
            }
            let mut places = usize::from(*covered);
            cards += events.hide_cards::<S>(window.engine, columns, &mut places, &mut marks.pairs);
            *covered = place(places);
            pending = events.pending_from().map_or(pending, |at| at.min(pending));
        }
        (cards, pending)
    }

    pub(super) fn rebase(&mut self, cut: Place) {
        self.at -= cut;
        self.covered = self.covered.map(|covered| covered.saturating_sub(cut));
    }
}

/// Where pairs begin that may be a digit or a separator, in these words.
#[inline(always)]
fn like<S: Strict>(bytes: &[u8], from: usize, words: Range<usize>) -> Bits {
    let mut like = [0; WORDS + 1];
    let (mut digits, mut others) = (0, 0);
    for (index, slot) in like.iter_mut().enumerate().take(words.end).skip(words.start).rev() {
        let word = word_at(bytes, index * WORD);
        let (own_digits, own_others) = (S::digits(&word), S::of(&word, &SECONDS));
        let seconds = own_digits >> 1 | digits << (WORD - 1);
        let separators = own_others >> 1 | others << (WORD - 1);
        let pairs = S::of(&word, &THREE) & seconds | S::of(&word, &FIRSTS) & separators;
        *slot = pairs & !lowest(from.saturating_sub(index * WORD));
        (digits, others) = (own_digits, own_others);
    }
    like
}

/// Whether thirteen stand in a row.
#[inline(always)]
fn thirteen(places: &Bits) -> bool {
    const _: () = assert!(DIGITS_MIN == 13);
    // So many in a row begin here: each round for all words, as registers hold several.
    let two = in_a_row(places, places, 1);
    let four = in_a_row(&two, &two, 2);
    let eight = in_a_row(&four, &four, 4);
    in_a_row(&eight, &eight, 5).iter().fold(0, |any, word| any | word) != 0
}

/// Where one of `first` begins and, so many pairs behind it, one of `behind`.
#[inline(always)]
fn in_a_row(first: &Bits, behind: &Bits, pairs: usize) -> Bits {
    let mut both = [0; WORDS + 1];
    for index in 0..WORDS {
        let (here, next) = (behind[index], behind[index + 1]);
        both[index] = first[index] & (here >> (2 * pairs) | next << (WORD - 2 * pairs));
    }
    both
}

/// Where those begin that may go on behind the end, which is not at hand, at either parity.
#[inline(always)]
fn first_of_last(like: &Bits, end: usize, from: usize) -> usize {
    let first = |mut at: usize| {
        while at >= from + 2 && like.get((at - 2) / WORD).is_some_and(|word| word >> ((at - 2) % WORD) & 1 == 1) {
            at -= 2;
        }
        at
    };
    let last = end.saturating_sub(1).max(from);
    first(last).min(first(last + 1)).min(last)
}
