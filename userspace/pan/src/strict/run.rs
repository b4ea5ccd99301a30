//! A run of digits as it comes, and the cards that end at its newest digit.
//!
//! Two running sums modulo 10, one per parity of the digits that are doubled: a window passes the check digit when the sum of the right parity
//! is equal at both its ends.

use crate::{
    Engine,
    keep::{DIGITS_MAX, DIGITS_MIN},
    luhn,
};

/// How many separators in a row may stand between two digits of one number.
pub(super) const GAP_MAX: u8 = 3;
/// A digit is decided when this many have come after it.
pub(super) const PENDING: usize = DIGITS_MAX - 1;

const SLOTS: usize = 32;
const DOUBLED: [u8; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];

/// The newest digits of a run.
#[derive(Clone, Copy)]
pub(super) struct Run {
    digits: [u8; SLOTS],
    /// Where each digit begins.
    starts: [u32; SLOTS],
    /// The sums before each digit, those at odd and those at even places doubled.
    sums: [[u8; SLOTS]; 2],
    total: [u8; 2],
    pub(super) count: usize,
    /// Separators since the newest digit.
    gap: u8,
    /// Digits that begin before this belong to a card that is counted.
    pub(super) covered: usize,
}

/// A card that ends at the newest digit.
#[derive(Clone, Copy)]
pub(super) struct Card {
    first: usize,
    length: usize,
    pub(super) reversed: bool,
}

impl Run {
    pub(super) fn new(covered: usize) -> Run {
        Run { digits: [0; SLOTS], starts: [0; SLOTS], sums: [[0; SLOTS]; 2], total: [0; 2], count: 0, gap: 0, covered }
    }

    pub(super) fn clear(&mut self) {
        (self.count, self.gap, self.total) = (0, 0, [0; 2]);
    }

    /// A separator; false when it ends the run.
    pub(super) fn separate(&mut self) -> bool {
        self.gap += 1;
        if self.gap > GAP_MAX {
            self.clear();
        }
        self.count > 0
    }

    pub(super) fn push(&mut self, digit: u8, start: usize) {
        let slot = self.count % SLOTS;
        let double = DOUBLED.get(usize::from(digit)).copied().unwrap_or(0);
        self.digits[slot] = digit;
        self.starts[slot] = start as u32;
        for (parity, (sums, total)) in self.sums.iter_mut().zip(&mut self.total).enumerate() {
            sums[slot] = *total;
            *total = (*total + if self.count % 2 == parity { double } else { digit }) % 10;
        }
        (self.count, self.gap) = (self.count + 1, 0);
    }

    fn digit(&self, index: usize) -> u8 {
        self.digits[index % SLOTS]
    }

    pub(super) fn start(&self, index: usize) -> usize {
        self.starts[index % SLOTS] as usize
    }

    /// Of a card, where its first and last digit stand in the run, and its digits in ASCII, the number's first one first.
    pub(super) fn digits_of(&self, card: &Card) -> (usize, usize, [u8; DIGITS_MAX]) {
        let (mut digits, last) = ([0; DIGITS_MAX], card.first + card.length - 1);
        for (place, slot) in digits.iter_mut().enumerate().take(card.length) {
            *slot = b'0' + self.digit(if card.reversed { last - place } else { card.first + place });
        }
        (card.first, last, digits)
    }

    /// Where the oldest digit begins that may still turn out to belong to a card.
    pub(super) fn pending_from(&self) -> Option<usize> {
        (self.count > 0).then(|| self.start(self.count.saturating_sub(PENDING)))
    }

    /// Calls `each` with every card that ends at the newest digit, the shorter ones first.
    pub(super) fn cards(&self, engine: &Engine, mut each: impl FnMut(Card)) {
        if self.count < DIGITS_MIN {
            return;
        }
        let last = self.count - 1;
        let back = [last, last - 1, last - 2, last - 3].map(|index| self.digit(index));
        let backward = engine.heads.strict(&back);
        for length in DIGITS_MIN..=DIGITS_MAX.min(self.count) {
            let first = self.count - length;
            let holds = |doubled: usize| self.sums[doubled % 2][first % SLOTS] == self.total[doubled % 2];
            // The digit before the last is the first doubled one; reversed, the second.
            if holds(last + 1) {
                let head = [first, first + 1, first + 2, first + 3].map(|index| self.digit(index));
                if engine.heads.strict(&head).contains(length) {
                    each(Card { first, length, reversed: false });
                }
            }
            if backward.contains(length) && holds(first + 1) {
                each(Card { first, length, reversed: true });
            }
        }
    }

    /// Looks for cards that end at the newest digit and calls `hide` with where each digit begins that has to go; returns how many do not
    /// overlap one counted before.
    pub(super) fn hide_cards(&mut self, engine: &Engine, mut hide: impl FnMut(usize)) -> u32 {
        let mut counts = false;
        self.cards(engine, |card| {
            counts |= self.start(card.first) >= self.covered;
            for index in 0..card.length {
                let place = if card.reversed { card.length - 1 - index } else { index };
                if engine.keep.hides(place, card.length) {
                    hide(self.start(card.first + index));
                }
            }
        });
        if counts {
            self.covered = self.start(self.count - 1) + 1;
        }
        u32::from(counts)
    }

    /// Where the longest card that ends at the newest digit begins.
    pub(super) fn card_from(&self, engine: &Engine) -> Option<usize> {
        let mut from = None;
        self.cards(engine, |card| from = Some(self.start(card.first)));
        from
    }
}

/// Whether a card in either direction ends at the last of `digits`.
pub(super) fn card_ends(engine: &Engine, digits: &[u8]) -> bool {
    let mut back = [0; DIGITS_MAX];
    back.iter_mut().zip(digits.iter().rev()).for_each(|(slot, digit)| *slot = *digit);
    let backward = engine.heads.strict(&back);
    (DIGITS_MIN..=DIGITS_MAX.min(digits.len())).any(|length| {
        let (Some(forward), Some(back)) = (digits.get(digits.len() - length..), back.get(..length)) else {
            return false;
        };
        (engine.heads.strict(forward).contains(length) && luhn::holds(forward))
            || (backward.contains(length) && luhn::holds(back))
    })
}
