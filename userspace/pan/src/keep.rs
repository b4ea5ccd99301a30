//! What stays visible of a number, and what a hidden digit becomes where a star is no digit.

use crate::luhn;

/// The fewest digits that a card number has.
pub(crate) const DIGITS_MIN: usize = 13;
/// The most digits that a card number has (ISO/IEC 7812-1).
pub(crate) const DIGITS_MAX: usize = 19;
/// How many digits stay at the end.
pub(crate) const LAST: usize = 4;

/// How many digits stay at the front: at most six (PCI DSS 3.4.1: the BIN), and at least five in the middle always go.
pub(crate) fn first(digits: usize) -> usize {
    6.min(digits.saturating_sub(9))
}

/// Whether the digit at `index` of `digits` is hidden.
pub(crate) fn hides(index: usize, digits: usize) -> bool {
    index >= first(digits) && index + LAST < digits
}

/// Replaces the hidden digits (values 0..=9) of a number of 13 to 19 digits so that the check digit fails.
///
/// Computed from the kept digits alone: all zeros, and one 1 at the end of the hidden part where zeros would pass. One digit changed always
/// changes the check sum, so exactly one of the two forms is taken whatever was hidden.
pub(crate) fn fill_number(digits: &mut [u8]) {
    let count = digits.len();
    let Some(hidden) = digits.get_mut(first(count)..count.saturating_sub(LAST)) else { return };
    hidden.fill(0);
    if !luhn::holds(digits) {
        return;
    }
    if let Some(digit) = count.checked_sub(LAST + 1).and_then(|index| digits.get_mut(index)) {
        *digit = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_five_digits_always_go() {
        for digits in DIGITS_MIN..=DIGITS_MAX {
            let hidden = (0..digits).filter(|&index| hides(index, digits)).count();
            assert_eq!(hidden, digits - LAST - first(digits));
            assert!(hidden >= 5);
        }
    }

    #[test]
    fn the_fill_fails_luhn_and_does_not_depend_on_what_it_hides() {
        for count in DIGITS_MIN..=DIGITS_MAX {
            for seed in 0..1000_usize {
                let kept = |index: usize| ((seed * 31 + index * 7 + seed / 10) % 10) as u8;
                let with = |hidden: u8| {
                    let mut digits: Vec<u8> =
                        (0..count).map(|i| if hides(i, count) { hidden } else { kept(i) }).collect();
                    fill_number(&mut digits);
                    digits
                };
                let filled = with(0);
                assert!(!luhn::holds(&filled));
                assert!((1..10).all(|hidden| with(hidden) == filled));
                assert!((0..count).all(|i| hides(i, count) || filled[i] == kept(i)));
            }
        }
    }
}
