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
    let mut places = literals.unseen().filter(|places| is_plain && !places.is_empty())?;
    places.sort_unstable();
    Some(places.into())
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
    let mut in_word = false;
    while at < bytes.len() {
        let plain = bytes.get(at..).unwrap_or_default();
        let length = plain.iter().position(|byte| {
            let class = CLASSES[usize::from(*byte)];
            let ends = class == QUOTE || class == DIGIT && !in_word;
            in_word = class >= DIGIT;
            ends
        });
        let length = length.unwrap_or(plain.len());
        into.extend_from_slice(plain.get(..length).unwrap_or_default());
        at += length;
        in_word = false;
        let Some(byte) = bytes.get(at) else { return };
        at += 1;
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

/// What a byte is to a skeleton. Those from [`DIGIT`] on may stand in a word.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'\'' => QUOTE,
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => LETTER,
            _ => 0,
        };
        byte += 1;
    }
    classes
};
const QUOTE: u8 = 1;
const DIGIT: u8 = 2;
const LETTER: u8 = 3;
