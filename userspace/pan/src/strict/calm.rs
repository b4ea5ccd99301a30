//! Skipping words that no reading finds anything in, as fast as the backend tells what they hold.
//!
//! A calm word has no digit, no byte that begins an escape or a character of several bytes that the first reading knows, and no two characters
//! that may begin groups of base64 one group apart. Hex text has digits, so the second reading finds nothing there either. Between two digits
//! of one number stand at most three separators, and a card in base64 has two such characters in one line: whatever is found
//! behind calm words begins less than one word before they end.

use crate::arch::{Masks, Set, WORD};

/// What is never calm: digits, `%`, `\`, and the first bytes of the digits and separators that are longer.
const LOUD: Set = Set::of(&[
    (0x3, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
    (0x2, b"\x05"),
    (0x5, b"\x0c"),
    (0xc, b"\x02"),
    (0xd, b"\x09\x0b"),
    (0xe, b"\x02\x03\x0f"),
]);
/// The characters that a group may begin with: `C`, `D`, `I`, `L` to `O`, `X`.
const GROUPS: Set = Set::of(&[(0x4, b"\x03\x04\x09\x0c\x0d\x0e\x0f"), (0x5, b"\x08")]);
/// Both.
const ANY: Set = Set::of(&[
    (0x3, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
    (0x2, b"\x05"),
    (0x4, b"\x03\x04\x09\x0c\x0d\x0e\x0f"),
    (0x5, b"\x08\x0c"),
    (0xc, b"\x02"),
    (0xd, b"\x09\x0b"),
    (0xe, b"\x02\x03\x0f"),
]);

/// How many words of `bytes`, from the first on, are calm.
#[inline(always)]
pub(crate) fn words<M: Masks>(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<WORD>();
    let mut calm = 0;
    // Bits of the word before: its last four places.
    let mut before = 0;
    while let Some(word) = words.get(calm) {
        if let Some(four) = bytes.get(calm * WORD..).and_then(|rest| rest.first_chunk::<{ 4 * WORD }>())
            && !M::any_of(four, &ANY)
        {
            (calm, before) = (calm + 4, 0);
            continue;
        }
        let groups = M::of(word, &GROUPS);
        let apart = groups & (groups << 4 | before >> (WORD - 4));
        if apart != 0 || M::of(word, &LOUD) != 0 {
            break;
        }
        (calm, before) = (calm + 1, groups);
    }
    calm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_they_say() {
        for byte in 0..=255_u8 {
            let loud = byte.is_ascii_digit() || matches!(byte, b'%' | b'\\' | 0xc2 | 0xd9 | 0xdb | 0xe2 | 0xe3 | 0xef);
            let group = matches!(byte, b'C' | b'D' | b'I' | b'L'..=b'O' | b'X');
            assert_eq!(LOUD.has(byte), loud, "byte {byte:#x}");
            assert_eq!(GROUPS.has(byte), group, "byte {byte:#x}");
            assert_eq!(ANY.has(byte), loud || group, "byte {byte:#x}");
        }
    }
}
