//! Which digits of a card are hidden, seen from where it ends.

use crate::{
    arch::lanes::{GROUPS, LENGTHS, Numbers, group},
    keep::{DIGITS_MIN, Keep},
};

/// For one masked format, how many digits a card hides, and how far before its end the last of them stands.
pub(super) struct Reach {
    pub(super) hides: Numbers,
    /// Read forward.
    pub(super) forward: usize,
    /// Read backward: the first digits of the number stand at its end, and how many of them stay depends on its length.
    pub(super) backward: [usize; GROUPS],
}

/// No further than that.
pub(super) const FAR: usize = 8;

/// In the order of [`Keep`].
pub(super) const REACHES: [Reach; 4] = [
    Reach::new(Keep::FirstSixLastFour),
    Reach::new(Keep::FirstEightLastFour),
    Reach::new(Keep::LastFour),
    Reach::new(Keep::Nothing),
];

impl Reach {
    pub(super) const fn far(&self) -> usize {
        let (mut far, mut group) = (self.forward, 0);
        while group < GROUPS {
            if self.backward[group] > far {
                far = self.backward[group];
            }
            group += 1;
        }
        far
    }

    const fn new(keep: Keep) -> Reach {
        let (mut hides, mut backward, mut length) = ([0; LENGTHS], [0; GROUPS], 0);
        while length < LENGTHS {
            let digits = DIGITS_MIN + length;
            hides[length] = (digits - keep.first(digits) - keep.last()) as u8;
            backward[group(length)] = keep.first(digits);
            length += 1;
        }
        Reach { hides: Numbers::new(hides), forward: keep.last(), backward }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::DIGITS_MAX;

    #[test]
    fn hides_what_the_format_hides() {
        for (keep, reach) in
            [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing].into_iter().zip(&REACHES)
        {
            assert!(reach.backward.iter().chain([&reach.forward]).all(|&from| from <= FAR));
            for length in DIGITS_MIN..=DIGITS_MAX {
                let hidden = |from: usize| from..from + usize::from(reach.hides.of(length));
                let (forward, backward) = (hidden(reach.forward), hidden(reach.backward[group(length - DIGITS_MIN)]));
                for back in 0..length {
                    assert_eq!(forward.contains(&back), keep.hides(length - 1 - back, length), "{keep:?} {length}");
                    assert_eq!(backward.contains(&back), keep.hides(back, length), "{keep:?} {length}");
                }
            }
        }
    }
}
