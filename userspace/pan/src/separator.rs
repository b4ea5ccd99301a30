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

/// Whether the first `length` bytes of a little-endian word are one; the others are zero. Without a branch on what they are.
#[inline(always)]
pub(crate) fn is(word: u32, length: usize) -> bool {
    match length {
        1 => SINGLE[word as usize % 256],
        2 => word == 0xa0c2,
        _ => {
            let last = u64::from(THIRDS[(word >> 16) as usize % 256]);
            let [e280, e281, e288, e380] = [0x80e2, 0x81e2, 0x88e2, 0x80e3].map(|two| u64::from(word & 0xffff == two));
            last & (e280 | e281 << 1 | e288 << 2 | e380 << 3) != 0
        }
    }
}

/// Bytes that are one.
static SINGLE: [bool; 256] = {
    let mut single = [false; 256];
    (single[0x20], single[0x2d], single[0x2e], single[0xa0]) = (true, true, true, true);
    single
};

/// Of the third bytes: whether they end one that begins with e2 80, e2 81, e2 88, e3 80.
static THIRDS: [u8; 256] = {
    let mut thirds = [0; 256];
    let mut byte = 0x80;
    while byte <= 0xaf {
        let line = matches!(byte, 0x80..=0x8a | 0x90..=0x95 | 0xaf);
        thirds[byte] =
            line as u8 | ((byte == 0x9f) as u8) << 1 | ((byte == 0x92) as u8) << 2 | ((byte == 0x80) as u8) << 3;
        byte += 1;
    }
    thirds
};

/// The separator that `bytes` begin with.
pub(crate) fn at(bytes: &[u8]) -> Option<Separator> {
    (1..=BYTES_MAX).find_map(|length| match read(bytes.get(..length)?) {
        Read::Is(separator) => Some(separator),
        Read::Not | Read::Open => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_its_bytes_are() {
        for (a, b, c) in [0, 0x20, 0x2d, 0x2e, 0x31, 0xa0, 0xc2, 0xe2, 0xe3]
            .into_iter()
            .flat_map(|a| [0, 0x80, 0x81, 0x88, 0xa0].map(|b| (a, b)))
            .flat_map(|(a, b)| (0..=255).map(move |c| (a, b, c)))
        {
            let word = u32::from_le_bytes([a, b, c, 0]);
            assert_eq!(is(word, 3), matches!(read(&[a, b, c]), Read::Is(_)), "{word:#x}");
            assert_eq!(is(word & 0xffff, 2), matches!(read(&[a, b]), Read::Is(_)), "{word:#x}");
            assert_eq!(is(word & 0xff, 1), matches!(read(&[a]), Read::Is(_)), "{word:#x}");
        }
    }
}
