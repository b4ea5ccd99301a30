//! The goals, and whether a run meets them.
//!
//! An interval is widened by what two equal relays of the same rounds differ by. Wholly inside the goal: met; wholly outside:
//! missed; across it: no verdict, which counts as missed. Inside, but wider than what is claimed: no verdict either.

use crate::load::idle::Idle;
use crate::load::measure::{Measured, Metric};
use crate::load::targets::{HAPROXY, NULL, PGBOUNCER, US};
use crate::load::tls::Tls;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    Open,
    /// The run did not do this case, or lacks the peer.
    Absent,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Open => "no verdict",
            Verdict::Absent => "not measured",
        }
    }
}

/// One goal.
pub(crate) struct Goal {
    pub(crate) what: String,
    case: String,
    metric: Metric,
    versus: &'static str,
    bound: Bound,
}

/// A goal and what the run says.
pub(crate) struct Judged {
    pub(crate) what: String,
    pub(crate) claim: String,
    pub(crate) found: Option<Ratio>,
    pub(crate) verdict: Verdict,
}

fn goal(case: &str, what: &str, metric: Metric, versus: &'static str, bound: Bound) -> Goal {
    Goal { what: what.to_owned(), case: case.to_owned(), metric, versus, bound }
}

/// The goals that this benchmark can judge.
pub(crate) fn goals() -> Vec<Goal> {
    let mut all = Vec::new();
    for (short, place) in [("stub", "stub"), ("pg", "PostgreSQL")] {
        for protocol in ["simple", "extended", "prepared"] {
            let name = |what: &str, count: u32| format!("{what}, {count}c {protocol}, {place}");
            let (one, eight) = (format!("{short}-{protocol}-1"), format!("{short}-{protocol}-8"));
            all.push(goal(&one, &name("p50", 1), Metric::P50, NULL, Bound::Times(1.08)));
            all.push(goal(&one, &name("p50", 1), Metric::P50, HAPROXY, Bound::Times(1.0)));
            all.push(goal(&one, &name("p50", 1), Metric::P50, PGBOUNCER, Bound::Times(1.0)));
            all.push(goal(&eight, &name("p50", 8), Metric::P50, NULL, Bound::Times(1.08)));
            all.push(goal(&eight, &name("p99", 8), Metric::P99, NULL, Bound::Times(1.08)));
            all.push(goal(&eight, &name("p50", 8), Metric::P50, HAPROXY, Bound::Times(0.92)));
            all.push(goal(&one, &name("CPU us a statement", 1), Metric::CpuUs, NULL, Bound::Plus(1.5)));
            all.push(goal(&eight, &name("CPU us a statement", 8), Metric::CpuUs, NULL, Bound::Plus(1.5)));
            all.push(goal(&eight, &name("CPU us a statement", 8), Metric::CpuUs, HAPROXY, Bound::Times(0.85)));
        }
    }
    let (rows, wide, cards) = ("stub-rows", "stub-wide", "stub-cards");
    let gb = Metric::CpuPerGb;
    all.extend([
        // Bytes for a second of one core: the reciprocal of the CPU time for a byte.
        goal(rows, "bulk, narrow rows: CPU s/GB (0.88 of the GB/s per core)", gb, NULL, Bound::Times(1.0 / 0.88)),
        goal(rows, "bulk, narrow rows: CPU s/GB", gb, NULL, Bound::Plus(0.10)),
        goal("stub-rows8", "bulk, 8 KiB sends: GB/s", Metric::GbPerSecond, HAPROXY, Bound::AtLeastTimes(1.1)),
        goal(wide, "bulk, rows of 8 KiB: CPU s/GB (0.93 of the GB/s per core)", gb, NULL, Bound::Times(1.0 / 0.93)),
        goal("pg-rows", "bulk from PostgreSQL, SELECT: CPU s/GB", gb, NULL, Bound::Most(1.25)),
        goal("pg-rows", "bulk from PostgreSQL, SELECT: CPU s/GB", gb, PGBOUNCER, Bound::Times(0.7)),
        goal(cards, "a card in every 100 B: CPU s/GB", gb, NULL, Bound::Times(1.4)),
        goal("stub-beside", "p50 beside a bulk stream", Metric::P50, NULL, Bound::Times(1.3)),
        goal("stub-beside", "p50 beside a bulk stream", Metric::P50, HAPROXY, Bound::Times(0.05)),
        goal("stub-connect", "connect, query, close, stub: p50", Metric::P50, HAPROXY, Bound::Times(1.0)),
    ]);
    all
}

/// What this benchmark has no measure for, and why.
pub(crate) const UNJUDGED: [(&str, &str); 3] = [
    ("two shards over one", "needs four cores and more, or a service with one shard beside it"),
    (
        "record over no record",
        "the product cannot run without its record; the `strict record` lines price the other setting",
    ),
    ("slow reader with 100 MB pending", "no case yet"),
];

/// Most KiB of an idle session.
const IDLE_KIB: f64 = 4.0;

/// Most KiB of one under TLS on both legs.
const SEALED_KIB: f64 = 24.0;
/// Most that TLS may cost, times what rustls alone does.
const SEALED_TIMES: f64 = 1.1;

/// Judges all.
pub(crate) fn judge(measured: &[Measured], idle: &[Idle], tls: Option<&Tls>) -> Vec<Judged> {
    let mut all: Vec<Judged> = goals().iter().map(|goal| one(goal, measured)).collect();
    for (what, of) in [
        ("idle session, KiB", (|idle: &Idle| idle.fresh) as fn(&Idle) -> f64),
        ("idle session after a bulk result, KiB", |idle| idle.after_bulk),
    ] {
        let found = idle.iter().find(|idle| idle.target == US).map(of);
        let verdict = match found {
            None => Verdict::Absent,
            Some(kib) if kib <= IDLE_KIB => Verdict::Met,
            Some(_) => Verdict::Missed,
        };
        let found = found.map(|kib| Ratio { median: kib, low: kib, high: kib });
        all.push(Judged { what: what.to_owned(), claim: format!("<= {IDLE_KIB}"), found, verdict });
    }
    all.extend(sealed(tls));
    all
}

/// What TLS on both legs costs.
fn sealed(tls: Option<&Tls>) -> [Judged; 2] {
    let found = tls.and_then(Tls::ratio);
    let times = Bound::Times(SEALED_TIMES);
    let over = Judged {
        what: "TLS on both legs over plain: CPU s/GB".to_owned(),
        claim: format!("<= {SEALED_TIMES:.2} x rustls alone"),
        found,
        verdict: found.map_or(Verdict::Absent, |found| verdict(times, found)),
    };
    let kib = tls.map(|tls| tls.idle);
    let idle = Judged {
        what: "idle session under TLS on both legs, KiB".to_owned(),
        claim: format!("<= {SEALED_KIB}"),
        found: kib.map(|kib| Ratio { median: kib, low: kib, high: kib }),
        verdict: match kib {
            None => Verdict::Absent,
            Some(kib) if kib <= SEALED_KIB => Verdict::Met,
            Some(_) => Verdict::Missed,
        },
    };
    [over, idle]
}

fn one(goal: &Goal, measured: &[Measured]) -> Judged {
    let claim = match goal.bound {
        Bound::Times(times) => format!("<= {times:.2} x {}", goal.versus),
        Bound::AtLeastTimes(times) => format!(">= {times:.2} x {}", goal.versus),
        Bound::Plus(more) => format!("<= {} + {more:.2}", goal.versus),
        Bound::Most(most) => format!("<= {most:.2}"),
    };
    let found = measured.iter().find(|m| m.case.id == goal.case).and_then(|m| Some((m, found(goal, m)?)));
    let verdict = found.map_or(Verdict::Absent, |(m, found)| match verdict(goal.bound, widened(goal, m, found)) {
        Verdict::Met if is_wide(goal.bound, found) => Verdict::Open,
        verdict => verdict,
    });
    Judged { what: goal.what.clone(), claim, found: found.map(|(_, found)| found), verdict }
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

fn verdict(bound: Bound, found: Ratio) -> Verdict {
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

    fn interval(low: f64, high: f64) -> Ratio {
        Ratio { median: (low + high) / 2.0, low, high }
    }

    #[test]
    fn an_interval_across_the_goal_is_no_verdict() {
        assert_eq!(verdict(Bound::Times(1.08), interval(0.9, 1.08)), Verdict::Met);
        assert_eq!(verdict(Bound::Times(1.08), interval(1.0, 1.1)), Verdict::Open);
        assert_eq!(verdict(Bound::Times(1.08), interval(1.09, 1.1)), Verdict::Missed);
        assert_eq!(verdict(Bound::AtLeastTimes(1.1), interval(1.2, 1.3)), Verdict::Met);
        assert_eq!(verdict(Bound::AtLeastTimes(1.1), interval(0.2, 1.0)), Verdict::Missed);
    }

    #[test]
    fn an_interval_wider_than_the_claim_meets_nothing() {
        assert!(is_wide(Bound::Times(1.08), interval(0.08, 1.02)) && !is_wide(Bound::Times(1.08), interval(0.9, 0.95)));
        assert!(!is_wide(Bound::Times(1.0), interval(0.5, 0.9)) && !is_wide(Bound::Times(0.05), interval(0.01, 0.04)));
    }

    #[test]
    fn every_goal_names_a_case() {
        let ids: Vec<String> = Group::ALL.into_iter().flat_map(|g| cases(g, false)).map(|case| case.id).collect();
        for goal in goals() {
            assert!(ids.contains(&goal.case), "{}", goal.case);
        }
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert!(judge(&[], &[], None).iter().all(|judged| judged.verdict == Verdict::Absent));
        let idle = Idle { target: US, sessions: 10, fresh: 3.0, after_bulk: 9.0 };
        let verdicts: Vec<Verdict> = judge(&[], &[idle], None).iter().map(|judged| judged.verdict).collect();
        assert!(verdicts.ends_with(&[Verdict::Met, Verdict::Missed, Verdict::Absent, Verdict::Absent]));
        let tls = |sealed| Tls { rounds: vec![[0.2, sealed, 1.0]; 3], sessions: 10, idle: 25.0 };
        let judged =
            |sealed| judge(&[], &[], Some(&tls(sealed))).iter().rev().take(2).map(|j| j.verdict).collect::<Vec<_>>();
        assert_eq!(judged(1.25), [Verdict::Missed, Verdict::Met]);
        assert_eq!(judged(1.35), [Verdict::Missed, Verdict::Missed]);
    }

    #[test]
    fn noise_takes_a_verdict_away() {
        use crate::load::measure::{Line, Round};
        use crate::load::targets::AGAIN;
        use crate::slice::Outcome;
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
            let measured = Measured { case, lines };
            judge(&[measured], &[], None).swap_remove(0).verdict
        };
        assert_eq!(run([10.0; 3]), Verdict::Met);
        assert_eq!(run([9.0, 10.0, 11.0]), Verdict::Open);
    }
}
