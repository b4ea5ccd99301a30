//! Writes over what has to go, once every reading is done with it.

use super::{
    marks::{Marks, lowest, word_at},
    run::{GAP_MAX, card_ends},
    token::{self, Token},
};
use crate::{
    Engine, Fill,
    arch::{Set, WORD, lanes::Strict},
    json::Strings,
    keep::DIGITS_MAX,
};

/// A hidden digit of a number looks so many digits ahead, so that those kept behind it need not change.
pub(super) const AHEAD: usize = 4;
/// The longest token less one: a token is written whole, so this much may wait with its beginning.
pub(super) const TOKEN_REST: usize = 5;
/// What a star stands for alone: letters and digits.
const SINGLE: Set = Set::of(&[
    (0x3, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
    (0x4, b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
    (0x5, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"),
    (0x6, b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
    (0x7, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"),
]);
/// What a hidden digit of a number becomes, the first that fits: no issuer's numbers begin with the first four, in either direction.
const FILLS: [u8; 10] = [0, 1, 7, 2, 8, 9, 4, 5, 6, 3];

/// Between two windows.
#[derive(Clone, Copy, Default)]
pub(super) struct Writer {
    strings: Strings,
    recent: Recent,
    /// The last byte that left; whether it, and the one before it, began a hidden pair.
    before: u8,
    pairs_before: [bool; 2],
}

/// The newest digits of a number as they left.
#[derive(Clone, Copy, Default)]
struct Recent {
    digits: [u8; DIGITS_MAX],
    count: u8,
    gap: u8,
    /// The last separator was written as an escape.
    escaped: bool,
    /// Digits since the last one that is not the value's own.
    since_fill: Option<u8>,
}

/// What is being written.
pub(super) struct Page<'a> {
    pub(super) engine: &'a Engine,
    pub(super) fill: Fill,
    pub(super) bytes: &'a mut [u8],
    pub(super) marks: &'a Marks,
    /// The value ends with `bytes`.
    pub(super) last: bool,
}

impl Writer {
    /// Writes what stands before `decided`; returns how far it got.
    #[inline(always)]
    pub(super) fn write<S: Strict>(&mut self, page: &mut Page<'_>, decided: usize) -> usize {
        let cut = match page.fill {
            Fill::Number | Fill::Json => self.write_tokens(page, decided),
            Fill::Text | Fill::Hex => self.write_stars::<S>(page, decided),
        };
        if let Some(&byte) = cut.checked_sub(1).and_then(|at| page.bytes.get(at)) {
            self.before = byte;
        }
        self.pairs_before = [1, 2].map(|back| self.pair_at(page.marks, cut, back));
        cut
    }

    /// Goes over bytes without a digit.
    pub(super) fn skip(&mut self, skipped: &[u8], json: bool) {
        if json {
            self.strings.read(skipped);
        }
        self.recent = Recent::default();
        self.before = skipped.last().copied().unwrap_or(self.before);
        self.pairs_before = [false; 2];
    }

    #[inline(always)]
    fn write_stars<S: Strict>(&self, page: &mut Page<'_>, decided: usize) -> usize {
        let crosses = |&at: &usize| page.marks.hidden.has(at) && at + page.token_length(at) > decided;
        let cut = (decided.saturating_sub(TOKEN_REST)..decided).find(crosses).unwrap_or(decided);
        let (mut at, any_pairs) = (0, self.pairs_before[0] || page.marks.pairs.any());
        for index in 0..cut.div_ceil(WORD) {
            at = self.write_word::<S>(page, index, at, cut, any_pairs);
        }
        cut
    }

    /// Writes the window's word at `index`, from `at` to `cut`; returns where it got, which may lie behind the word.
    #[inline(always)]
    fn write_word<S: Strict>(
        &self,
        page: &mut Page<'_>,
        index: usize,
        at: usize,
        cut: usize,
        any_pairs: bool,
    ) -> usize {
        let (from, end) = (index * WORD, (index + 1) * WORD);
        let (hidden, pairs) = (page.marks.hidden.word(index), page.marks.pairs.word(index));
        let paired = any_pairs && (pairs != 0 || self.pair_at(page.marks, from, 1));
        if hidden == 0 && !paired {
            return at;
        }
        if at <= from && !paired {
            let here = hidden & lowest(cut - from);
            let rest = page.bytes.get_mut(from..).unwrap_or_default();
            if let Some(word) = rest.first_chunk_mut() {
                if here & !S::of(word, &SINGLE) == 0 {
                    S::star(word, here);
                    return at;
                }
            } else {
                let mut word = word_at(rest, 0);
                if here & !S::of(&word, &SINGLE) == 0 {
                    S::star(&mut word, here);
                    rest.iter_mut().zip(word).for_each(|(slot, byte)| *slot = byte);
                    return at;
                }
            }
        }
        let mut at = at.max(from);
        while at < end.min(cut) {
            at = self.write_at(page, at);
        }
        at
    }

    /// Whether a hidden pair begins `back` bytes before `at`.
    fn pair_at(&self, marks: &Marks, at: usize, back: usize) -> bool {
        match at.checked_sub(back) {
            Some(at) => marks.pairs.has(at),
            None => self.pairs_before.get(back - at - 1).copied().unwrap_or(false),
        }
    }

    /// Writes over the byte at `at` what its marks say, or over the whole digit that begins there; returns what comes next.
    ///
    /// A hidden pair becomes `2a`, the first of several `aa`: the digit 2 could go on with a number on its left.
    #[inline(always)]
    fn write_at(&self, page: &mut Page<'_>, at: usize) -> usize {
        let pair = |back| self.pair_at(page.marks, at, back);
        let with = if page.marks.hidden.has(at) {
            return at + page.bytes.get_mut(at..).map_or(1, token::star);
        } else if pair(0) {
            if pair(2) && !pair(1) { b'2' } else { b'a' }
        } else if pair(1) {
            b'a'
        } else {
            return at + 1;
        };
        if let Some(byte) = page.bytes.get_mut(at) {
            *byte = with;
        }
        at + 1
    }

    /// The way of values where a hidden digit may have to stay a digit: token by token.
    #[inline(always)]
    fn write_tokens(&mut self, page: &mut Page<'_>, decided: usize) -> usize {
        let gone = |at: &usize| self.is_gone(page.marks, *at);
        let ahead = if page.last { 0 } else { AHEAD };
        let cut = (decided.saturating_sub(ahead)..decided).find(gone).unwrap_or(decided);
        let mut at = 0;
        while at < cut {
            let token = token::at(page.bytes, at, page.last, page.fill == Fill::Json);
            let (Token::Digit(_, length) | Token::Separator(length) | Token::Other(length)) = token else { break };
            if at + length > cut {
                break;
            }
            let starred = self.strings.inside();
            if page.fill == Fill::Json {
                self.strings.read(page.bytes.get(at..at + length).unwrap_or_default());
            }
            let gone = (at..at + length).any(|at| self.is_gone(page.marks, at));
            match token {
                Token::Digit(digit, 1) if !starred => self.write_digit(page, at, digit, gone),
                Token::Digit(digit, _) if !starred && !gone && !self.recent.completes(page.engine, digit) => {
                    self.recent.push(digit, false);
                }
                Token::Digit(_, 2..) if !starred => {
                    page.bytes.get_mut(at..).map(token::star);
                    self.recent = Recent::default();
                }
                Token::Separator(_) if !starred && !gone => self.recent.separate(length > 3 || page.escapes_at(at)),
                _ => {
                    let mut next = at;
                    while next < at + length {
                        next = self.write_at(page, next);
                    }
                    self.recent = Recent::default();
                }
            }
            at += length;
        }
        at
    }

    fn is_gone(&self, marks: &Marks, at: usize) -> bool {
        marks.hidden.has(at) || self.pair_at(marks, at, 0) || self.pair_at(marks, at, 1)
    }

    /// A digit of a number: the value's own, or one that completes no card with what left before it.
    fn write_digit(&mut self, page: &mut Page<'_>, at: usize, digit: u8, gone: bool) {
        if gone && self.recent.escaped {
            page.bytes.get_mut(at..).map(token::star); // no number is written so
            self.recent = Recent::default();
            return;
        }
        let filled = gone || self.recent.completes(page.engine, digit);
        let digit = if filled { self.fill(page, at, gone) } else { digit };
        if let Some(byte) = page.bytes.get_mut(at) {
            *byte = b'0' + digit;
        }
        self.recent.push(digit, filled);
    }

    /// Depends on what left before and, behind a hidden digit, on the kept digits that follow: never on what is hidden.
    fn fill(&self, page: &Page<'_>, at: usize, gone: bool) -> u8 {
        let mut ahead = [0; AHEAD];
        let mut count = 0;
        for (slot, at) in ahead.iter_mut().zip(at + 1..).take(if gone { AHEAD } else { 0 }) {
            match page.bytes.get(at) {
                Some(byte @ b'0'..=b'9') if !self.is_gone(page.marks, at) => *slot = byte - b'0',
                _ => break,
            }
            count += 1;
        }
        let ahead = ahead.get(..count).unwrap_or_default();
        let before = at.checked_sub(1).map_or(Some(self.before), |at| page.bytes.get(at).copied());
        let leads = !before.is_some_and(|byte| byte.is_ascii_digit()); // a number does not begin with a zero
        let fits = |ahead: &[u8]| {
            FILLS.into_iter().skip(usize::from(leads)).find(|&fill| !self.recent.complete(page.engine, fill, ahead))
        };
        fits(ahead).or_else(|| fits(&[])).unwrap_or(1)
    }
}

impl Page<'_> {
    fn token_length(&self, at: usize) -> usize {
        match token::at(self.bytes, at, true, false) {
            Token::Digit(_, length) => length,
            _ => 1,
        }
    }

    fn escapes_at(&self, at: usize) -> bool {
        matches!(self.bytes.get(at), Some(b'%' | b'\\'))
    }
}

impl Recent {
    fn push(&mut self, digit: u8, filled: bool) {
        self.digits.rotate_left(1);
        self.digits[DIGITS_MAX - 1] = digit;
        self.count = (self.count + 1).min(DIGITS_MAX as u8);
        (self.gap, self.escaped) = (0, false);
        self.since_fill = if filled {
            Some(0)
        } else {
            self.since_fill.map(|since| since + 1).filter(|&since| usize::from(since) < DIGITS_MAX)
        };
    }

    fn separate(&mut self, escaped: bool) {
        self.gap += 1;
        self.escaped = escaped;
        if self.gap > GAP_MAX {
            *self = Recent::default();
        }
    }

    /// Whether a kept digit completes a card that holds a digit which is not the value's own.
    fn completes(&self, engine: &Engine, digit: u8) -> bool {
        self.since_fill.is_some() && self.complete(engine, digit, &[])
    }

    /// Whether a card ends at `digit` or at one of `ahead` behind it.
    fn complete(&self, engine: &Engine, digit: u8, ahead: &[u8]) -> bool {
        let mut digits = [0; DIGITS_MAX + 1 + AHEAD];
        let from = DIGITS_MAX - usize::from(self.count);
        digits.iter_mut().zip(&self.digits).for_each(|(slot, digit)| *slot = *digit);
        digits
            .iter_mut()
            .skip(DIGITS_MAX)
            .zip([&digit].into_iter().chain(ahead))
            .for_each(|(slot, digit)| *slot = *digit);
        let end = DIGITS_MAX + 1;
        (end..=end + ahead.len()).any(|end| digits.get(from..end).is_some_and(|digits| card_ends(engine, digits)))
    }
}
