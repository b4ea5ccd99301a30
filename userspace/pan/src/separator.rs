//! What may stand between the groups of a printed number: space, dash, dot, the no-break space of Latin-1, and the spaces and dashes of
//! Unicode in UTF-8 (U+00A0, U+2000 to U+200A, U+2010 to U+2015, U+202F, U+205F, U+2212, U+3000).

use crate::arch::Set;

/// The bytes that may begin one.
pub(crate) static LEADS: Set = Set::of(&[(0x2, &[0x0, 0xd, 0xe]), (0xa, &[0x0]), (0xc, &[0x2]), (0xe, &[0x2, 0x3])]);
/// The longest separator.
pub(crate) const BYTES_MAX: usize = 3;
/// The full stop: also a decimal point, so it has rules of its own.
pub(crate) const DOT: Separator = Separator { bytes: [b'.', 0, 0], length: 1 };

/// One separator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separator {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl Separator {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn len(self) -> usize {
        self.length
    }
}

/// What the bytes seen so far are.
pub(crate) enum Read {
    Is(Separator),
    Not,
    /// The beginning of one.
    Open,
}

pub(crate) fn read(seen: &[u8]) -> Read {
    match *seen {
        [] | [0xc2] | [0xe2] | [0xe2, 0x80 | 0x81 | 0x88] | [0xe3] | [0xe3, 0x80] => Read::Open,
        [a @ (b' ' | b'-' | b'.' | 0xa0)] => Read::Is(Separator { bytes: [a, 0, 0], length: 1 }),
        [0xc2, 0xa0] => Read::Is(Separator { bytes: [0xc2, 0xa0, 0], length: 2 }),
        [a @ 0xe2, b @ 0x80, c @ (0x80..=0x8a | 0x90..=0x95 | 0xaf)]
        | [a @ 0xe2, b @ 0x81, c @ 0x9f]
        | [a @ 0xe2, b @ 0x88, c @ 0x92]
        | [a @ 0xe3, b @ 0x80, c @ 0x80] => Read::Is(Separator { bytes: [a, b, c], length: 3 }),
        _ => Read::Not,
    }
}

/// Whether the first `length` bytes of a little-endian word are one; the others are zero.
#[inline(always)]
pub(crate) fn is(word: u32, length: usize) -> bool {
    let [a, b, c, _] = word.to_le_bytes();
    match length {
        1 => matches!(a, b' ' | b'-' | b'.' | 0xa0),
        2 => [a, b] == [0xc2, 0xa0],
        _ => matches!(read(&[a, b, c]), Read::Is(_)),
    }
}

/// The separator that `bytes` begin with.
pub(crate) fn at(bytes: &[u8]) -> Option<Separator> {
    (1..=BYTES_MAX).find_map(|length| match read(bytes.get(..length)?) {
        Read::Is(separator) => Some(separator),
        Read::Not | Read::Open => None,
    })
}
