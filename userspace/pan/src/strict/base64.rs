//! The third reading: base64, standard and URL-safe, at each of its alignments. A token whose decoding holds a card becomes stars from the
//! card's first character to its end: nobody takes stars for data, and what is decoded no further shows nothing.
//!
//! Every character but the first completes three bytes, one of each alignment but one. A line break goes on with the token behind a line of
//! `LINE_MIN` characters (PostgreSQL's `encode` breaks lines at 76). What stands behind a backslash is no character of a token: stars there
//! would break JSON.

use super::{
    Place, Window,
    marks::{Marks, WINDOW, lowest, word_at},
    place,
    run::Run,
};
use crate::arch::{Set, WORD, lanes::Strict};

/// The characters of a token.
const CHARACTERS: Set = Set::of(&[
    (0x2, b"\x0b\x0d\x0f"),
    (0x3, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
    (0x4, b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
    (0x5, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0f"),
    (0x6, b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
    (0x7, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"),
]);
const BREAKS: Set = Set::of(&[(0x0, b"\x0a\x0d")]);
/// The four characters of a group that writes three digits or separators of one byte, each by its own.
const GROUP: [Set; 4] = [
    Set::of(&[(0x4, b"\x03\x04\x09\x0c\x0d\x0e\x0f"), (0x5, b"\x08")]), // C D I L to O X
    // Values that end in 0, 2, 3, 5: A C D F, Q S T V, g i j l, w y z 1
    Set::of(&[
        (0x4, b"\x01\x03\x04\x06"),
        (0x5, b"\x01\x03\x04\x06"),
        (0x6, b"\x07\x09\x0a\x0c"),
        (0x7, b"\x07\x09\x0a"),
        (0x3, b"\x01"),
    ]),
    // Values of which the last two bits are 00 or 01: A B E F I J M N, Q R U V Y Z, c d g h k l o, p s t w x, 0 1 4 5 8 9
    Set::of(&[
        (0x4, b"\x01\x02\x05\x06\x09\x0a\x0d\x0e"),
        (0x5, b"\x01\x02\x05\x06\x09\x0a"),
        (0x6, b"\x03\x04\x07\x08\x0b\x0c\x0f"),
        (0x7, b"\x00\x03\x04\x07\x08"),
        (0x3, b"\x00\x01\x04\x05\x08\x09"),
    ]),
    // 48 to 57: w to z, 0 to 5; 32, 45 to 47: g t u v; 31: f; 9, 10, 13: J K N
    Set::of(&[
        (0x7, b"\x04\x05\x06\x07\x08\x09\x0a"),
        (0x3, b"\x00\x01\x02\x03\x04\x05"),
        (0x6, b"\x06\x07"),
        (0x4, b"\x0a\x0b\x0e"),
    ]),
];

/// The shortest line that may be broken inside a token.
pub(super) const LINE_MIN: u8 = 16;

/// What pends at the end of a window stands no further before it.
const LINES: usize = 256;
const _: () = assert!(LINES >= super::HOLD_MAX);

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
    #[inline(always)]
    pub(super) fn read<S: Strict>(&mut self, window: &Window<'_>, marks: &mut Marks) -> u32 {
        let from = if self.hiding { self.at.into() } else { self.enter::<S>(window) };
        if from == window.bytes.len() {
            self.at = place(from);
            return 0;
        }
        let (mut lines, mut cards) = ([0; LINES], 0);
        let mut token = Decodings { runs: [Run::new(0); 4], characters: 0, previous: None };
        for (at, &byte) in window.bytes.iter().enumerate().skip(from) {
            lines[at % LINES] = self.line;
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
            self.line = lines[at % LINES];
            (self.breaks, self.escape) = (0, Escape::None);
        }
        self.at = place(at);
        cards
    }

    /// Where decoding has to begin: where no card can be whole in the window, with what may go on behind it. Brings the state there.
    #[inline(always)]
    fn enter<S: Strict>(&mut self, window: &Window<'_>) -> usize {
        let (bytes, from) = (window.bytes, usize::from(self.at));
        if may_hold_card::<S>(bytes, from, self.line > 0) {
            return from;
        }
        if window.last {
            return bytes.len();
        }
        let last = bytes.len().saturating_sub(SPAN_MAX).max(from);
        let begins = (last..bytes.len()).step_by(WORD).any(|at| S::of(&word_at(bytes, at), &GROUP[0]) != 0);
        let start = if begins { last } else { bytes.len().saturating_sub(BEGUN_MAX).max(last) };
        // What begins before a byte of no token does not go on behind the end.
        let goes_on = |&byte: &u8| value(byte).is_some() || matches!(byte, b'\n' | b'\r');
        let tail = bytes.get(start..).unwrap_or_default();
        let start = start + tail.iter().rposition(|byte| !goes_on(byte)).map_or(0, |at| at + 1);
        // The length of the line, and whether an escape goes on, are known from far enough before.
        let mut known = start.saturating_sub(2 * usize::from(LINE_MIN)).max(from);
        while known > from && bytes.get(known.saturating_sub(7)..known).is_some_and(|before| before.contains(&b'\\')) {
            known -= 1;
        }
        if known > from {
            (self.line, self.breaks, self.escape) = (0, 0, Escape::None);
            let long = lowest(start - known);
            if known + 2 * usize::from(LINE_MIN) == start && S::of(&word_at(bytes, known), &CHARACTERS) & long == long {
                self.line = 2 * LINE_MIN;
                return start;
            }
        }
        for &byte in bytes.get(known..start).unwrap_or_default() {
            self.character(byte);
        }
        start
    }

    /// The value of a byte as a character of a token; None when it is none. `self.breaks` says whether the token goes on behind it.
    #[inline(always)]
    pub(super) fn character(&mut self, byte: u8) -> Option<u8> {
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

    /// Behind a byte that is no character: whether the token goes on all the same.
    pub(super) fn goes_on(&self) -> bool {
        self.breaks > 0
    }

    /// Whether what is hidden depends on what came before.
    pub(super) fn is_open(&self) -> bool {
        self.hiding
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
        let mut from = None;
        for (offset, byte) in bytes_of(before, value).into_iter().enumerate() {
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

/// The most that a card of 19 digits spans, with three separators in each gap and broken lines.
const SPAN_MAX: usize = 128;
/// A card that has begun and completed no group: one group of four characters, two more, and the breaks of a line.
const BEGUN_MAX: usize = 12;

/// Most statements are no longer.
const STATEMENT: usize = 8 * WORD;

/// Thirteen digits.
const CHARACTERS_MIN: usize = 18;

/// Whether a card can be whole behind `from`: of thirteen bytes that are digits or separators, four begin a group, and two of these stand in
/// one line.
#[inline(always)]
fn may_hold_from(bytes: &[u8], from: usize) -> bool {
    let rest = bytes.get(from..).unwrap_or_default();
    if rest.len() < CHARACTERS_MIN {
        return false;
    }
    // A name is short, and most statements are; a window is much to clear for them.
    if rest.len() <= WORD {
        may_hold_within::<WORD>(rest)
    } else if rest.len() <= STATEMENT {
        may_hold_within::<STATEMENT>(rest)
    } else {
        may_hold_within::<WINDOW>(rest)
    }
}

/// The same of so many bytes at most, and of the characters alone.
#[inline(always)]
fn may_hold_within<const MOST: usize>(rest: &[u8]) -> bool {
    let mut groups = [0_u8; MOST];
    groups.iter_mut().zip(rest).for_each(|(group, &byte)| *group = u8::from(begins_group(byte)));
    let broken = rest.iter().fold(0, |any, &byte| any | u8::from(byte == b'\n') | u8::from(byte == b'\r')) != 0;
    let mut found = 0;
    if broken {
        for at in 0..rest.len().min(MOST) - 4 {
            found |= groups[at] & groups[at + 4];
        }
    } else {
        for at in 0..rest.len().min(MOST) - 12 {
            found |= groups[at] & groups[at + 4] & groups[at + 8] & groups[at + 12];
        }
    }
    found != 0
}

/// The same, closer: all characters of the groups are looked at, and some line is as long as one that may be broken. `open`: a line goes on
/// from before `from`.
#[inline(always)]
pub(super) fn may_hold_card<S: Strict>(bytes: &[u8], from: usize, open: bool) -> bool {
    if !bytes.get(from..).is_some_and(any_group::<S>) {
        return false;
    }
    let words = from / WORD..bytes.len().div_ceil(WORD).min(WINDOW / WORD);
    let (mut long, mut breaks, mut groups) = (0, 0, 0);
    let mut before = if open { u64::MAX } else { 0 };
    for index in words.clone() {
        let (word, behind) = (word_at(bytes, index * WORD), lowest(from.saturating_sub(index * WORD)));
        let characters = S::of(&word, &CHARACTERS) & !behind | before & behind;
        breaks |= S::of(&word, &BREAKS) & !behind;
        groups |= S::of(&word, &GROUP[0]) & !behind;
        let row = u128::from(before) | u128::from(characters) << WORD;
        let two = row & row << 1;
        let four = two & two << 2;
        let eight = four & four << 4;
        long |= ((eight & eight << 8) >> WORD) as u64;
        before = characters;
    }
    if long == 0 || groups == 0 {
        return false;
    }
    const _: () = assert!(LINE_MIN == 16);
    let (mut next, mut next_whole) = ([0; 4], 0);
    for index in words.rev() {
        let word = word_at(bytes, index * WORD);
        let here = [S::of(&word, &GROUP[0]), S::of(&word, &GROUP[1]), S::of(&word, &GROUP[2]), S::of(&word, &GROUP[3])];
        let first = here[0] & !lowest(from.saturating_sub(index * WORD));
        let whole = first
            & (here[1] >> 1 | next[1] << (WORD - 1))
            & (here[2] >> 2 | next[2] << (WORD - 2))
            & (here[3] >> 3 | next[3] << (WORD - 3));
        let second = first >> 4 | next[0] << (WORD - 4);
        let card = whole
            & if breaks != 0 {
                second
            } else {
                (whole >> 4 | next_whole << (WORD - 4))
                    & (whole >> 8 | next_whole << (WORD - 8))
                    & (first >> 12 | next[0] << (WORD - 12))
            };
        if card != 0 {
            return true;
        }
        (next, next_whole) = (here, whole);
    }
    false
}

/// Whether any character can begin a group.
#[inline(always)]
fn any_group<S: Strict>(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<{ 4 * WORD }>();
    blocks.iter().any(|block| S::any_of(block, &GROUP[0]))
        || (0..rest.len()).step_by(WORD).any(|at| S::of(&word_at(rest, at), &GROUP[0]) != 0)
}

/// The same for a whole value.
pub(super) fn may_hold(bytes: &[u8]) -> bool {
    bytes.len() > WINDOW || may_hold_from(bytes, 0)
}

/// Whether a group that begins with this character can begin with the byte of a digit (`M`, `N`, `O`) or of a separator.
#[inline(always)]
fn begins_group(byte: u8) -> bool {
    let letters = [b'C', b'D', b'I', b'X'];
    letters.iter().fold(byte.wrapping_sub(b'L') < 4, |any, &letter| any | (byte == letter))
}

/// Whether a byte that begins with this character, at any alignment, can be an ASCII digit.
fn begins_digit(value: u8) -> bool {
    value >> 2 == 0b0011 || value & 15 == 0b0011 || value & 3 == 0
}

/// The bytes that two characters in a row complete, one of each alignment.
#[inline(always)]
pub(super) fn bytes_of(before: u8, value: u8) -> [u8; 3] {
    [before << 2 | value >> 4, before << 4 | value >> 2, before << 6 | value]
}

/// The separators of one byte.
pub(super) fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' | b'\n' | b'\r')
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
