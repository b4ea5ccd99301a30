//! Whether the digits of a whole value stand too far apart for a card: dates and amounts of a statement are digits as well, and seldom so many
//! beside each other.

use crate::arch::{Set, WORD, lanes::Strict};
use crate::keep::DIGITS_MIN;

use super::marks::word_at;

/// What begins a digit or a separator of several bytes: such a value is not told here.
const LONG: Set = Set::of(&[(0x5, b"\x0c"), (0xc, b"\x02"), (0xd, b"\x09\x0b"), (0xe, b"\x02\x03\x0f")]);
/// It begins one too, in front of a hex digit.
const PERCENT: Set = Set::of(&[(0x2, b"\x05")]);
const HEX: Set = Set::of(&[
    (0x3, b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
    (0x4, b"\x01\x02\x03\x04\x05\x06"),
    (0x6, b"\x01\x02\x03\x04\x05\x06"),
]);

/// So many bytes that are no digits end a number: between two digits of one stand at most three separators, each of one byte where none is
/// longer, and in hex text one letter of each. Twice as many and two, so that nobody has to count.
const APART: u32 = 8;

/// Whether no card can be among the digits: none is written in several bytes, and wherever they stand beside each other they are too few.
#[inline(always)]
pub(super) fn are_digits<S: Strict>(bytes: &[u8]) -> bool {
    // Digits since the last gap, and bytes since the last digit.
    let (mut count, mut gap) = (0_u32, APART);
    let mut open = 0;
    for at in (0..bytes.len()).step_by(WORD) {
        let word = word_at(bytes, at);
        if S::of(&word, &LONG) != 0 {
            return false;
        }
        let percents = S::of(&word, &PERCENT);
        if percents | open != 0 && (percents << 1 | open) & S::of(&word, &HEX) != 0 {
            return false;
        }
        open = percents >> (WORD - 1);
        let (mut digits, mut from) = (S::digits(&word), 0);
        while digits != 0 {
            let start = digits.trailing_zeros();
            let length = (digits >> start).trailing_ones();
            count = if gap + (start - from) >= APART { length } else { count + length };
            if count >= DIGITS_MIN as u32 {
                return false;
            }
            (from, gap) = (start + length, 0);
            digits = digits.checked_shr(from).unwrap_or(0).checked_shl(from).unwrap_or(0);
        }
        gap += WORD as u32 - from;
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::strict::naive;
    use crate::{Fill, Mode, Scanner};

    /// Digits in groups that stand nearer and further apart: what is masked is what the plain scan masks.
    #[test]
    fn what_stands_apart_is_no_card() {
        let pieces = [
            "4",
            "11",
            "4111",
            "1111",
            "41111111",
            "11111111",
            "1995-01-01",
            "34",
            "31",
            "2d",
            "20",
            "-",
            " ",
            "   ",
            "x",
            "    ",
            "' AND date '",
            "1234567",
            "12345678",
            "abcdefgh",
            "%",
            "%34",
            "\\u0034",
            "\u{a0}",
            "\u{ff14}",
            "M",
            "N",
        ];
        let mut state = 11_usize;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut cards = 0;
        for _ in 0..crate::times(40_000) {
            let known = below(pieces.len() - 8) + 8;
            let text: String = (0..below(90)).map(|_| pieces[below(known)]).collect();
            let (mut scanned, mut plain) = (text.clone().into_bytes(), text.into_bytes());
            cards += Scanner::of(Mode::Strict, Fill::Text).scan(&mut scanned, true).cards;
            naive::mask_text(&mut plain, Fill::Text);
            assert!(scanned == plain);
        }
        assert!(cards > 100, "{cards}");
    }
}
