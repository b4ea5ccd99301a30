//! The digits of a window as they come, whatever they are written in, and the search for cards among them.

use super::{
    Place,
    block::{self, BEFORE, DIGITS, ENDS, Reach},
    marks::{Places, WINDOW},
    place,
    run::{PENDING, Run, card_ends},
};
use crate::{
    Engine,
    keep::{DIGITS_MAX, DIGITS_MIN},
};

const SIZE: usize = BEFORE + WINDOW;
const _: () = assert!(WINDOW.is_multiple_of(ENDS));
/// All of 13 to 19, as bits from 12 on.
const ALL: u8 = 0xfe;
/// No length: a run's first digit.
const FIRST: u8 = 1;
/// So few digits are looked at one by one.
const FEW: usize = 48;

/// In all arrays, a digit stands `BEFORE` places behind its index, so that a block can look back.
pub(super) struct Events {
    digits: [u8; SIZE],
    /// The lengths of windows that end with a digit and reach back no further than its run.
    allowed: [u8; SIZE],
    /// Where each digit begins.
    starts: [Place; SIZE],
    count: usize,
    /// The first digit of the run.
    run: usize,
    any_allowed: bool,
}

impl Events {
    pub(super) fn new() -> Events {
        Events { digits: [0; SIZE], allowed: [0; SIZE], starts: [0; SIZE], count: 0, run: 0, any_allowed: false }
    }

    /// Digits of the run.
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        self.count - self.run
    }

    #[inline(always)]
    pub(super) fn end_run(&mut self) {
        self.run = self.count;
    }

    #[inline(always)]
    pub(super) fn push(&mut self, digit: u8, start: usize) {
        let length = self.length() + 1;
        let slot = self.count + BEFORE;
        if slot >= SIZE {
            return;
        }
        self.digits[slot] = digit;
        self.starts[slot] = place(start);
        if length == 1 {
            self.allowed[slot] = FIRST;
        }
        if length >= DIGITS_MIN {
            self.allowed[slot] = ALL & ((1_u16 << (length.min(DIGITS_MAX) - 11)) - 1) as u8;
            self.any_allowed = true;
        }
        self.count += 1;
    }

    /// Takes digits from the beginning of `text`, which stands at `at`, many at a time; returns how many. Needs a run whose pending digits
    /// stand right before them.
    #[inline(always)]
    pub(super) fn push_plain(&mut self, text: &[u8], at: usize) -> usize {
        const MANY: usize = 32;
        if self.length() < DIGITS_MAX || self.pending_from() != at.checked_sub(PENDING) {
            return 0;
        }
        let mut taken = 0;
        for chunk in text.chunks_exact(MANY) {
            let slot = self.count + BEFORE;
            let (Some(digits), Some(allowed), Some(starts)) = (
                self.digits.get_mut(slot..slot + MANY),
                self.allowed.get_mut(slot..slot + MANY),
                self.starts.get_mut(slot..slot + MANY),
            ) else {
                break;
            };
            if !chunk.iter().fold(true, |all, byte| all & byte.is_ascii_digit()) {
                break;
            }
            digits.iter_mut().zip(chunk).for_each(|(digit, byte)| *digit = byte & 15);
            allowed.fill(ALL);
            starts.iter_mut().zip(place(at + taken)..).for_each(|(start, at)| *start = at);
            taken += MANY;
            self.count += MANY;
        }
        taken
    }

    /// Where the newest digit of the run begins.
    pub(super) fn newest(&self) -> Option<usize> {
        (self.length() > 0).then(|| usize::from(self.starts[self.count + BEFORE - 1]))
    }

    /// The digits of the run that may still turn out to belong to a card begin here.
    #[inline(always)]
    pub(super) fn pending_from(&self) -> Option<usize> {
        self.pending().next()
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = usize> {
        let from = self.run.max(self.count.saturating_sub(PENDING));
        let starts = self.starts.get(from + BEFORE..self.count + BEFORE).unwrap_or_default();
        starts.iter().map(|&start| start.into())
    }

    /// Whether a card ends with the newest digit of the run.
    pub(super) fn card_ends(&self, engine: &Engine) -> bool {
        let from = self.run.max(self.count.saturating_sub(DIGITS_MAX));
        self.digits.get(from + BEFORE..self.count + BEFORE).is_some_and(|digits| card_ends(engine, digits))
    }

    /// Marks what has to go of every card; returns how many do not overlap one counted before. Digits before `covered` belong to one.
    #[inline(always)]
    pub(super) fn hide_cards(&self, engine: &Engine, covered: &mut usize, hidden: &mut Places) -> u32 {
        if !self.any_allowed {
            return 0;
        }
        if self.count <= FEW {
            return self.hide_cards_of_few(engine, covered, hidden);
        }
        let reach = Reach::new(engine);
        let mut places = [0_u8; SIZE];
        let mut counted =
            self.starts.iter().skip(BEFORE).take(self.count).take_while(|&&at| usize::from(at) < *covered).count();
        let mut cards = 0;
        for from in (0..self.count).step_by(ENDS) {
            let (Some(digits), Some(allowed), Some(places)) = (
                self.digits.get(from..).and_then(|rest| rest.first_chunk::<DIGITS>()),
                self.allowed.get(from..).and_then(|rest| rest.first_chunk::<DIGITS>()),
                places.get_mut(from..).and_then(|rest| rest.first_chunk_mut::<DIGITS>()),
            ) else {
                break;
            };
            if allowed.iter().skip(BEFORE).fold(0, |any, allowed| any | allowed) & ALL == 0 {
                continue;
            }
            let end = (BEFORE + self.count - from).next_multiple_of(64);
            let found = block::cards(engine, digits, allowed, end);
            found.hide(&reach, places, end);
            let mut local = (counted + BEFORE).saturating_sub(from);
            let here = found.count(&mut local);
            if here > 0 {
                cards += here;
                counted = local + from - BEFORE;
            }
        }
        if cards > 0 {
            *covered = (*covered).max(usize::from(self.starts[counted + BEFORE - 1]) + 1);
        }
        self.spread(&places, hidden);
        cards
    }

    fn hide_cards_of_few(&self, engine: &Engine, covered: &mut usize, hidden: &mut Places) -> u32 {
        let (mut run, mut cards) = (Run::new(*covered), 0);
        for slot in BEFORE..BEFORE + self.count {
            if self.allowed[slot] == FIRST {
                run.clear();
            }
            run.push(self.digits[slot], self.starts[slot].into());
            cards += run.hide_cards(engine, |at| hidden.set(at));
        }
        *covered = run.covered;
        cards
    }

    /// From digits to where they begin.
    #[inline(always)]
    fn spread(&self, places: &[u8; SIZE], hidden: &mut Places) {
        let end = self.count + BEFORE;
        let (Some(places), Some(starts)) = (places.get(BEFORE..end), self.starts.get(BEFORE..end)) else { return };
        for (places, starts) in places.chunks(64).zip(starts.chunks(64)) {
            let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else { return };
            if usize::from(last - first) + 1 == starts.len()
                && let Some(hidden) = hidden.0.get_mut(first.into()..=last.into())
            {
                hidden.iter_mut().zip(places).for_each(|(hidden, place)| *hidden |= place);
                continue;
            }
            for (&start, &place) in starts.iter().zip(places) {
                if let Some(hidden) = hidden.0.get_mut(usize::from(start)) {
                    *hidden |= place;
                }
            }
        }
    }
}
