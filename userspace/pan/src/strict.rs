//! The strict scan: any window of 13 to 19 digits, separators dropped, boundaries ignored. It masks too much for results and is right for what
//! we write down ourselves.
//!
//! With two running sums modulo 10 over a run, one per parity that is doubled, a window passes the check digit when the sum of the right
//! parity is equal at both its ends.

use crate::{
    Engine, Fill, Scan,
    keep::{DIGITS_MAX, DIGITS_MIN},
};

/// How many separators in a row may stand between two digits of one number.
const GAP_MAX: usize = 3;

/// The most bytes that are held back.
pub(crate) const HOLD_MAX: usize = 231;

/// The scan of text as it streams. For now every digit goes.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    fill: Fill,
}

impl Text {
    /// At the beginning of a value; `fill` is not [`Fill::Hex`].
    pub(crate) fn new(_engine: &'static Engine, fill: Fill) -> Text {
        Text { fill }
    }

    /// As [`crate::Scanner::scan`].
    pub(crate) fn scan(&mut self, bytes: &mut [u8], _last: bool) -> Scan {
        let with = if self.fill == Fill::Text { b'*' } else { b'0' };
        bytes.iter_mut().filter(|byte| byte.is_ascii_digit()).for_each(|byte| *byte = with);
        Scan { cards: 0, hold: 0 }
    }
}

/// Calls `hide` with the position of every digit that has to go.
pub(crate) fn scan(engine: &Engine, bytes: &[u8], mut hide: impl FnMut(usize)) {
    let (mut run, mut at, mut gap) = (Run::default(), 0, 0);
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_digit() {
            run.push(at, byte - b'0');
            (at, gap) = (at + 1, 0);
            continue;
        }
        let length = separator_length(bytes.get(at..).unwrap_or_default());
        gap += 1;
        if length == 0 || gap > GAP_MAX {
            run.finish(engine, &mut hide);
        }
        at += length.max(1);
    }
    run.finish(engine, &mut hide);
}

fn separator_length(bytes: &[u8]) -> usize {
    match *bytes {
        [b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' | b'\n' | b'\r' | 0xa0, ..] => 1,
        [0xc2, 0xa0, ..] => 2,
        [0xe2, 0x80, 0x80..=0x95 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe2, 0x88, 0x92, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

#[derive(Default)]
struct Run {
    places: Vec<usize>,
    digits: Vec<u8>,
}

impl Run {
    fn push(&mut self, place: usize, digit: u8) {
        self.places.push(place);
        self.digits.push(digit);
    }

    fn finish(&mut self, engine: &Engine, hide: &mut impl FnMut(usize)) {
        if self.digits.len() >= DIGITS_MIN {
            self.scan(engine, hide);
        }
        self.places.clear();
        self.digits.clear();
    }

    fn scan(&self, engine: &Engine, hide: &mut impl FnMut(usize)) {
        let sums = [self.sums(0), self.sums(1)];
        for start in 0..=self.digits.len() - DIGITS_MIN {
            let lengths = engine.heads.strict(self.digits.get(start..).unwrap_or_default());
            if lengths.is_empty() {
                continue;
            }
            for length in DIGITS_MIN..=DIGITS_MAX.min(self.digits.len() - start) {
                // The digit before the last is the first doubled one.
                let sum = &sums[(start + length) % 2];
                if lengths.contains(length) && sum.get(start) == sum.get(start + length) {
                    let places = self.places.get(start..start + length).unwrap_or_default();
                    places
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| engine.keep.hides(*index, length))
                        .for_each(|(_, &place)| hide(place));
                }
            }
        }
    }

    /// Sums modulo 10 before each digit, the digits at indices of `parity` doubled.
    fn sums(&self, parity: usize) -> Vec<u8> {
        let mut sum = 0;
        let mut sums = Vec::with_capacity(self.digits.len() + 1);
        sums.push(0);
        for (index, &digit) in self.digits.iter().enumerate() {
            let double = digit * 2 / 10 + digit * 2 % 10;
            sum = (sum + if index % 2 == parity { double } else { digit }) % 10;
            sums.push(sum);
        }
        sums
    }
}
