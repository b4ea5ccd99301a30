//! What stays visible of a number, and what a hidden digit becomes where a star is no digit.

use crate::luhn;

/// The fewest digits that a card number has.
pub(crate) const DIGITS_MIN: usize = 13;
/// The most digits that a card number has (ISO/IEC 7812-1).
pub(crate) const DIGITS_MAX: usize = 19;

/// What stays of a masked number: the format of a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The first min(6, L-9) and the last 4, so at least five always go (PCI DSS 3.4.1).
    #[default]
    FirstSixLastFour,
    /// The first 8 and the last 4 of 16 digits and more (PCI SSC FAQ 1091: BINs of eight digits); of fewer as above.
    FirstEightLastFour,
    /// The last 4.
    LastFour,
    /// Nothing.
    Nothing,
}

impl Keep {
    /// How many of so many digits stay at the front.
    pub(crate) const fn first(self, digits: usize) -> usize {
        match self {
            Keep::FirstEightLastFour if digits >= 16 => 8,
            Keep::FirstSixLastFour | Keep::FirstEightLastFour if digits >= 15 => 6,
            Keep::FirstSixLastFour | Keep::FirstEightLastFour => digits.saturating_sub(9),
            Keep::LastFour | Keep::Nothing => 0,
        }
    }

    /// How many stay at the end.
    pub(crate) const fn last(self) -> usize {
        if matches!(self, Keep::Nothing) { 0 } else { 4 }
    }

    /// Whether the digit at `index` of `digits` is hidden.
    pub(crate) fn hides(self, index: usize, digits: usize) -> bool {
        index >= self.first(digits) && index + self.last() < digits
    }

    /// Replaces the hidden digits (values 0..=9) of a number of 13 to 19 digits so that the check digit fails and the number stays as long.
    ///
    /// Computed from the kept digits alone: zeros behind a leading 1 where the front goes, and one 1 at the end of the hidden part where that
    /// would pass. One digit changed always changes the check sum, so exactly one of the two forms is taken whatever was hidden.
    pub(crate) fn fill_number(self, digits: &mut [u8]) {
        let (count, first) = (digits.len(), self.first(digits.len()));
        let Some(hidden) = digits.get_mut(first..count.saturating_sub(self.last())) else { return };
        hidden.fill(0);
        if first == 0
            && let Some(digit) = hidden.first_mut()
        {
            *digit = 1; // a number does not begin with a zero
        }
        if luhn::holds(digits)
            && let Some(digit) = count.checked_sub(self.last() + 1).and_then(|index| digits.get_mut(index))
        {
            *digit = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Keep; 4] = [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing];

    #[test]
    fn formats() {
        for (keep, digits, masked) in [
            (Keep::FirstSixLastFour, 13, "####*****####"),
            (Keep::FirstSixLastFour, 15, "######*****####"),
            (Keep::FirstSixLastFour, 16, "######******####"),
            (Keep::FirstEightLastFour, 15, "######*****####"),
            (Keep::FirstEightLastFour, 16, "########****####"),
            (Keep::FirstEightLastFour, 19, "########*******####"),
            (Keep::LastFour, 16, "************####"),
            (Keep::Nothing, 14, "**************"),
        ] {
            let shown: String = (0..digits).map(|index| if keep.hides(index, digits) { '*' } else { '#' }).collect();
            assert_eq!(shown, masked, "{keep:?}, {digits} digits");
        }
        for digits in DIGITS_MIN..=DIGITS_MAX {
            assert!((0..digits).filter(|&index| Keep::default().hides(index, digits)).count() >= 5);
        }
    }

    #[test]
    fn the_fill_fails_luhn_and_does_not_depend_on_what_it_hides() {
        for (keep, count) in ALL.into_iter().flat_map(|keep| (DIGITS_MIN..=DIGITS_MAX).map(move |count| (keep, count)))
        {
            for seed in 0..crate::times(1000) {
                let kept = |index: usize| if index == 0 { 4 } else { ((seed * 31 + index * 7 + seed / 10) % 10) as u8 };
                let with = |hidden: u8| {
                    let mut digits: Vec<u8> =
                        (0..count).map(|i| if keep.hides(i, count) { hidden } else { kept(i) }).collect();
                    keep.fill_number(&mut digits);
                    digits
                };
                let filled = with(0);
                assert!(!luhn::holds(&filled) && filled[0] != 0);
                assert!((1..10).all(|hidden| with(hidden) == filled));
                assert!((0..count).all(|i| keep.hides(i, count) || filled[i] == kept(i)));
            }
        }
    }
}
