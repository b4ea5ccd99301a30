//! How far do bytes surely hold no card? For whoever has many values in one buffer and wants to look at single ones only where it matters.

use crate::{
    Engine,
    arch::{Masks, WORD},
    balanced::block::shift,
};

/// How many bytes at the front of `bytes` are surely no part of a card that the balanced scan would find in any text within them, wherever one value
/// ends and the next begins. What stands between values (lengths, tags) may look like digits: that makes the answer smaller, never larger.
///
/// A card that begins behind `bytes` is not seen: ask only about values that end within them. Encodings are not read: text of bytea,
/// binary numbers and values in strict mode have to be scanned as what they are.
pub fn clean_prefix(bytes: &[u8]) -> usize {
    Engine::current().backend().clean_prefix(bytes)
}

/// The loop over words, compiled for each family of instructions.
#[inline(always)]
pub(crate) fn go<M: Masks>(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    // Behind the end stands nothing.
    let mut last = [0; WORD];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    let (fours, _) = words.as_chunks::<4>();
    let mut index = 4 * fours
        .iter()
        .take_while(|four| !M::any_digit(four.as_flattened().first_chunk().unwrap_or(&[b'0'; 4 * WORD])))
        .count();
    let word = |index: usize| words.get(index).unwrap_or(&last);
    let mut here = M::digits(word(index));
    while index <= words.len() {
        let behind = if index < words.len() { M::digits(word(index + 1)) } else { 0 };
        // Two groups of four are the fewest digits that begin a card.
        if here.count_ones() + behind.count_ones() >= 8 {
            let suspects = suspects(here, behind);
            if suspects != 0 {
                return index * WORD + suspects.trailing_zeros() as usize;
            }
        }
        here = behind;
        index += 1;
    }
    bytes.len()
}

/// Bit n: thirteen digits stand from n on, or four, one to three other bytes and four more.
#[inline(always)]
fn suspects(here: u64, behind: u64) -> u64 {
    let (here2, behind2) = (here & shift(here, behind, 1), behind & (behind >> 1));
    let (here4, behind4) = (here2 & shift(here2, behind2, 2), behind2 & (behind2 >> 2));
    let (here8, behind8) = (here4 & shift(here4, behind4, 4), behind4 & (behind4 >> 4));
    let next = shift(here4, behind4, 5) | shift(here4, behind4, 6) | shift(here4, behind4, 7);
    here8 & shift(here8, behind8, 5) | here4 & !shift(here, behind, 4) & next
}

#[cfg(test)]
mod tests {
    use crate::{Backend, Fill, naive};

    #[test]
    fn by_hand() {
        for (text, clean) in [
            ("", 0),
            ("no digits", 9),
            ("2026-11-21 01:42:08.123456 and 123456789012", 43),
            ("a card: 4111111111111111", 8),
            ("4111 1111 1111 1111", 0),
            ("x0004111\u{a0}1111", 4),
            ("1234567890123", 0),
        ] {
            for backend in Backend::available() {
                assert_eq!(backend.clean_prefix(text.as_bytes()), clean, "{} bytes, {backend:?}", text.len());
            }
        }
    }

    /// Whatever the naive scan hides in whatever part of random bytes lies behind the clean prefix.
    #[test]
    fn no_card_lies_before_it() {
        let (mut state, mut cards) = (1_u64, 0);
        let mut next = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        for round in 0..20_000 {
            let mut bytes: Vec<u8> = (0..next(150)).map(|_| b"-x \x31\x00."[next(6) as usize]).collect();
            let value = [&b"4111111111111111"[..], b"4111 1111 1111 1111", b"3782\xc2\xa0822463\xc2\xa010005"]
                [next(3) as usize];
            let start = bytes.len();
            bytes.extend_from_slice(value);
            bytes.extend((0..next(150)).map(|_| b"-x \x31\x00."[next(6) as usize]));
            // The value alone, as a column would be cut out.
            let mut alone = value.to_vec();
            cards += naive::mask_text(&mut alone, Fill::Text);
            for backend in Backend::available() {
                assert!(backend.clean_prefix(&bytes) <= start, "round {round}, {backend:?}");
            }
        }
        assert_eq!(cards, 20_000);
    }
}
