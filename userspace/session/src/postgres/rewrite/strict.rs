//! Strict mode on binary numbers: they are searched as the text that the server would write of them, so that the format an agent asks for makes no
//! difference.

use pan::{Fill, Mode, Scanner};

/// The most digits of a numeric that are looked at; a longer one is searched for a whole number alone, as in balanced mode.
const DIGITS_MAX: usize = 512;
/// Count of words, weight, sign, scale (`numeric_send`, src/backend/utils/adt/numeric.c).
const HEAD: usize = 8;

/// What replaces the number, if a window of it may be a card.
pub(super) fn int8(value: i64) -> Option<i64> {
    let mut text = [b'0'; 20];
    let mut left = value.unsigned_abs();
    let mut start = text.len();
    while left > 0 {
        start -= 1;
        text[start] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    let digits = text.get_mut(start..)?;
    if Scanner::of(Mode::Strict, Fill::Number).scan(digits, true).cards == 0 {
        return None;
    }
    let masked = digits.iter().fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(if value < 0 { -masked } else { masked })
}

/// Masks a whole numeric in place; how many cards.
pub(super) fn numeric(value: &mut [u8]) -> u32 {
    let Some((head, words)) = value.split_at_mut_checked(HEAD) else { return 0 };
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (weight, sign, scale) = (word(2).cast_signed(), word(4), usize::from(word(6)));
    let whole = usize::try_from(i32::from(weight) + 1).unwrap_or(0);
    // Below one there may be zero words that are not written, in front; no card begins with one.
    let fraction = if weight < -1 { 0 } else { scale };
    if !matches!(sign, 0 | 0x4000) || 4 * whole + fraction > DIGITS_MAX {
        return 0;
    }
    let mut text = [0; DIGITS_MAX + 1];
    let mut len = 0;
    for at in 0..4 * whole + fraction {
        if at == 4 * whole {
            text[len] = b'.';
            len += 1;
        }
        let digit = digit(words, at);
        if len > 0 || digit != 0 || at + 1 >= 4 * whole {
            text[len] = b'0' + digit;
            len += 1;
        }
    }
    let before = text;
    let Some(shown) = text.get_mut(..len) else { return 0 };
    let cards = Scanner::of(Mode::Strict, Fill::Number).scan(shown, true).cards;
    if cards > 0 && before.get(..len) != Some(shown) {
        // From the end: digit by digit, whatever was left off in front.
        let digits = shown.iter().rev().filter(|byte| byte.is_ascii_digit());
        for (at, byte) in (0..4 * whole + fraction).rev().zip(digits) {
            set_digit(words, at, byte - b'0');
        }
    }
    cards
}

const PLACES: [u16; 4] = [1000, 100, 10, 1];

/// A digit by its place from the first word on; words that are not written are zeros.
fn digit(words: &[u8], at: usize) -> u8 {
    match words.get(at / 4 * 2..) {
        Some([high, low, ..]) => (u16::from_be_bytes([*high, *low]) / PLACES[at % 4] % 10) as u8,
        _ => 0,
    }
}

fn set_digit(words: &mut [u8], at: usize, digit: u8) {
    let old = u16::from(self::digit(words, at));
    if let Some([high, low, ..]) = words.get_mut(at / 4 * 2..) {
        let place = PLACES[at % 4];
        let word = u16::from_be_bytes([*high, *low]) - old * place + u16::from(digit) * place;
        [*high, *low] = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A numeric's bytes: weight, scale, words.
    fn sent(weight: i16, scale: u16, words: &[u16]) -> Vec<u8> {
        let head = [words.len() as u16, weight.cast_unsigned(), 0, scale];
        head.iter().chain(words).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_window_inside_of_a_number() {
        let masked = int8(774_111_111_111_111_111).expect("a card in it");
        assert_eq!(masked.to_string().len(), 18);
        assert!(!masked.to_string().contains("4111111111111111") && int8(masked).is_none());
        assert_eq!(int8(-774_111_111_111_111_111), Some(-masked));
        assert_eq!((int8(0), int8(12_345)), (None, None));
        assert!(int8(i64::MIN).is_none_or(|masked| masked < 0), "the longest number there is");
    }

    #[test]
    fn a_window_inside_of_a_numeric() {
        for (weight, scale, words) in [
            (4, 0, vec![77, 4111, 1111, 1111, 1111]),
            (4, 2, vec![7, 7411, 1111, 1111, 1111, 1100]),
            (3, 0, vec![4111, 1111, 1111, 1111]),
        ] {
            let mut value = sent(weight, scale, &words);
            assert!(numeric(&mut value) > 0, "{} words", words.len());
            let digits: String =
                value[HEAD..].chunks(2).map(|w| format!("{:04}", u16::from_be_bytes([w[0], w[1]]))).collect();
            assert!(!digits.contains("4111111111111111"), "{} words", words.len());
            assert_eq!(numeric(&mut value), 0, "what is left is no card");
            assert!(value[HEAD..].chunks(2).all(|w| u16::from_be_bytes([w[0], w[1]]) < 10_000));
        }
        for (weight, scale, words) in [(0, 0, vec![]), (-2, 20, vec![4111, 1111]), (0, 2, vec![12, 3400])] {
            let mut value = sent(weight, scale, &words);
            let before = value.clone();
            assert_eq!((numeric(&mut value), value), (0, before));
        }
    }
}
