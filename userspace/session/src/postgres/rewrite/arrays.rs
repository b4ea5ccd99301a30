//! Array literals: `{a,"b c",NULL}`, nested, with `\` before a quote or a backslash inside quotes
//! (`array_out`, src/backend/utils/adt/arrayfuncs.c).

use super::search::{Ahead, Patterns, Search, Sought};
use pan::Fill;

/// Text with escapes that are no letters or digits beside a number, searched by content; the search starts afresh behind each.
///
/// * An array's elements are JSON or bytea, whose own backslashes stand here twice: `\\n4111…` is a line feed and a number.
/// * bytea's older format writes a byte as three octal digits: `\0014111…` is a byte and a number.
#[derive(Clone)]
pub(super) struct Escaped {
    escapes: Escapes,
    sought: Sought,
    search: Search,
    hex: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Of elements inside an array literal.
    Elements,
    /// Of `byteaout` with `bytea_output = escape` (src/backend/utils/adt/varlena.c).
    Octal,
}

impl Escaped {
    pub(super) fn new(sought: Sought, escapes: Escapes) -> Escaped {
        Escaped { escapes, sought, search: Search::new(sought, Fill::Text), hex: false }
    }

    /// How many bytes are final, and the cards in them.
    pub(super) fn scan(
        &mut self,
        chunk: &mut [u8],
        ends: bool,
        patterns: Option<&Patterns>,
        ahead: &mut Ahead,
    ) -> (usize, u32) {
        let (mut done, mut cards) = (0, 0);
        while let Some(rest) = chunk.get_mut(done..) {
            let stop = self.stop(rest);
            let (part, tail) = rest.split_at_mut(stop.unwrap_or(rest.len()));
            if !part.is_empty() {
                let scan = self.search.scan(part, ends || stop.is_some(), patterns, ahead);
                cards += scan.cards;
                done += part.len().saturating_sub(scan.hold);
            }
            if tail.is_empty() {
                break;
            }
            let passed = match self.escapes {
                Escapes::Elements => element_escape(tail, ends),
                Escapes::Octal => octal_escape(tail, ends),
            };
            self.hex = passed == Some(0); // a bytea: searched from its prefix on
            let octal = self.escapes == Escapes::Elements && octal_digits(tail.get(1..).unwrap_or_default());
            let sought = if tail.first() == Some(&b'\\') && octal { self.sought.strictly() } else { self.sought };
            self.search = Search::new(sought, if self.hex { Fill::Hex } else { Fill::Text });
            match passed {
                Some(passed) => done += passed,
                None => break,
            }
        }
        (done, cards)
    }

    /// Where the part that the scanner may see as one text ends.
    fn stop(&self, rest: &[u8]) -> Option<usize> {
        if self.hex {
            return hex_end(rest);
        }
        rest.iter().position(|byte| matches!(byte, b'\\' | b'"'))
    }
}

/// Where `\x3431…` (or what is left of it) ends.
pub(super) fn hex_end(rest: &[u8]) -> Option<usize> {
    let prefix = if rest.first() == Some(&b'\\') { 2 } else { 0 };
    rest.iter().skip(prefix).position(|byte| !byte.is_ascii_hexdigit()).map(|at| at + prefix)
}

/// The length of what stands in front; 0: a hexadecimal bytea does. None: bytes are missing to tell.
fn element_escape(tail: &[u8], ends: bool) -> Option<usize> {
    match tail {
        [b'\\'] if !ends => None,
        [b'\\', b'0'..=b'3'] | [b'\\', b'0'..=b'3', b'0'..=b'7'] if !ends => None,
        [b'\\', b'x', ..] => Some(0),
        [b'\\', letter, ..] if letter.is_ascii_alphabetic() => Some(2),
        _ => Some(1),
    }
}

/// A byte in bytea's older format may begin here, behind a backslash, or a number that a backslash stands in front of: only a search for any
/// window of digits is right for both.
pub(super) fn octal_digits(rest: &[u8]) -> bool {
    matches!(rest, [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..])
}

/// The length of what stands in front. None: bytes are missing to tell.
pub(super) fn octal_escape(tail: &[u8], ends: bool) -> Option<usize> {
    match tail {
        [b'\\', b'\\', ..] => Some(2),
        [b'\\', b'0'..=b'7', b'0'..=b'7', b'0'..=b'7', ..] => Some(4),
        [b'\\'] | [b'\\', b'0'..=b'7'] | [b'\\', b'0'..=b'7', b'0'..=b'7'] if !ends => None,
        _ => Some(1),
    }
}

/// A sensitive array literal: its shape stays, so that its reader still parses it, and nothing of its elements does.
#[derive(Clone)]
pub(super) struct Hidden {
    numbers: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first byte: `{`, or `[` of bounds in front (`[0:2]={…}`).
    Start,
    Bounds,
    Outside,
    Quoted,
    /// Behind a backslash inside quotes.
    Escaped,
}

impl Hidden {
    pub(super) fn new(numbers: bool) -> Hidden {
        Hidden { numbers, place: Place::Start }
    }

    /// All of `chunk` is final.
    pub(super) fn hide(&mut self, chunk: &mut [u8]) -> usize {
        for byte in chunk.iter_mut() {
            let (place, kept) = self.place_of(*byte);
            self.place = place;
            *byte = match (kept, self.numbers) {
                (true, _) => *byte,
                (false, false) => b'*',
                (false, true) if byte.is_ascii_digit() => b'0',
                (false, true) => *byte, // sign, point, exponent, NaN, NULL
            };
        }
        chunk.len()
    }

    fn place_of(&self, byte: u8) -> (Place, bool) {
        match (self.place, byte) {
            (Place::Start, b'[') => (Place::Bounds, true),
            (Place::Bounds, b'=') => (Place::Outside, true),
            (Place::Bounds, _) => (Place::Bounds, true),
            (Place::Start | Place::Outside, b'{' | b'}' | b',') => (Place::Outside, true),
            (Place::Start | Place::Outside, b'"') => (Place::Quoted, true),
            (Place::Start | Place::Outside, _) => (Place::Outside, false),
            (Place::Quoted, b'"') => (Place::Outside, true),
            (Place::Quoted, b'\\') => (Place::Escaped, false),
            (Place::Quoted | Place::Escaped, _) => (Place::Quoted, false),
        }
    }
}
