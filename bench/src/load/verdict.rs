//! Whether a figure meets its goal.
//!
//! An interval is widened by what two equal relays of the same rounds differ by. Wholly inside the goal: met; wholly outside:
//! missed; across it: no verdict, which counts as missed. Inside, but wider than what is claimed: no verdict either.

use crate::load::goals::Goal;
use crate::load::measure::Measured;
use crate::load::targets::{NULL, US};
use crate::ratio::Ratio;

/// What is asked of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// At most so many times theirs.
    Times(f64),
    /// At least so many times theirs.
    AtLeastTimes(f64),
    /// At most so much more than theirs.
    Plus(f64),
    /// At most so much.
    Most(f64),
}

/// The better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Met,
    /// The run did not do this case, or lacks the peer.
    Absent,
    Open,
    Missed,
}

impl Verdict {
    pub(crate) const ALL: [Verdict; 4] = [Verdict::Met, Verdict::Absent, Verdict::Open, Verdict::Missed];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Open => "no verdict",
            Verdict::Absent => "not measured",
        }
    }
}

/// A goal and what the run says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    /// Which row of the table it belongs to.
    pub(crate) row: usize,
    pub(crate) what: String,
    pub(crate) claim: String,
    pub(crate) found: Option<Ratio>,
    pub(crate) verdict: Verdict,
}

/// A goal of a case.
pub(crate) fn judge(goal: &Goal, measured: &[Measured]) -> Judged {
    let claim = match goal.bound {
        Bound::Times(times) => format!("<= {times:.2} x {}", goal.versus),
        Bound::AtLeastTimes(times) => format!(">= {times:.2} x {}", goal.versus),
        Bound::Plus(more) => format!("<= {} + {more:.2}", goal.versus),
        Bound::Most(most) => format!("<= {most:.2}"),
    };
    let found = measured.iter().find(|m| m.case.id == goal.case).and_then(|m| Some((m, found(goal, m)?)));
    let verdict = found.map_or(Verdict::Absent, |(m, found)| of(goal.bound, found, widened(goal, m, found)));
    Judged { row: goal.row, what: goal.what.clone(), claim, found: found.map(|(_, found)| found), verdict }
}

/// A goal whose figure stands for itself.
pub(crate) fn judged(row: usize, what: &str, claim: &str, bound: Bound, found: Option<Ratio>) -> Judged {
    let verdict = found.map_or(Verdict::Absent, |found| of(bound, found, found));
    Judged { row, what: what.to_owned(), claim: claim.to_owned(), found, verdict }
}

/// A goal whose interval is widened by what a path differs by from itself in the same rounds.
pub(crate) fn beside(bound: Bound, found: Ratio, pair: Ratio) -> Verdict {
    of(bound, found, wider(found, pair))
}

/// That a part costs nothing: 1.00 is in the widened interval, and it ends within `width` of it. Without 1.00: missed; too wide: no verdict.
pub(crate) fn nothing(found: Ratio, pair: Ratio, width: f64) -> Verdict {
    let Ratio { low, high, .. } = wider(found, pair);
    match (low <= 1.0 && high >= 1.0, low >= 1.0 - width && high <= 1.0 + width) {
        (false, _) => Verdict::Missed,
        (true, false) => Verdict::Open,
        (true, true) => Verdict::Met,
    }
}

fn wider(found: Ratio, pair: Ratio) -> Ratio {
    Ratio { low: found.low * pair.low.min(1.0), high: found.high * pair.high.max(1.0), ..found }
}

/// At most so much of a figure that has no interval.
pub(crate) fn plain(row: usize, what: &str, most: f64, found: Option<Ratio>) -> Judged {
    judged(row, what, &format!("<= {most}"), Bound::Most(most), found)
}

fn found(goal: &Goal, measured: &Measured) -> Option<Ratio> {
    match goal.bound {
        Bound::Times(_) | Bound::AtLeastTimes(_) => measured.ratio(goal.metric, US, goal.versus),
        Bound::Plus(_) => measured.difference(goal.metric, US, goal.versus),
        Bound::Most(_) => measured.value(goal.metric, US),
    }
}

/// The interval, widened by what two equal relays differ by.
fn widened(goal: &Goal, measured: &Measured, found: Ratio) -> Ratio {
    let Some(noise) = measured.noise(goal.metric) else { return found };
    let (down, up) = (noise.low.min(1.0), noise.high.max(1.0));
    match goal.bound {
        Bound::Times(_) | Bound::AtLeastTimes(_) | Bound::Most(_) => {
            Ratio { low: found.low * down, high: found.high * up, ..found }
        }
        Bound::Plus(_) => {
            let theirs = measured.value(goal.metric, NULL).map_or(0.0, |value| value.median);
            Ratio { low: found.low - theirs * (1.0 - down), high: found.high + theirs * (up - 1.0), ..found }
        }
    }
}

/// Whether the interval says less than the claim does. (That ours is not above theirs claims no width.)
fn is_wide(bound: Bound, found: Ratio) -> bool {
    match bound {
        Bound::Times(times) | Bound::AtLeastTimes(times) if times != 1.0 => {
            found.high - found.low > (times - 1.0).abs()
        }
        Bound::Times(_) | Bound::AtLeastTimes(_) | Bound::Plus(_) | Bound::Most(_) => false,
    }
}

fn of(bound: Bound, found: Ratio, widened: Ratio) -> Verdict {
    match inside(bound, widened) {
        Verdict::Met if is_wide(bound, found) => Verdict::Open,
        verdict => verdict,
    }
}

fn inside(bound: Bound, found: Ratio) -> Verdict {
    let (inside, outside) = match bound {
        Bound::Times(most) | Bound::Plus(most) | Bound::Most(most) => (found.high <= most, found.low > most),
        Bound::AtLeastTimes(least) => (found.low >= least, found.high < least),
    };
    match (inside, outside) {
        (true, _) => Verdict::Met,
        (_, true) => Verdict::Missed,
        _ => Verdict::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::cases::{Group, cases};
    use crate::load::goals::goals;
    use crate::load::measure::{Line, Round};
    use crate::load::targets::AGAIN;
    use crate::slice::Outcome;

    fn interval(low: f64, high: f64) -> Ratio {
        Ratio { median: (low + high) / 2.0, low, high }
    }

    #[test]
    fn an_interval_across_the_goal_is_no_verdict() {
        assert_eq!(inside(Bound::Times(1.08), interval(0.9, 1.08)), Verdict::Met);
        assert_eq!(inside(Bound::Times(1.08), interval(1.0, 1.1)), Verdict::Open);
        assert_eq!(inside(Bound::Times(1.08), interval(1.09, 1.1)), Verdict::Missed);
        assert_eq!(inside(Bound::AtLeastTimes(1.1), interval(1.2, 1.3)), Verdict::Met);
        assert_eq!(inside(Bound::AtLeastTimes(1.1), interval(0.2, 1.0)), Verdict::Missed);
    }

    #[test]
    fn what_costs_nothing_has_one_inside_and_says_so_closely() {
        let same = interval(1.0, 1.0);
        for (found, pair, verdict) in [
            (interval(0.99, 1.01), same, Verdict::Met),
            (interval(1.001, 1.01), same, Verdict::Missed),
            (interval(1.001, 1.01), interval(0.995, 1.004), Verdict::Met),
            (interval(0.99, 1.015), interval(0.99, 1.01), Verdict::Open),
            (interval(0.97, 1.01), same, Verdict::Open),
            (interval(0.97, 0.99), same, Verdict::Missed),
        ] {
            assert_eq!(nothing(found, pair, 0.02), verdict, "{found:?} {pair:?}");
        }
        assert_eq!(beside(Bound::Times(1.2), interval(1.0, 1.15), interval(0.98, 1.03)), Verdict::Met);
        assert_eq!(beside(Bound::Times(1.2), interval(1.0, 1.15), interval(0.98, 1.08)), Verdict::Open);
    }

    #[test]
    fn an_interval_wider_than_the_claim_meets_nothing() {
        assert!(is_wide(Bound::Times(1.08), interval(0.08, 1.02)) && !is_wide(Bound::Times(1.08), interval(0.9, 0.95)));
        assert!(!is_wide(Bound::Times(1.0), interval(0.5, 0.9)) && !is_wide(Bound::Times(0.05), interval(0.01, 0.04)));
    }

    #[test]
    fn noise_takes_a_verdict_away() {
        let line = |target, values: [f64; 3]| {
            let round =
                |p50| Round { p50, p99: p50, per_second: 1.0, gb_per_second: 1.0, cpu_us: p50, cpu_s_per_gb: 1.0 };
            Line {
                target,
                total: Outcome::new(),
                rounds: values.map(round).to_vec(),
                nanos: 0,
                resident_kib: 0,
                between: true,
            }
        };
        let run = |again: [f64; 3]| {
            let case = cases(Group::Latency, true).into_iter().find(|case| case.id == "stub-simple-1").unwrap();
            let lines = vec![line(NULL, [10.0; 3]), line(AGAIN, again), line(US, [10.5; 3])];
            judge(&goals()[0], &[Measured { case, lines }]).verdict
        };
        assert_eq!(run([10.0; 3]), Verdict::Met);
        assert_eq!(run([9.0, 10.0, 11.0]), Verdict::Open);
    }
}
