//! Skipping what no reading looks at, in blocks that the compiler turns into vector compares.

const BLOCK: usize = 32;

/// The first place at or after `from` where a digit or an escape may begin. Separators before a number are of no interest.
#[inline(always)]
pub(super) fn to_digit(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let clean =
        rest.chunks_exact(BLOCK).take_while(|block| !block.iter().fold(false, |any, &byte| any | may_begin(byte)));
    let at = from + clean.count() * BLOCK;
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|&byte| may_begin(byte)).map_or(bytes.len(), |offset| at + offset)
}

#[inline(always)]
fn may_begin(byte: u8) -> bool {
    byte.is_ascii_digit() | (byte == b'%') | (byte == b'\\') | (byte == 0xd9) | (byte == 0xdb) | (byte == 0xef)
}
