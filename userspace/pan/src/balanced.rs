//! The balanced scan of text as it streams.
//!
//! [`candidate`] is the exact way: does a card start here? [`run`] goes round it where the answer is certain, over starts that [`block`] finds.

pub(crate) mod alone;
mod beside;
pub(crate) mod block;
pub(crate) mod bound;
pub(crate) mod candidate;
mod clear;
mod find;
pub(crate) mod form;
pub(crate) mod fours;
pub(crate) mod iban;
mod judge;
pub(crate) mod places;
pub(crate) mod prefix;
pub(crate) mod run;
pub(crate) mod sieve;
pub(crate) mod sorted;

use crate::{
    Engine, Fill, Scan, json,
    keep::{DIGITS_MAX, DIGITS_MIN},
};
use candidate::{Around, Card, More, Tail};
use run::{Run, Stop};

/// How far a rule looks to the left: three groups, their separators and the head of an account number with the byte before it.
const CONTEXT: usize = 32;
/// The most bytes that are held back: the longest grouping, `^`, the longest name, `^`.
pub(crate) const HOLD_MAX: usize = 19 + 4 * 3 + 1 + 33;

/// The scan of text. Every `usize` kept between calls counts from the first held byte.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    pub(crate) engine: &'static Engine,
    fill: Fill,
    context: [u8; CONTEXT],
    context_length: usize,
    strings: json::Strings,
    /// Bit n: the byte n of the held ones belongs to a card already found and becomes a star when it leaves.
    pub(crate) owed: u64,
    /// Where the kept last digits of a found card begin: alone in the output, so a number may start there.
    suffix: Option<usize>,
    pub(crate) tail: Option<(usize, Tail)>,
}

impl Text {
    /// At the beginning of a value; `fill` is not [`Fill::Hex`].
    pub(crate) fn new(engine: &'static Engine, fill: Fill) -> Text {
        Text {
            engine,
            fill,
            context: [0; CONTEXT],
            context_length: 0,
            strings: json::Strings::default(),
            owed: 0,
            suffix: None,
            tail: None,
        }
    }

    /// As [`crate::Scanner::scan`].
    pub(crate) fn scan(&mut self, bytes: &mut [u8], last: bool) -> Scan {
        let short = !Run::has_room(bytes.len(), 0);
        if short && last && self.is_fresh() {
            let backend = self.engine.backend();
            let clean = backend.clean_prefix(bytes);
            if clean == bytes.len() || self.is_lone_number(bytes, clean) {
                return Scan { cards: 0, hold: 0 };
            }
            if self.stars_everywhere()
                && let Some(cards) = backend.short(self.engine, bytes)
            {
                return Scan { cards, hold: 0 };
            }
        }
        let mut pass = Pass { bytes, last, settled: 0, read: 0, at: 0, cards: 0 };
        self.leave_the_edge(&mut pass);
        let cut = loop {
            if self.is_free(&pass) && Run::has_room(pass.bytes.len(), pass.at) {
                let before = self.context.get(..self.context_length).and_then(<[u8]>::last).copied();
                if let Stop::Cut(cut) = Run::new(self, &mut pass, before).go() {
                    break cut;
                }
                if last
                    && self.is_free(&pass)
                    && self.stars_everywhere()
                    && let Some(cards) = self.engine.backend().rest(self, &mut pass)
                {
                    pass.cards += cards;
                    break pass.bytes.len();
                }
            }
            if let Some(cut) = self.step(&mut pass) {
                break cut;
            }
        };
        self.settle(&mut pass, cut);
        if last {
            return Scan { cards: pass.cards, hold: 0 };
        }
        if self.fill == Fill::Json {
            self.strings.read(pass.bytes.get(pass.read..cut).unwrap_or_default());
        }
        self.suffix = self.suffix.and_then(|at| at.checked_sub(cut));
        self.tail = self.tail.map(|(at, tail)| (at.saturating_sub(cut), tail));
        self.remember(pass.bytes.get(..cut).unwrap_or_default());
        Scan { cards: pass.cards, hold: pass.bytes.len() - cut }
    }

    /// Passes the first bytes, or the first number: what stands before it is not among the bytes, so the fast way knows less of it.
    fn leave_the_edge(&mut self, pass: &mut Pass<'_>) {
        if pass.bytes.is_empty() || self.owed != 0 || !self.is_free(pass) || !Run::has_room(pass.bytes.len(), 1) {
            return;
        }
        let digits = pass.bytes.iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let others = pass.bytes.iter().take(sorted::LEAD).take_while(|byte| !byte.is_ascii_digit()).count();
        match digits {
            0 => pass.at = others,
            1..=DIGITS_MAX => _ = self.visit(pass, 0), // so many bytes are there that it never wants more
            _ => pass.at = sorted::LEAD,
        }
    }

    /// Whether what may begin with the digits at `start` is no card by its head, and nothing else has room behind them.
    fn is_lone_number(&self, bytes: &[u8], start: usize) -> bool {
        let head = bytes.get(start..).and_then(|rest| rest.first_chunk());
        bytes.len() - find::end_of_run(bytes, start) < DIGITS_MIN
            && head.is_some_and(|head| self.engine.heads.balanced_of(head).is_empty())
    }

    /// Whether nothing of the value was seen yet.
    fn is_fresh(&self) -> bool {
        self.context_length == 0 && self.owed == 0 && self.tail.is_none() && self.suffix.is_none()
    }

    /// Whether the fast way may be taken: behind the last tail, and not to the middle of a run.
    pub(crate) fn is_free(&self, pass: &Pass<'_>) -> bool {
        self.tail.is_none() && self.suffix.is_none_or(|at| at < pass.at)
    }

    /// One step of the exact way; where the final bytes end, when it can go no further.
    pub(crate) fn step(&mut self, pass: &mut Pass<'_>) -> Option<usize> {
        let start = find::digit(pass.bytes, pass.at);
        if let Some((from, tail)) = self.tail
            && from <= start
        {
            return if self.hide_tail(pass, from, tail) { None } else { Some(pass.bytes.len()) };
        }
        let ended = start == pass.bytes.len() || self.visit(pass, start).is_err();
        ended.then_some(start)
    }

    /// Looks at the run of digits that begins at `start`, or at the rest of a run behind hidden digits.
    pub(crate) fn visit(&mut self, pass: &mut Pass<'_>, start: usize) -> Result<(), More> {
        let end = find::end_of_run(pass.bytes, start);
        let open = end == pass.bytes.len() && !pass.last;
        let digits = end - start;
        let may_start = digits == 4 || (DIGITS_MIN..=DIGITS_MAX).contains(&digits) || (open && digits <= DIGITS_MAX);
        if may_start {
            self.settle(pass, start);
        }
        if may_start && self.owed & 1 == 0 {
            let starred = self.stars_at(pass, start);
            let context = self.context.get(..self.context_length).unwrap_or_default();
            let around = Around { engine: self.engine, context, bytes: pass.bytes, last: pass.last, starred };
            if let Some(card) = around.card_at(start)? {
                self.hide(pass, start, &card, starred);
            }
        }
        pass.at = match self.suffix {
            Some(suffix) if start < suffix && suffix < end => suffix,
            _ => end,
        };
        Ok(())
    }

    /// Whether every hidden digit becomes a star.
    pub(crate) fn stars_everywhere(&self) -> bool {
        matches!(self.fill, Fill::Text | Fill::Hex)
    }

    /// Whether a hidden digit at `at` becomes a star.
    fn stars_at(&mut self, pass: &mut Pass<'_>, at: usize) -> bool {
        match self.fill {
            Fill::Text | Fill::Hex => true,
            Fill::Number => false,
            Fill::Json => {
                self.strings.read(pass.bytes.get(pass.read..at).unwrap_or_default());
                pass.read = at;
                self.strings.inside()
            }
        }
    }

    fn hide(&mut self, pass: &mut Pass<'_>, start: usize, card: &Card, starred: bool) {
        pass.cards += 1;
        self.tail = self.tail.or(card.tail);
        if starred || !card.is_plain(start) {
            self.owed |= card.hidden;
            let last = self.engine.keep.last();
            // Only in the middle of a run does anything depend on it: elsewhere a number may start there all the same.
            let in_run = |at: &usize| pass.bytes.get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_digit);
            self.suffix = card.end.checked_sub(last).filter(|_| last > 0).filter(in_run);
            return;
        }
        let mut digits = [0; DIGITS_MAX];
        let Some(digits) = digits.get_mut(..card.digits().len()) else { return };
        digits.copy_from_slice(card.digits());
        self.engine.keep.fill_number(digits);
        for (byte, digit) in pass.bytes.iter_mut().skip(start).zip(digits) {
            *byte = b'0' + *digit;
        }
    }

    /// Writes the stars that are owed before `upto`: from there on nothing looks at these digits any more.
    pub(crate) fn settle(&mut self, pass: &mut Pass<'_>, upto: usize) {
        let step = upto - pass.settled;
        let mut due = if step < 64 { self.owed & ((1 << step) - 1) } else { self.owed };
        while due != 0 {
            if let Some(byte) = pass.bytes.get_mut(pass.settled + due.trailing_zeros() as usize) {
                *byte = b'*';
            }
            due &= due - 1;
        }
        self.owed = if step < 64 { self.owed >> step } else { 0 };
        pass.settled = upto;
    }

    /// Hides the rest of a stripe from `from` on; false when it may go on behind the bytes at hand.
    fn hide_tail(&mut self, pass: &mut Pass<'_>, from: usize, tail: Tail) -> bool {
        self.settle(pass, from);
        let rest = pass.bytes.get_mut(from..).unwrap_or_default();
        let length = rest.iter().position(|&byte| tail.ends_at(byte));
        let here = rest.get_mut(..length.unwrap_or(usize::MAX).min(rest.len())).unwrap_or_default();
        here.iter_mut().for_each(|byte| *byte = if byte.is_ascii_alphanumeric() { b'*' } else { *byte });
        let Some(length) = length else {
            self.tail = Some((pass.bytes.len(), tail));
            return false;
        };
        self.tail = None;
        pass.at = from + length;
        true
    }

    /// Keeps the end of what left, for the rules that look to the left.
    fn remember(&mut self, left: &[u8]) {
        match left.last_chunk() {
            Some(chunk) => (self.context, self.context_length) = (*chunk, CONTEXT),
            None => {
                let keep = self.context_length.min(CONTEXT - left.len());
                self.context.copy_within(self.context_length - keep..self.context_length, 0);
                for (slot, byte) in self.context.iter_mut().skip(keep).zip(left) {
                    *slot = *byte;
                }
                self.context_length = keep + left.len();
            }
        }
    }
}

/// One call's way over its bytes.
pub(crate) struct Pass<'a> {
    pub(crate) bytes: &'a mut [u8],
    last: bool,
    /// Bytes before this hold their stars; bit 0 of `owed` is this byte.
    pub(crate) settled: usize,
    /// Bytes before this went through the JSON state.
    read: usize,
    /// Where the search for digits goes on.
    pub(crate) at: usize,
    pub(crate) cards: u32,
}
