//! Ratios and differences of paired rounds: their median and a bootstrap interval.

use crate::dice::Dice;

/// A median with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The median of `pairs` (ours over theirs, one pair a round) and the interval of 1000 resamples of the rounds.
pub(crate) fn paired(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let ratios: Vec<f64> =
        pairs.iter().filter(|(_, theirs)| *theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect();
    spread(&ratios)
}

/// The same of what ours is above theirs.
pub(crate) fn difference(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let above: Vec<f64> = pairs.iter().map(|(ours, theirs)| ours - theirs).collect();
    spread(&above)
}

/// The median of one value a round, and the interval of 1000 resamples.
pub(crate) fn spread(values: &[f64]) -> Option<Ratio> {
    let median_of = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let median = median_of(&mut values.to_vec())?;
    let mut seed = Dice(0x9e37_79b9_7f4a_7c15);
    let mut medians: Vec<f64> = (0..1000)
        .filter_map(|_| median_of(&mut (0..values.len()).map(|_| values[seed.below(values.len())]).collect()))
        .collect();
    medians.sort_by(f64::total_cmp);
    Some(Ratio { median, low: *medians.get(25)?, high: *medians.get(974)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_ratio_has_no_spread() {
        let ratio = paired(&[(2.0, 1.0), (4.0, 2.0), (6.0, 3.0)]).unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.high), (2.0, 2.0, 2.0));
        assert_eq!(paired(&[]), None);
        assert_eq!(difference(&[(3.0, 1.0), (5.0, 3.0)]).unwrap().median, 2.0);
    }
}
