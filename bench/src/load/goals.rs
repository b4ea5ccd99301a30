//! The goals, by rows of the table that docs/BENCH.md shows, and the figures that they are asked of.

use crate::load::idle::SEALED;
use crate::load::measure::Metric;
use crate::load::report::Run;
use crate::load::targets::{HAPROXY, NULL, PGBOUNCER, RESULTS, UNRECORDED, US};
use crate::load::verdict::{Bound, Judged, judge, judged, plain};
use crate::ratio::Ratio;

/// What is asked for; the rows of the table.
pub(crate) const ROWS: [&str; 17] = [
    "p50, one client, statement seen before",
    "p50 and p99, 8 clients",
    "CPU per known statement",
    "bulk ceiling per core, clean narrow rows, 64 KiB",
    "the same, sends of 8 KiB, beside HAProxy with splice",
    "rows of 8 KiB and more",
    "from a real PostgreSQL, narrow rows",
    "one card per 100 B",
    "small queries beside a bulk stream",
    "two shards over one",
    "standard record over no record, p50 of reads",
    "TLS both legs over plain, beside rustls alone",
    "connect, first query, close (stub)",
    "idle session, also after a bulk result",
    "slow reader with 100 MB pending",
    "throughput, statements recorded over none",
    "throughput, results recorded over none",
];

/// Most KiB of an idle session; of one under TLS on both legs; of what a slow reader may take: a buffer of 64 KiB per direction.
const IDLE_KIB: f64 = 4.0;
const SEALED_KIB: f64 = 24.0;
const SLOW_KIB: f64 = 128.0;
/// From so many CPUs on two shards are judged by what they do, else by what a statement costs.
const CORES: usize = 4;

/// One goal that a case answers.
pub(crate) struct Goal {
    pub(crate) row: usize,
    pub(crate) what: String,
    pub(crate) case: String,
    pub(crate) metric: Metric,
    pub(crate) versus: &'static str,
    pub(crate) bound: Bound,
}

fn goal(row: usize, case: &str, what: &str, metric: Metric, versus: &'static str, bound: Bound) -> Goal {
    Goal { row, what: what.to_owned(), case: case.to_owned(), metric, versus, bound }
}

/// Those of the cases.
pub(crate) fn goals() -> Vec<Goal> {
    let mut all = Vec::new();
    for (short, place) in [("stub", "stub"), ("pg", "PostgreSQL")] {
        for protocol in ["simple", "extended", "prepared"] {
            statements(&mut all, short, place, protocol);
        }
    }
    let (rows, wide, cards) = ("stub-rows", "stub-wide", "stub-cards");
    let gb = Metric::CpuPerGb;
    all.extend([
        // Bytes for a second of one core: the reciprocal of the CPU time for a byte.
        goal(3, rows, "narrow rows: CPU s/GB (0.88 of the GB/s per core)", gb, NULL, Bound::Times(1.0 / 0.88)),
        goal(3, rows, "narrow rows: CPU s/GB", gb, NULL, Bound::Plus(0.10)),
        goal(4, "stub-rows8", "8 KiB sends: CPU s/GB (1.1 of the GB/s per core)", gb, HAPROXY, Bound::Times(1.0 / 1.1)),
        goal(5, wide, "rows of 8 KiB: CPU s/GB (0.93 of the GB/s per core)", gb, NULL, Bound::Times(1.0 / 0.93)),
        goal(7, cards, "a card in every 100 B: CPU s/GB", gb, NULL, Bound::Times(1.4)),
        goal(8, "stub-beside", "p50 beside a bulk stream", Metric::P50, NULL, Bound::Times(1.3)),
        goal(8, "stub-beside", "p50 beside a bulk stream", Metric::P50, HAPROXY, Bound::Times(0.05)),
        goal(12, "stub-connect", "connect, query, close: p50", Metric::P50, HAPROXY, Bound::Times(1.0)),
    ]);
    for (case, what) in [("pg-rows", "SELECT"), ("pg-copy", "COPY")] {
        let what = format!("bulk from PostgreSQL, {what}: CPU s/GB");
        all.push(goal(6, case, &what, gb, NULL, Bound::Most(1.25)));
        all.push(goal(6, case, &what, gb, PGBOUNCER, Bound::Times(0.7)));
    }
    all
}

fn statements(all: &mut Vec<Goal>, short: &str, place: &str, protocol: &str) {
    let name = |what: &str, count: u32| format!("{what}, {count}c {protocol}, {place}");
    let (one, eight) = (format!("{short}-{protocol}-1"), format!("{short}-{protocol}-8"));
    let p50 = Metric::P50;
    all.push(goal(0, &one, &name("p50", 1), p50, NULL, Bound::Times(1.08)));
    all.push(goal(0, &one, &name("p50", 1), p50, HAPROXY, Bound::Times(1.0)));
    all.push(goal(0, &one, &name("p50", 1), p50, PGBOUNCER, Bound::Times(1.0)));
    all.push(goal(1, &eight, &name("p50", 8), p50, NULL, Bound::Times(1.08)));
    all.push(goal(1, &eight, &name("p99", 8), Metric::P99, NULL, Bound::Times(1.08)));
    all.push(goal(1, &eight, &name("p50", 8), p50, HAPROXY, Bound::Times(0.92)));
    all.push(goal(2, &one, &name("CPU us a statement", 1), Metric::CpuUs, NULL, Bound::Plus(1.5)));
    all.push(goal(2, &eight, &name("CPU us a statement", 8), Metric::CpuUs, NULL, Bound::Plus(1.5)));
    all.push(goal(2, &eight, &name("CPU us a statement", 8), Metric::CpuUs, HAPROXY, Bound::Times(0.85)));
}

/// Every goal, with what the run says.
pub(crate) fn all(run: &Run) -> Vec<Judged> {
    let mut all: Vec<Judged> = goals().iter().map(|goal| judge(goal, &run.measured)).collect();
    let exactly = |value: f64| Ratio { median: value, low: value, high: value };
    all.push(shards(run));
    all.push(recorded(run));
    all.extend(throughput(run));
    let tls = run.tls.as_ref().and_then(|tls| tls.ratio());
    all.push(judged(11, "TLS over plain, CPU s/GB", "<= 1.10 x rustls alone", Bound::Times(1.1), tls));
    for (target, name, most) in [(US, "idle session", IDLE_KIB), (SEALED, "idle session, TLS", SEALED_KIB)] {
        let idle = run.idle.iter().find(|idle| idle.target == target);
        for (when, of) in [("fresh", idle.map(|idle| idle.fresh)), ("after a bulk result", idle.map(|i| i.after_bulk))]
        {
            let what = format!("{name}, {when}: KiB");
            all.push(plain(13, &what, most, of.map(exactly)));
        }
    }
    let slow = run.slow.as_ref();
    all.push(plain(14, "slow reader: KiB of ours", SLOW_KIB, slow.map(|slow| exactly(slow.kib))));
    let neighbours = slow.and_then(|slow| slow.neighbours());
    let bound = Bound::Times(1.1);
    all.push(judged(14, "p50 of its neighbours", "<= 1.10 x without it", bound, neighbours));
    all
}

/// Two shards over one.
fn shards(run: &Run) -> Judged {
    let shards = run.shards.as_ref();
    if std::thread::available_parallelism().map_or(1, usize::from) >= CORES {
        let found = shards.and_then(|shards| shards.rate());
        return judged(9, "statements a second, two shards", ">= 1.90 x one", Bound::AtLeastTimes(1.9), found);
    }
    let found = shards.and_then(|shards| shards.cpu());
    judged(9, "CPU per statement, two shards", "<= 1.05 x one", Bound::Times(1.05), found)
}

/// Reads recorded over the same not recorded.
fn recorded(run: &Run) -> Judged {
    let case = run.measured.iter().find(|measured| measured.case.id == "part-prepared-1");
    let found = case.and_then(|measured| measured.ratio(Metric::P50, US, UNRECORDED));
    judged(10, "p50 of reads, recorded", "<= 1.03 x not recorded", Bound::Times(1.03), found)
}

/// What is left of the throughput with statements recorded, and with results as well.
fn throughput(run: &Run) -> Vec<Judged> {
    let cases = [
        ("part-prepared-1", "prepared, 1c, stub", Metric::PerSecond),
        ("part-prepared-8", "prepared, 8c, stub", Metric::PerSecond),
        ("part-pg-prepared-1", "prepared, 1c, PostgreSQL", Metric::PerSecond),
        ("part-pg-prepared-8", "prepared, 8c, PostgreSQL", Metric::PerSecond),
        ("part-rows", "narrow rows, stub", Metric::GbPerSecond),
        ("part-select", "narrow rows, PostgreSQL", Metric::GbPerSecond),
    ];
    let mut all = Vec::new();
    for (row, target, least) in [(15, US, 0.97), (16, RESULTS, 0.85)] {
        for (id, what, metric) in cases {
            let measured = run.measured.iter().find(|measured| measured.case.id == id);
            let found = measured.and_then(|measured| measured.ratio(metric, target, UNRECORDED));
            let bound = Bound::AtLeastTimes(least);
            all.push(judged(row, what, &format!(">= {least} x not recorded"), bound, found));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::cases::{Group, cases};
    use crate::load::idle::Idle;
    use crate::load::shards::Shards;
    use crate::load::slow::Slow;
    use crate::load::tls::Tls;
    use crate::load::verdict::Verdict;

    #[test]
    fn every_goal_names_a_case_and_every_row_has_one() {
        let ids: Vec<String> = Group::ALL.into_iter().flat_map(|g| cases(g, false)).map(|case| case.id).collect();
        for goal in goals() {
            assert!(ids.contains(&goal.case), "{}", goal.case);
        }
        let judged = all(&Run::empty());
        for (row, name) in ROWS.iter().enumerate() {
            assert!(judged.iter().any(|judged| judged.row == row), "{name}");
        }
        assert!(judged.iter().all(|judged| judged.verdict == Verdict::Absent));
    }

    #[test]
    fn what_stands_beside_the_cases_is_judged_too() {
        let idle = |target, fresh, after_bulk| Idle { target, sessions: 10, fresh, after_bulk };
        let run = Run {
            idle: vec![idle(US, 3.0, 9.0), idle(SEALED, 23.0, 25.0)],
            tls: Some(Tls { rounds: vec![[0.2, 1.25, 1.0]; 3] }),
            shards: Some(Shards { rounds: vec![[(10.0, 5.0), (20.0, 5.5)]; 3], other: Vec::new() }),
            slow: Some(Slow { rounds: vec![[10.0, 10.5]; 3], kib: 68.0 }),
            ..Run::empty()
        };
        let of = |row: usize| all(&run).iter().filter(|j| j.row == row).map(|j| j.verdict).collect::<Vec<_>>();
        let (met, missed) = (Verdict::Met, Verdict::Missed);
        assert_eq!(of(13), [met, missed, met, missed]);
        assert_eq!((of(11), of(14)), (vec![met], vec![met, met]));
        assert_eq!(of(10), [Verdict::Absent]);
    }
}
