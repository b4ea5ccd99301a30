//! The first reading: digits in any encoding that stands for itself, separators dropped, and the stripes behind cards.

use super::{
    Place, SPAN_MAX, Window,
    columns::Columns,
    events::{Events, wide_gaps},
    marks::{Marks, lowest, word_at},
    place,
    run::GAP_MAX,
    token::{self, Token},
};
use crate::{
    arch::{Set, WORD, lanes::Strict},
    balanced::candidate::Tail,
    keep::DIGITS_MIN,
};

/// Separators of one byte.
const SEPARATORS: Set = Set::of(&[(0x0, b"\x09\x0a\x0d"), (0x2, b"\x00\x0d\x0e\x0f"), (0x5, b"\x0f"), (0xa, b"\x00")]);
/// The first bytes of what is longer than a byte.
const LONGER: Set =
    Set::of(&[(0x2, b"\x05"), (0x5, b"\x0c"), (0xc, b"\x02"), (0xd, b"\x09\x0b"), (0xe, b"\x02\x03\x0f")]);
/// The same with the second bytes that go with them.
const LONGER_PAIRS: [(Set, Set); 5] = [
    (Set::of(&[(0x2, b"\x05")]), Set::of(&[(0x3, b"\x00\x02\x03\x05"), (0x4, b"\x01"), (0x6, b"\x01")])),
    (Set::of(&[(0x5, b"\x0c")]), Set::of(&[(0x2, b"\x0f"), (0x6, b"\x0e"), (0x7, b"\x02\x04\x05")])),
    (Set::of(&[(0xc, b"\x02"), (0xd, b"\x09")]), Set::of(&[(0xa, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0d")])),
    (
        Set::of(&[(0xd, b"\x0b"), (0xe, b"\x0f")]),
        Set::of(&[(0xb, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0b\x0c")]),
    ),
    (Set::of(&[(0xe, b"\x02\x03")]), Set::of(&[(0x8, b"\x00\x01\x08")])),
];
/// Where so many longer tokens stand in a word, it is read one by one.
const MANY: u32 = 3;
/// What may begin the rest of a stripe behind a card: `^`, `=`, `D`, `d`.
const STRIPES: Set = Set::of(&[(0x3, b"\x0d"), (0x4, b"\x04"), (0x5, b"\x0e"), (0x6, b"\x04")]);

/// The longest name between the two carets of track 1 that we look across.
const NAME_MAX: usize = 32;

/// Between two windows.
#[derive(Clone, Copy, Default)]
pub(super) struct Digits {
    /// Where the next window's reading begins.
    pub(super) at: Place,
    covered: Place,
    /// Where the newest digit begins if a card ends with it: its first digit may have left.
    ends: Option<Place>,
    tail: Option<Tail>,
    /// Bytes since the caret behind a card.
    name: Option<u8>,
    /// The run could not be decided within the span: all of it goes. Separators since its last digit.
    overlong: Option<u8>,
}

/// On the way through one window.
struct Reading<'a> {
    window: &'a Window<'a>,
    marks: &'a mut Marks,
    events: &'a mut Events,
    at: usize,
    /// The caret behind a card stands here, shifted by `NAME_MAX` to be positive.
    name: Option<usize>,
    overlong: bool,
    /// Separators since the newest digit.
    gap: u8,
    /// A card ends with the digit that begins here.
    ended: Option<usize>,
    /// Bytes before this are read one by one.
    slow: usize,
    /// The last token longer than a byte ends here: what spans far may still be open some way behind.
    longer: usize,
    cards: u32,
}

impl Digits {
    /// Marks what has to go; returns the number of cards. From `self.at` on nothing is decided.
    #[inline(always)]
    pub(super) fn read<S: Strict>(
        &mut self,
        window: &Window<'_>,
        columns: &mut Option<Columns>,
        marks: &mut Marks,
    ) -> u32 {
        let mut events = Events::new();
        let mut reading = Reading {
            window,
            marks,
            events: &mut events,
            at: self.at.into(),
            name: self.name.map(|since| usize::from(self.at) + NAME_MAX + 1 - usize::from(since)),
            overlong: self.overlong.is_some(),
            gap: self.overlong.unwrap_or(0),
            ended: self.ends.map(usize::from),
            slow: 0,
            longer: 0,
            cards: 0,
        };
        loop {
            if let Some(tail) = self.tail {
                if !reading.hide_tail(tail) {
                    break;
                }
                self.tail = None;
            }
            if !(reading.word::<S>() || reading.step(&mut self.tail)) {
                break;
            }
        }
        let mut covered = self.covered.into();
        let cards = reading.events.hide_cards::<S>(window.engine, columns, &mut covered, &mut reading.marks.hidden);
        let at = if window.last { window.bytes.len() } else { reading.events.pending_from().unwrap_or(reading.at) };
        let since = reading.name.and_then(|from| (at + NAME_MAX + 1).checked_sub(from));
        self.name = since.filter(|&since| since <= NAME_MAX + 1).map(|since| since as u8);
        self.overlong = reading.overlong.then_some(reading.gap);
        self.covered = place(covered);
        self.ends = reading.events.newest().filter(|_| reading.card_ends()).map(place);
        self.at = place(at);
        cards + reading.cards
    }

    /// Whether what is hidden depends on what came before.
    pub(super) fn is_open(&self) -> bool {
        self.tail.is_some() || self.name.is_some() || self.overlong.is_some()
    }

    pub(super) fn rebase(&mut self, cut: Place) {
        self.at -= cut;
        self.covered = self.covered.saturating_sub(cut);
        self.ends = self.ends.and_then(|at| at.checked_sub(cut));
    }
}

impl Reading<'_> {
    /// Reads what is left of a word as long as every byte stands for itself and nothing depends on a card before it; false where that is
    /// nothing.
    #[inline(always)]
    fn word<S: Strict>(&mut self) -> bool {
        if self.at < self.slow || self.overlong || self.name.is_some() {
            return false;
        }
        let (index, from) = (self.at / WORD, self.at % WORD);
        let rest = self.window.bytes.get(index * WORD..).unwrap_or_default();
        if from == 0 && (self.longer == 0 || self.at > self.longer + SPAN_MAX) {
            let words = self.events.push_digits::<S>(rest.as_chunks().0, index);
            if words > 0 {
                (self.gap, self.at) = (0, self.at + words * WORD);
                return true;
            }
        }
        let mut copy = [0; WORD];
        let word = match rest.first_chunk() {
            Some(word) => word,
            None => {
                copy.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
                &copy
            }
        };
        let here = lowest(rest.len().min(WORD)) & !lowest(from);
        let (all_digits, mut longer) = (S::digits(word), S::of(word, &LONGER) & here);
        if longer != 0 {
            longer = longer_tokens::<S>(self.window.bytes, index, word, longer);
        }
        // Bytes of a longer token before this word belong to it.
        let mut until = (longer | !here & !lowest(from)).trailing_zeros() as usize;
        let digits = all_digits & here;
        let open = self.gap == 0 && self.events.length() > 0;
        let behind = digits << 1 | u64::from(open) << from;
        let mut stripes = S::of(word, &STRIPES) & behind & here;
        let separators = S::of(word, &SEPARATORS) & here;
        let wide = separators != 0 && wide_gaps(separators >> from, self.gap) != 0;
        let wide = if wide { wide_gaps(separators >> from, self.gap) << from } else { 0 };
        let breaks = !digits & !separators & here | wide;
        while stripes != 0 {
            let at = stripes.trailing_zeros() as usize;
            if at < until && self.length_at(digits, breaks, at) >= DIGITS_MIN {
                until = at;
            }
            stripes &= stripes - 1;
        }
        let end = index * WORD + until;
        if until < WORD {
            let many = (longer & !lowest(until)).count_ones() > MANY;
            self.slow = if many { (index + 1) * WORD } else { end + 1 };
        }
        let near = end < self.longer + WORD * 3;
        if until <= from || near && self.events.length() > 0 && !self.events.fits(end, SPAN_MAX) {
            self.slow = self.slow.max(end + 1);
            return false;
        }
        let read = lowest(until);
        self.events.push_word::<S>(word, index, digits & read, breaks & read);
        let trailing = ((separators & read) << (WORD - until)).leading_ones() as usize;
        let gap = if trailing >= until - from { usize::from(self.gap) + trailing } else { trailing };
        self.gap = if self.events.length() > 0 { gap.min(GAP_MAX.into()) as u8 } else { 0 };
        self.at = end;
        true
    }

    /// Digits of the run that is open before a place of the word.
    #[inline(always)]
    fn length_at(&self, digits: u64, breaks: u64, at: usize) -> usize {
        let before = lowest(at);
        let last = breaks & before;
        if last == 0 {
            return self.events.length() + (digits & before).count_ones() as usize;
        }
        let run = before & !lowest(WORD - last.leading_zeros() as usize);
        (digits & run).count_ones() as usize
    }

    /// Reads one token; false at the end of what can be read.
    #[inline(always)]
    fn step(&mut self, tail: &mut Option<Tail>) -> bool {
        let bytes = self.window.bytes;
        let Some(&first) = bytes.get(self.at) else { return false };
        let token = token::at(bytes, self.at, self.window.last, self.window.json);
        match token {
            Token::More => return false,
            Token::Digit(digit, length) => self.digit(digit, length),
            Token::Separator(length) => self.separator(length),
            Token::Other(_) => match self.stripe(first) {
                Stripe::Open => return false,
                Stripe::Begins(kind) => *tail = Some(kind),
                Stripe::None => {}
            },
        }
        if ends_track1(first) {
            self.name = None;
        }
        match token {
            Token::Other(length) => {
                self.end_run();
                self.at += length;
            }
            Token::Digit(_, length) | Token::Separator(length) => {
                self.at += length;
                self.longer = if length > 1 { self.at } else { self.longer };
            }
            Token::More => {}
        }
        true
    }

    #[inline(always)]
    fn digit(&mut self, digit: u8, length: usize) {
        self.watch_span(self.at + length);
        self.gap = 0;
        if self.overlong {
            self.marks.hidden.set(self.at);
        } else {
            self.events.push(digit, self.at);
        }
    }

    #[inline(always)]
    fn separator(&mut self, length: usize) {
        if self.overlong || self.events.length() > 0 {
            self.gap += 1;
            if self.gap > GAP_MAX {
                self.end_run();
            } else {
                self.watch_span(self.at + length);
            }
        }
    }

    /// Hides all of a run that cannot be decided within the span: what is written so widely is no honest text.
    #[inline(always)]
    fn watch_span(&mut self, end: usize) {
        if !self.events.fits(end, SPAN_MAX) {
            self.events.hide_pending(&mut self.marks.hidden);
            self.events.end_run(self.at);
            self.overlong = true;
            self.cards += 1;
        }
    }

    /// Whether a card ends right before here.
    fn card_ends(&self) -> bool {
        let newest = self.events.newest();
        self.gap == 0
            && (self.overlong
                || (newest.is_some() && (newest == self.ended || self.events.card_ends(self.window.engine))))
    }

    #[inline(always)]
    fn end_run(&mut self) {
        self.events.end_run(self.at);
        (self.overlong, self.gap) = (false, 0);
    }

    /// Whether the byte here, which ends a run, begins a stripe's rest.
    fn stripe(&mut self, first: u8) -> Stripe {
        let here = self.at + NAME_MAX + 1;
        match first {
            b'^' if self.name.is_some_and(|from| here - from <= NAME_MAX + 1) => {
                self.name = None;
                return Stripe::Begins(Tail::Track1);
            }
            b'^' => self.name = self.card_ends().then_some(here),
            b'=' | b'D' | b'd' if self.card_ends() => match self.window.bytes.get(self.at + 1) {
                Some(b'0'..=b'9') => return Stripe::Begins(Tail::Track2),
                None if !self.window.last => return Stripe::Open,
                _ => {}
            },
            _ => {}
        }
        self.name = self.name.filter(|from| here - from <= NAME_MAX);
        Stripe::None
    }

    /// Hides the rest of a stripe; false when it may go on behind the window.
    #[inline(always)]
    fn hide_tail(&mut self, tail: Tail) -> bool {
        let rest = self.window.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| tail.ends_at(byte));
        for (offset, byte) in rest.iter().take(length.unwrap_or(rest.len())).enumerate() {
            if byte.is_ascii_alphanumeric() {
                self.marks.hidden.set(self.at + offset);
            }
        }
        self.at += length.unwrap_or(rest.len());
        length.is_some()
    }
}

/// Of first bytes of longer tokens those whose second one goes with them, or is not at hand.
#[inline(always)]
fn longer_tokens<S: Strict>(bytes: &[u8], index: usize, word: &[u8; WORD], firsts: u64) -> u64 {
    let next = word_at(bytes, index * WORD + 1);
    let last = (index + 1) * WORD >= bytes.len();
    let mut longer = if last { 1 << (bytes.len() - 1 - index * WORD) } else { 0 };
    for (first, second) in &LONGER_PAIRS {
        longer |= S::of(word, first) & S::of(&next, second);
    }
    longer & firsts
}

enum Stripe {
    Begins(Tail),
    /// It depends on the next byte.
    Open,
    None,
}

fn ends_track1(byte: u8) -> bool {
    Tail::Track1.ends_at(byte)
}
