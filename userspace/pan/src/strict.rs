//! The strict scan of text as it streams: any window of 13 to 19 digits, in either direction, whatever stands beside it. It masks too much for
//! results in general and is right for what we write down ourselves and for columns that an operator names.
//!
//! Three readings go over the same bytes, each on its own and a word at a time: [`digits`] (ASCII, fullwidth, Arabic-Indic, `\u0034`, `%34`, separators dropped),
//! [`pairs`] (hex text) and [`base64`]. Each marks what has to go and says from where on it is not sure; [`write`] overwrites what all three
//! are done with. What they mark depends on the input alone and is united, so a window of the output that no mark touches was one of the
//! input, and was no card.
//!
//! A run that is written so widely that it cannot be decided within [`SPAN_MAX`] bytes goes whole.

mod base64;
pub(crate) mod bound;
mod calm;
mod columns;
mod digits;
mod events;
mod issued;
mod marks;
pub mod naive;
mod numbers;
mod pairs;
mod reach;
mod run;
mod sparse;
mod token;
mod write;

use crate::{
    Engine, Fill, Scan,
    arch::{WORD, lanes::Strict},
};
pub(crate) use columns::{Columns, Found};
pub(crate) use issued::Issued;
pub use numbers::card_numbers;

use base64::Base64;
use digits::Digits;
use marks::{Held, Marks, Places, WINDOW};
use pairs::Pairs;

/// The most bytes that a card may span: 19 digits as `\u0034`, each with one separator written so. ASCII digits with three separators of three
/// bytes in each gap need 181, fullwidth ones 219.
const SPAN_MAX: usize = 19 * 6 + 18 * 6;
/// The most bytes that are held back: a card's, the beginning of the token behind it, the rest of the token before it, and what the fill of a
/// number looks ahead.
pub(crate) const HOLD_MAX: usize = SPAN_MAX + 2 * write::TOKEN_REST + write::AHEAD;
const _: () = assert!(WINDOW > 2 * HOLD_MAX);

/// The scan of text. Every place kept between calls counts from the first held byte.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    engine: &'static Engine,
    fill: Fill,
    digits: Digits,
    pairs: Pairs,
    base64: Base64,
    writer: write::Writer,
    /// Nothing was scanned yet.
    fresh: bool,
    /// What is scanned now is a whole value of at most a window,
    is_whole: bool,
    /// and has fewer digits than a card: one in base64 alone may be in it.
    has_few_digits: bool,
    /// Marks on held bytes.
    hidden: Held,
    hidden_pairs: Held,
}

/// A place in a window, kept small: every value that streams has a few.
type Place = u16;

fn place(at: usize) -> Place {
    debug_assert!(at <= WINDOW);
    at as Place
}

/// The bytes that one step looks at.
struct Window<'a> {
    engine: &'a Engine,
    bytes: &'a [u8],
    /// The value ends here.
    last: bool,
    json: bool,
}

impl Text {
    /// At the beginning of a value; `fill` is not [`Fill::Hex`].
    pub(crate) fn new(engine: &'static Engine, fill: Fill) -> Text {
        Text {
            engine,
            fill,
            digits: Digits::default(),
            pairs: Pairs::default(),
            base64: Base64::default(),
            writer: write::Writer::default(),
            fresh: true,
            is_whole: false,
            has_few_digits: false,
            hidden: Held::default(),
            hidden_pairs: Held::default(),
        }
    }

    /// As [`crate::Scanner::scan`].
    pub(crate) fn scan(&mut self, bytes: &mut [u8], last: bool) -> Scan {
        self.is_whole = self.fresh && last && bytes.len() <= WINDOW;
        self.has_few_digits = self.is_whole && has_few_digits(bytes);
        if self.has_few_digits && !base64::may_hold(bytes) {
            return Scan { cards: 0, hold: 0 };
        }
        self.fresh = false;
        let backend = self.engine.backend();
        backend.strict_scan(self, bytes, last)
    }

    /// The same, compiled for one backend.
    #[inline(always)]
    pub(crate) fn scan_windows<S: Strict>(&mut self, bytes: &mut [u8], last: bool) -> Scan {
        if self.is_whole
            && (self.has_few_digits || sparse::are_digits::<S>(bytes))
            && !base64::may_hold_card::<S>(bytes, 0, false)
        {
            return Scan { cards: 0, hold: 0 };
        }
        let (mut at, mut cards, mut columns) = (0, 0, None);
        loop {
            at += self.skip::<S>(bytes.get(at..).unwrap_or_default());
            let rest = bytes.get_mut(at..).unwrap_or_default();
            let length = rest.len().min(WINDOW);
            let ends = length == rest.len();
            let window = rest.get_mut(..length).unwrap_or_default();
            let (found, done) = self.step::<S>(window, last && ends, &mut columns);
            (cards, at) = (cards + found, at + done);
            if ends {
                return Scan { cards, hold: bytes.len() - at };
            }
        }
    }

    /// Goes over calm words, all but the last of them, when nothing is open; returns how many bytes are final.
    #[inline(always)]
    fn skip<S: Strict>(&mut self, bytes: &[u8]) -> usize {
        let open = self.digits.is_open() || self.base64.is_open();
        if open || self.hidden != Held::default() || self.hidden_pairs != Held::default() {
            return 0;
        }
        let calm = calm::words::<S>(bytes).saturating_sub(1) * WORD;
        let reached = self.digits.at.max(self.pairs.at).max(self.base64.at);
        let Some(skipped) = bytes.get(..calm).filter(|skipped| !skipped.is_empty() && calm >= reached.into()) else {
            return 0;
        };
        self.writer.skip(skipped, self.fill == Fill::Json);
        (self.digits, self.pairs, self.base64) = (Digits::default(), Pairs::default(), Base64::default());
        calm
    }

    /// Scans one window; returns the cards found and how many bytes are final.
    #[inline(always)]
    fn step<S: Strict>(&mut self, bytes: &mut [u8], last: bool, columns: &mut Option<Columns>) -> (u32, usize) {
        let mut marks = Marks { hidden: Places::resume(&self.hidden), pairs: Places::resume(&self.hidden_pairs) };
        let window = Window { engine: self.engine, bytes, last, json: self.fill == Fill::Json };
        let cards = self.digits.read::<S>(&window, columns, &mut marks)
            + self.pairs.read::<S>(&window, columns, &mut marks)
            + self.base64.read::<S>(&window, &mut marks);
        let decided = self.digits.at.min(self.pairs.at).min(self.base64.at).into();
        let mut page = write::Page { engine: self.engine, fill: self.fill, bytes, marks: &marks, last };
        let cut = self.writer.write::<S>(&mut page, decided);
        self.digits.rebase(place(cut));
        self.pairs.rebase(place(cut));
        self.base64.rebase(place(cut));
        (self.hidden, self.hidden_pairs) = (marks.hidden.held(cut), marks.pairs.held(cut));
        (cards, cut)
    }
}

/// Whether a whole value has fewer than thirteen bytes that are a digit or end one: no card is in it but in base64.
fn has_few_digits(bytes: &[u8]) -> bool {
    let digits =
        |chunk: &[u8]| chunk.iter().map(|&byte| u8::from(byte.is_ascii_digit()) + u8::from(byte >= 0xd9)).sum::<u8>();
    let count: usize = bytes.chunks(64).map(|chunk| usize::from(digits(chunk))).sum();
    count < crate::keep::DIGITS_MIN
}
