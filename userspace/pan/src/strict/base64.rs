//! The third reading: base64, standard and URL-safe, at each of its alignments. A token whose decoding holds a card becomes stars from the
//! card's first character to its end: nobody takes stars for data, and what is decoded no further shows nothing.
//!
//! Every character but the first completes three bytes, one of each alignment but one. A line break goes on with the token behind a line of
//! `LINE_MIN` characters (PostgreSQL's `encode` breaks lines at 76). What stands behind a backslash is no character of a token: stars there
//! would break JSON.

use super::{
    Place, Window,
    marks::{Marks, WINDOW},
    place,
    run::Run,
};

/// The shortest line that may be broken inside a token.
pub(super) const LINE_MIN: u8 = 16;

/// Between two windows.
#[derive(Clone, Copy, Default)]
pub(super) struct Base64 {
    pub(super) at: Place,
    /// All that follows in this token goes.
    hiding: bool,
    /// Characters since the token or its line began, and line breaks since the last.
    line: u8,
    breaks: u8,
    escape: Escape,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// Behind a backslash.
    Letter,
    /// So many hex digits of `\uXXXX` are to come.
    Digits(u8),
}

/// The four decodings of a token.
struct Decodings {
    runs: [Run; 4],
    characters: usize,
    previous: Option<(u8, usize)>,
}

impl Base64 {
    pub(super) fn read(&mut self, window: &Window<'_>, marks: &mut Marks) -> u32 {
        let (mut lines, mut cards) = ([0; WINDOW], 0);
        let mut token = Decodings { runs: [Run::new(0); 4], characters: 0, previous: None };
        for (at, &byte) in window.bytes.iter().enumerate().skip(self.at.into()) {
            if let Some(slot) = lines.get_mut(at) {
                *slot = self.line;
            }
            match self.character(byte) {
                Some(_) if self.hiding => marks.hidden.set(at),
                Some(value) => {
                    if let Some(from) = token.read(window, value, at) {
                        (from..=at).filter(|&at| !is_break(window.bytes, at)).for_each(|at| marks.hidden.set(at));
                        self.hiding = true;
                        cards += 1;
                        token.clear();
                    }
                }
                None if self.breaks > 0 => {}
                None => {
                    self.hiding = false;
                    token.clear();
                }
            }
        }
        let end = window.bytes.len();
        let at = if window.last { end } else { token.pending_from().unwrap_or(end) };
        if at < end {
            self.line = lines.get(at).copied().unwrap_or(0);
            (self.breaks, self.escape) = (0, Escape::None);
        }
        self.at = place(at);
        cards
    }

    /// The value of a byte as a character of a token; None when it is none. `self.breaks` says whether the token goes on behind it.
    fn character(&mut self, byte: u8) -> Option<u8> {
        let escape = std::mem::take(&mut self.escape);
        let value = match escape {
            Escape::Letter if byte == b'u' => {
                self.escape = Escape::Digits(4);
                None
            }
            Escape::Letter => None,
            Escape::Digits(left) if byte.is_ascii_hexdigit() => {
                self.escape = if left > 1 { Escape::Digits(left - 1) } else { Escape::None };
                None
            }
            Escape::None | Escape::Digits(_) => {
                let value = value(byte);
                if byte == b'\\' {
                    self.escape = Escape::Letter;
                }
                value
            }
        };
        if value.is_some() {
            (self.line, self.breaks) = (self.line.saturating_add(1), 0);
        } else if matches!(byte, b'\n' | b'\r') && escape == Escape::None && (self.line >= LINE_MIN || self.breaks == 1)
        {
            (self.line, self.breaks) = (0, self.breaks + 1);
        } else {
            (self.line, self.breaks) = (0, 0);
        }
        value
    }

    pub(super) fn rebase(&mut self, cut: Place) {
        self.at -= cut;
    }
}

impl Decodings {
    fn clear(&mut self) {
        self.runs.iter_mut().for_each(Run::clear);
        self.previous = None;
    }

    /// Reads a character; where a card ends with it, says where that begins.
    fn read(&mut self, window: &Window<'_>, value: u8, at: usize) -> Option<usize> {
        self.characters += 1;
        let (before, start) = self.previous.replace((value, at))?;
        let bytes = [before << 2 | value >> 4, before << 4 | value >> 2, before << 6 | value];
        let mut from = None;
        for (offset, byte) in bytes.into_iter().enumerate() {
            let run = &mut self.runs[(self.characters + 3 - offset) % 4];
            if byte.is_ascii_digit() {
                run.push(byte - b'0', start);
                if let Some(card) = run.card_from(window.engine) {
                    from = Some(from.map_or(card, |from: usize| from.min(card)));
                }
            } else if run.count > 0 {
                if is_separator(byte) {
                    run.separate();
                } else {
                    run.clear();
                }
            }
        }
        from
    }

    /// Where the oldest character stands that may still turn out to belong to a card.
    fn pending_from(&self) -> Option<usize> {
        let newest = self.previous.filter(|&(value, _)| begins_digit(value)).map(|(_, at)| at);
        self.runs.iter().filter_map(Run::pending_from).chain(newest).min()
    }
}

/// Whether a byte that begins with this character, at any alignment, can be an ASCII digit.
fn begins_digit(value: u8) -> bool {
    value >> 2 == 0b0011 || value & 15 == 0b0011 || value & 3 == 0
}

/// The separators of one byte.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' | b'\n' | b'\r' | 0xa0)
}

fn is_break(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b'\n' | b'\r'))
}

pub(super) fn value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}
