//! Ratios of paired rounds: their median and a bootstrap interval.

/// A ratio with its 95 % interval.
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
    let median_of = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let median = median_of(&mut ratios.clone())?;
    let mut seed = Dice(0x9e37_79b9_7f4a_7c15);
    let mut medians: Vec<f64> = (0..1000)
        .filter_map(|_| median_of(&mut (0..ratios.len()).map(|_| ratios[seed.below(ratios.len())]).collect()))
        .collect();
    medians.sort_by(f64::total_cmp);
    Some(Ratio { median, low: *medians.get(25)?, high: *medians.get(974)? })
}

/// A small generator (xorshift64*): the order of rounds and the resamples need no better.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % bound.max(1)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_ratio_has_no_spread() {
        let ratio = paired(&[(2.0, 1.0), (4.0, 2.0), (6.0, 3.0)]).unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.high), (2.0, 2.0, 2.0));
        assert_eq!(paired(&[]), None);
    }
}
