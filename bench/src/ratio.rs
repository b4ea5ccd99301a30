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

/// A quantile of single values (0.99 for the 99th percentile), with the interval of 1000 resamples.
pub(crate) fn quantile(values: &[f64], of: f64) -> Option<Ratio> {
    let at = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(((values.len().max(1) - 1) as f64 * of).ceil() as usize).copied()
    };
    let median = at(&mut values.to_vec())?;
    let mut seed = Dice(0x9e37_79b9_7f4a_7c15);
    let mut found: Vec<f64> = (0..1000)
        .filter_map(|_| at(&mut (0..values.len()).map(|_| values[seed.below(values.len())]).collect()))
        .collect();
    found.sort_by(f64::total_cmp);
    Some(Ratio { median, low: *found.get(25)?, high: *found.get(974)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_ratio_has_no_spread() {
        let ratio = paired(&[(2.0, 1.0), (4.0, 2.0), (6.0, 3.0)]).unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.high), (2.0, 2.0, 2.0));
        assert_eq!(paired(&[]), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99).unwrap().median, 100.0);
        assert!(quantile(&hundred, 0.5).unwrap().low < 51.0 && quantile(&[], 0.5).is_none());
        assert_eq!(difference(&[(3.0, 1.0), (5.0, 3.0)]).unwrap().median, 2.0);
    }
}
