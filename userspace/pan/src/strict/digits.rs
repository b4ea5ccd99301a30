//! The first reading: digits in any encoding that stands for itself, separators dropped, and the stripes behind cards.

use super::{
    Place, SPAN_MAX, Window,
    events::Events,
    marks::Marks,
    place,
    run::GAP_MAX,
    skip,
    token::{self, Token},
};
use crate::balanced::candidate::Tail;

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
    events: Events,
    at: usize,
    /// The caret behind a card stands here, shifted by `NAME_MAX` to be positive.
    name: Option<usize>,
    overlong: bool,
    /// Separators since the newest digit.
    gap: u8,
    /// A card ends with the digit that begins here.
    ended: Option<usize>,
    cards: u32,
}

impl Digits {
    /// Marks what has to go; returns the number of cards. From `self.at` on nothing is decided.
    #[inline(always)]
    pub(super) fn read(&mut self, window: &Window<'_>, marks: &mut Marks) -> u32 {
        let mut reading = Reading {
            window,
            marks,
            events: Events::new(),
            at: self.at.into(),
            name: self.name.map(|since| usize::from(self.at) + NAME_MAX + 1 - usize::from(since)),
            overlong: self.overlong.is_some(),
            gap: self.overlong.unwrap_or(0),
            ended: self.ends.map(usize::from),
            cards: 0,
        };
        loop {
            if let Some(tail) = self.tail {
                if !reading.hide_tail(tail) {
                    break;
                }
                self.tail = None;
            }
            if !reading.step(&mut self.tail) {
                break;
            }
        }
        let mut covered = self.covered.into();
        let cards = reading.events.hide_cards(window.engine, &mut covered, &mut reading.marks.hidden);
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
    /// Reads one token; false at the end of what can be read.
    #[inline(always)]
    fn step(&mut self, tail: &mut Option<Tail>) -> bool {
        let bytes = self.window.bytes;
        if self.events.length() == 0 && !self.overlong && self.name.is_none() {
            self.at = skip::to_digit(bytes, self.at);
        }
        self.at += self.events.push_plain(bytes.get(self.at..).unwrap_or_default(), self.at);
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
            Token::Digit(_, length) | Token::Separator(length) => self.at += length,
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
        if self.events.pending_from().is_some_and(|from| end - from > SPAN_MAX) {
            self.events.pending().for_each(|at| self.marks.hidden.set(at));
            self.events.end_run();
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
        self.events.end_run();
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

enum Stripe {
    Begins(Tail),
    /// It depends on the next byte.
    Open,
    None,
}

fn ends_track1(byte: u8) -> bool {
    Tail::Track1.ends_at(byte)
}
