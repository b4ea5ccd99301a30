//! Texts that differ in the values of their constants alone.
//!
//! Their [`Shape`] is the text with a mark in the place of each constant that the grammar's own scanner finds there: of an integer, of
//! another number, of a string. All else is the same byte for byte, so the grammar sees the same tokens. It makes the same tree of them
//! but where a rule of it looks at a value itself; that is why each constant has to be one of an expression ([`crate::Analysis::constants`]).

use crate::Kind;
use crate::grammar;
use crate::statement::Statement;
use crate::tree::Literals;

/// The scanner's numbers (`pg_query_scan_tokens.h`, pg_query 18.1.0) of whole numbers, other numbers and strings.
const ICONST: i32 = 266;
const FCONST: i32 = 260;
const SCONST: i32 = 261;
/// Of strings and identifiers with `U&`, whose escape may stand in another string, and of that word: nothing is shared.
const UIDENT: i32 = 259;
const USCONST: i32 = 262;
const UESCAPE: i32 = 717;

/// What a single statement may be.
const KINDS: [Kind; 6] = [Kind::SELECT, Kind::INSERT, Kind::UPDATE, Kind::DELETE, Kind::MERGE, Kind::FUNCTION_CALL];

/// Where the constants of a text are, if it is said without them.
pub(crate) fn shared(statements: &[Statement], literals: Literals<'_>) -> Option<Box<[usize]>> {
    let [only] = statements else { return None };
    let is_plain = only.settings.is_empty()
        && only.prepared.is_empty()
        && only.copy.is_none()
        && only.transaction.is_none()
        && only.kinds.iter().all(|kind| KINDS.contains(kind));
    let mut places: Box<[usize]> = literals.unseen().filter(|places| is_plain && !places.is_empty())?.into();
    places.sort_unstable();
    Some(places)
}

/// A text without the values of its constants.
#[derive(Clone, PartialEq, Eq)]
pub struct Shape(Box<[u8]>);

impl Shape {
    /// Of a text whose constants begin in these bytes, in order. `None`: a value in it is no constant of an expression.
    pub fn of(text: &str, constants: &[usize]) -> Option<Shape> {
        let is_constant = |start: usize, sign: Option<usize>| {
            let is_one = |place: &usize| constants.binary_search(place).is_ok();
            is_one(&start) || sign.as_ref().is_some_and(is_one)
        };
        written(text, is_constant).map(|bytes| Shape(bytes.into()))
    }

    /// Whether a text is of this shape.
    pub fn is_of(&self, text: &str) -> bool {
        written(text, |_, _| true).is_some_and(|bytes| *bytes == *self.0)
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shape({} bytes)", self.0.len())
    }
}

/// The shape's bytes. A constant is a zero, which no text has, and a letter. `is_constant` is asked of each with the byte where it begins,
/// and the one of a minus right in front of it.
fn written(text: &str, is_constant: impl Fn(usize, Option<usize>) -> bool) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut shape = Vec::with_capacity(bytes.len() + 16);
    let (mut copied, mut sign) = (0, None);
    for token in grammar::scan(text).ok()? {
        let mark = match token.number {
            ICONST => b'i',
            FCONST => b'f',
            SCONST => b's',
            UIDENT | USCONST | UESCAPE => return None,
            minus => {
                sign = (minus == i32::from(b'-')).then_some(token.start);
                continue;
            }
        };
        if !is_constant(token.start, sign.take()) {
            return None;
        }
        shape.extend_from_slice(bytes.get(copied..token.start)?);
        shape.extend_from_slice(&[0, mark]);
        copied = token.end;
    }
    shape.extend_from_slice(bytes.get(copied..)?);
    Some(shape)
}

/// Writes a text with a mark in the place of what looks like a constant: texts of one shape often have one skeleton, and it takes a tenth
/// of a scan. It only says where to look.
pub fn skeleton(text: &str, into: &mut Vec<u8>) {
    into.clear();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = constant_from(bytes, at);
        into.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        let Some(byte) = bytes.get(end) else { return };
        at = end + 1;
        let rest = bytes.get(at..).unwrap_or_default();
        if *byte == b'\'' {
            // A doubled quote ends one run and begins the next.
            at += rest.iter().position(|byte| *byte == b'\'').map_or(rest.len(), |end| end + 1);
            if into.last() != Some(&b'\'') {
                into.push(b'\'');
            }
        } else {
            let is_more = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            let length = rest.iter().position(|byte| !is_more(byte)).unwrap_or(rest.len());
            let is_whole = !rest.iter().take(length).any(|byte| *byte == b'.');
            at += length;
            into.push(if is_whole { b'0' } else { b'1' });
        }
    }
}

/// Where the next quote stands, or the next digit outside of a word; else the end.
fn constant_from(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        at += mark_in(bytes.get(at..).unwrap_or_default());
        let is_in_word = match bytes.get(at) {
            Some(b'\'') | None => return at,
            Some(_) => at > start && bytes.get(at - 1).is_some_and(|before| is_of_word(*before)),
        };
        if !is_in_word {
            return at;
        }
        let digits = bytes.get(at..).unwrap_or_default();
        at += digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    }
}

/// How many bytes stand in front of the first quote or digit.
fn mark_in(bytes: &[u8]) -> usize {
    let is_mark = |byte: &u8| *byte == b'\'' || byte.is_ascii_digit();
    let (groups, rest) = bytes.as_chunks::<16>();
    let mut at = 0;
    for group in groups {
        // All sixteen, without a branch for each: one comparison of vectors.
        if group.iter().fold(false, |any, byte| any | is_mark(byte)) {
            return at + group.iter().position(is_mark).unwrap_or_default();
        }
        at += group.len();
    }
    at + rest.iter().position(is_mark).unwrap_or(rest.len())
}

/// May the byte stand in a word?
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    /// The same byte by byte.
    fn plain_skeleton(text: &str) -> Vec<u8> {
        let (mut into, bytes): (Vec<u8>, _) = (Vec::new(), text.as_bytes());
        let (mut at, mut in_word) = (0, false);
        while let Some(byte) = bytes.get(at) {
            at += 1;
            let was_in_word = std::mem::replace(&mut in_word, super::is_of_word(*byte));
            if *byte == b'\'' {
                while bytes.get(at).is_some_and(|byte| *byte != b'\'') {
                    at += 1;
                }
                at += 1;
                if into.last() != Some(&b'\'') {
                    into.push(b'\'');
                }
                in_word = false;
            } else if byte.is_ascii_digit() && !was_in_word {
                let mut mark = b'0';
                while let Some(byte) = bytes.get(at).filter(|byte| byte.is_ascii_digit() || **byte == b'.') {
                    mark = if *byte == b'.' { b'1' } else { mark };
                    at += 1;
                }
                into.push(mark);
                in_word = false;
            } else {
                into.push(*byte);
            }
        }
        into
    }

    #[test]
    fn a_skeleton_is_what_it_is_byte_by_byte() {
        let pieces = [
            "'",
            "''",
            "'a1'",
            "1",
            "12.5",
            ".",
            "c1",
            "x_2y3",
            "$1",
            " ",
            "  , ",
            "\u{e4}9",
            "SELECT ",
            "(",
            "0x1f",
            "a longer run of words ",
        ];
        let mut state = 3_usize;
        let mut skeleton = Vec::new();
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) % pieces.len()]);
            }
            super::skeleton(&text, &mut skeleton);
            assert_eq!(skeleton, plain_skeleton(&text), "{text}");
        }
    }
}
