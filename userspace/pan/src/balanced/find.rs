//! Skipping what holds no digit: most bytes of most values. Blocks of 32 are folded without a branch, which the compiler turns into
//! vector compares; what remains goes eight bytes to a word.

const BLOCK: usize = 32;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The position of the first digit at or after `from`; `bytes.len()` when there is none.
pub(crate) fn digit(bytes: &[u8], from: usize) -> usize {
    if let Some(word) = word_at(bytes, from)
        && digits_in(word) != 0
    {
        return from + digits_in(word).trailing_zeros() as usize / 8;
    }
    let rest = bytes.get(from..).unwrap_or_default();
    let clean = rest
        .chunks_exact(BLOCK)
        .take_while(|block| !block.iter().fold(false, |any, byte| any | byte.is_ascii_digit()))
        .count();
    let mut at = from + clean * BLOCK;
    while let Some(word) = word_at(bytes, at) {
        let found = digits_in(word);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(u8::is_ascii_digit).map_or(bytes.len(), |offset| at + offset)
}

/// The end of the run of digits that goes through `from`.
pub(crate) fn end_of_run(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = word_at(bytes, at) {
        let others = !digits_in(word) & HIGH;
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The high bit of each byte that is a digit. Adding to seven bits never carries into the next byte: 0x46 sets the high bit from `:` on,
/// 0x50 from `0` on; bytes of 0x80 and more are taken out.
fn digits_in(word: u64) -> u64 {
    let low = word & !HIGH;
    (low + 0x5050_5050_5050_5050) & !(low + 0x4646_4646_4646_4646) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in (0..=255_u8).step_by(if cfg!(miri) { 51 } else { 1 }) {
            for place in 0..80 {
                let mut bytes = [b'x'; 81];
                bytes[place] = byte;
                assert_eq!(digit(&bytes, 0), if byte.is_ascii_digit() { place } else { 81 });
                let mut bytes = [b'7'; 81];
                bytes[place] = byte;
                assert_eq!(end_of_run(&bytes, 0), if byte.is_ascii_digit() { 81 } else { place });
            }
        }
        assert_eq!(digit(b"1a2", 1), 2);
        assert_eq!(digit(b"", 0), 0);
        assert_eq!(end_of_run(b"12", 2), 2);
    }
}
