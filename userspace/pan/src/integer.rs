//! Card numbers in binary integers.

use crate::{
    Engine,
    keep::{DIGITS_MAX, DIGITS_MIN},
    luhn,
    whole::Whole,
};

/// The masked value when `v` is a card by content (issuer range, length, check digit); None otherwise. The sign stays.
pub fn mask_int8(v: i64) -> Option<i64> {
    let (mut digits, count) = digits_of(v);
    let digits = digits.get_mut(..count)?;
    (Engine::current().heads.balanced(digits).contains(count) && luhn::holds(digits)).then(|| filled(v, digits))
}

/// Masks an int8 of a sensitive column whatever it holds: a number of 13 to 19 digits keeps its ends where `whole` says so, else 0.
pub fn whole_int8(v: i64, whole: Whole) -> i64 {
    let (mut digits, count) = digits_of(v);
    match (whole, digits.get_mut(..count)) {
        (Whole::KeepEnds, Some(digits)) if (DIGITS_MIN..=DIGITS_MAX).contains(&count) => filled(v, digits),
        _ => 0,
    }
}

/// Masks an int4 of a sensitive column: always 0, since its ten digits are too few to keep any.
pub fn whole_int4(_: i32, whole: Whole) -> i32 {
    match whole {
        Whole::KeepEnds | Whole::KeepNothing => 0,
    }
}

/// The decimal digits of |v|, at most 19.
fn digits_of(v: i64) -> ([u8; DIGITS_MAX], usize) {
    let (mut digits, mut rest) = ([0; DIGITS_MAX], v.unsigned_abs());
    let count = rest.checked_ilog10().map_or(1, |log| log as usize + 1);
    for digit in digits.iter_mut().take(count).rev() {
        *digit = (rest % 10) as u8;
        rest /= 10;
    }
    (digits, count)
}

/// The number with `digits`' hidden part filled. It fits: the first four digits or more stay, or become 1000, and what else is hidden becomes 0 or 1.
fn filled(v: i64, digits: &mut [u8]) -> i64 {
    Engine::current().keep.fill_number(digits);
    let magnitude = digits.iter().fold(0_i64, |sum, &digit| sum.saturating_mul(10).saturating_add(i64::from(digit)));
    if v < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_by_content() {
        for (v, masked) in [
            (4_111_111_111_111_111, Some(4_111_110_000_001_111)),
            (-4_111_111_111_111_111, Some(-4_111_110_000_001_111)),
            (378_282_246_310_005, Some(378_282_000_000_005)),
            (4_111_111_111_111_112, None),
            (1_763_689_328_000, None),
            (4_222_222_222_222, None), // 13 digits: off
            (0, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert!(mask_int8(v) == masked);
            assert_eq!(masked.and_then(mask_int8), None, "found again");
        }
    }

    #[test]
    fn sensitive_columns() {
        assert_eq!(whole_int8(123, Whole::KeepEnds), 0);
        assert_eq!(whole_int8(4_111_111_111_111_112, Whole::KeepNothing), 0);
        assert_eq!(whole_int8(4_111_111_111_111_112, Whole::KeepEnds) / 10_000_000_000, 411_111);
        assert_eq!(whole_int8(4_111_111_111_111_112, Whole::KeepEnds) % 10_000, 1112);
        for v in [i64::MAX, i64::MIN, i64::MIN + 1] {
            let masked = whole_int8(v, Whole::KeepEnds);
            assert_eq!(masked.signum(), v.signum());
            assert_eq!(masked.unsigned_abs() / 10_u64.pow(13), v.unsigned_abs() / 10_u64.pow(13));
        }
        assert_eq!(whole_int4(1234, Whole::KeepEnds), 0);
    }
}
