//! The search of one value by content, as it streams: for card numbers, and for what the operator's patterns match.
//!
//! The patterns see the bytes that the database sent, not what is left of a card: what either finds is masked. Each pattern's matches are those
//! of `find_iter` on the whole value, leftmost first and without overlaps, however the value was cut and however long it is: a match that starts
//! at `a` is decided once the bytes up to `a + longest` and one behind them are here, and the byte before it is kept. Two patterns may overlap.
//!
//! So the cards are searched behind the patterns: bytes go to the scanner once the patterns have decided on them, and what the patterns found is
//! written over once the scanner lets go of it.

use super::HOLD_MAX;
use super::fill::Filler;
use pan::{Fill, Scan, Scanner};
use policy::{MATCH_BYTES_MAX, PATTERNS_MAX, Pattern};
use std::ops::Range;

/// What values are searched for: how eagerly for cards, and which of the database's patterns (a bit each, in their order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// How eagerly.
    pub mode: pan::Mode,
    /// Which patterns.
    pub patterns: u16,
}

const _: () = assert!(PATTERNS_MAX <= u16::BITS as usize);

impl Sought {
    /// For any window of digits.
    pub(super) fn strictly(self) -> Sought {
        Sought { mode: pan::Mode::Strict, ..self }
    }

    /// Cards alone.
    pub(super) fn cards(self) -> Sought {
        Sought { patterns: 0, ..self }
    }
}

/// The patterns of one database, for one shard: each has search memory of its own.
#[derive(Debug, Default)]
pub struct Patterns {
    each: Vec<Pattern>,
}

impl Patterns {
    /// Of these, in the order of the policy. None: there are none.
    pub fn new<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Option<Patterns> {
        let each: Vec<Pattern> = patterns.take(PATTERNS_MAX).cloned().collect();
        (!each.is_empty()).then_some(Patterns { each })
    }

    /// The patterns that are sought in columns of which only this is known: `of` says whether a pattern's columns fit.
    pub(crate) fn which(&self, of: impl Fn(&Pattern) -> bool) -> u16 {
        self.each.iter().enumerate().filter(|(_, pattern)| of(pattern)).fold(0, |bits, (at, _)| bits | 1 << at)
    }
}

/// Bytes that are looked at together; matches in them wait on the stack for the scanner.
const WINDOW: usize = 2048;
/// What patterns and scanner hold back together: undecided bytes, one of context, and what could be part of a card. Hex text, of which the
/// scanner holds two bytes for each, has no patterns.
const HELD: usize = MATCH_BYTES_MAX + 1 + (Scanner::HOLD_MAX - 1) / 2;
const _: () = assert!(HELD <= HOLD_MAX && WINDOW >= 2 * HOLD_MAX && WINDOW.is_multiple_of(64));

/// One value's search. Of fixed size; what only patterns need is kept beside it, so that a value without any costs nothing more.
#[derive(Clone)]
pub(super) struct Search {
    scanner: Scanner,
    fill: Fill,
    patterns: u16,
    /// No byte of the value was seen yet.
    fresh: bool,
}

/// How far the patterns are ahead of what has left, of the one value that is being searched.
#[derive(Clone)]
pub(super) struct Ahead {
    filler: Filler,
    /// Where each pattern goes on, from the front of what comes next.
    from: [u16; PATTERNS_MAX],
    /// What the patterns found in the bytes that are held, a bit each from the front.
    found: [u64; HOLD_MAX.div_ceil(64)],
}

impl Ahead {
    pub(super) const NONE: Ahead =
        Ahead { filler: Filler::new(Fill::Text), from: [0; PATTERNS_MAX], found: [0; HOLD_MAX.div_ceil(64)] };
}

impl Search {
    /// At the beginning of a value.
    pub(super) fn new(sought: Sought, fill: Fill) -> Search {
        // In hex text a pattern would see digits of bytes: nothing of it is meant.
        let patterns = if fill == Fill::Hex { 0 } else { sought.patterns };
        Search { scanner: Scanner::of(sought.mode, fill), fill, patterns, fresh: true }
    }

    /// As [`Scanner::scan`]: masks in place, and says how many bytes at the end are not final. Patterns and what is ahead are the same for the
    /// whole value.
    pub(super) fn scan(
        &mut self,
        bytes: &mut [u8],
        last: bool,
        patterns: Option<&Patterns>,
        ahead: &mut Ahead,
    ) -> Scan {
        let Some(patterns) = patterns.filter(|_| self.patterns != 0) else { return self.scanner.scan(bytes, last) };
        if std::mem::take(&mut self.fresh) {
            *ahead = Ahead { filler: Filler::new(self.fill), ..Ahead::NONE };
        }
        let (mut done, mut cards) = (0, 0);
        loop {
            let rest = bytes.get_mut(done..).unwrap_or_default();
            let here = rest.len().min(WINDOW);
            let ends = here == rest.len();
            let scan = self.window(rest.get_mut(..here).unwrap_or_default(), last && ends, patterns, ahead);
            cards += scan.cards;
            done += here - scan.hold;
            if ends {
                return Scan { cards, hold: bytes.len() - done };
            }
        }
    }

    fn window(&mut self, bytes: &mut [u8], last: bool, patterns: &Patterns, ahead: &mut Ahead) -> Scan {
        let mut found = Found::of(&ahead.found);
        let decided = self.decide(bytes, last, patterns, &mut ahead.from, &mut found);
        // One byte that is decided stays unscanned, as it was sent: it is the context of the next match.
        let given = if last { bytes.len() } else { decided.saturating_sub(1) };
        let scan = self.scanner.scan(bytes.get_mut(..given).unwrap_or_default(), last);
        let done = given - scan.hold;
        ahead.filler.write(bytes.get_mut(..done).unwrap_or_default(), &found.bits);
        found.keep(done, &mut ahead.found);
        ahead.from = ahead.from.map(|at| at.saturating_sub(done as u16)); // at most WINDOW
        Scan { cards: scan.cards, hold: bytes.len() - done }
    }

    /// Marks what the patterns match; says how many bytes from the front all of them have decided on.
    fn decide(
        &self,
        bytes: &[u8],
        last: bool,
        patterns: &Patterns,
        from: &mut [u16; PATTERNS_MAX],
        found: &mut Found,
    ) -> usize {
        let mut decided = bytes.len();
        for (at, (pattern, from)) in patterns.each.iter().zip(from).enumerate() {
            if self.patterns & 1 << at == 0 {
                continue;
            }
            // A match that starts before this can look at no byte that is not here.
            let sure = if last { bytes.len() } else { bytes.len().saturating_sub(pattern.longest()) };
            let mut next = usize::from(*from);
            while next < sure {
                match pattern.find_at(bytes, next) {
                    Some(range) if range.start < sure => {
                        next = range.end;
                        found.mark(whole_characters(bytes, range));
                    }
                    Some(_) | None => break,
                }
            }
            next = next.max(sure);
            *from = next as u16; // at most WINDOW
            decided = decided.min(next);
        }
        decided
    }
}

/// Without the parts of characters at both ends: half a character would leave text that nobody can read.
fn whole_characters(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let continues = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0xc0 == 0x80);
    let (mut start, mut end) = (range.start, range.end);
    while start < end && continues(bytes.get(start)) {
        start += 1;
    }
    if continues(bytes.get(end)) {
        while end > start && continues(bytes.get(end)) {
            end -= 1;
        }
    }
    start..end
}

/// What was found in a window, a bit for each byte.
struct Found {
    bits: [u64; WINDOW / 64],
}

impl Found {
    fn of(held: &[u64; HOLD_MAX.div_ceil(64)]) -> Found {
        let mut bits = [0; WINDOW / 64];
        bits.iter_mut().zip(held).for_each(|(to, from)| *to = *from);
        Found { bits }
    }

    fn mark(&mut self, range: Range<usize>) {
        for at in range {
            if let Some(word) = self.bits.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
    }

    /// What is found behind the first `done` bytes.
    fn keep(&self, done: usize, held: &mut [u64; HOLD_MAX.div_ceil(64)]) {
        let (words, shift) = (done / 64, done % 64);
        for (at, to) in held.iter_mut().enumerate() {
            let word = |at: usize| self.bits.get(at).copied().unwrap_or(0);
            let low = word(at + words) >> shift;
            let high = if shift == 0 { 0 } else { word(at + words + 1) << (64 - shift) };
            *to = low | high;
        }
    }
}
