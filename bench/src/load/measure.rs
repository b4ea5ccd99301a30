//! One case on all paths: slices in an order that is shuffled every round; the first round is dropped. Where several services stand for
//! a path each has its turn, and its first round is dropped: one start of a program differs from the next by more than what is asked here.

use crate::cpu;
use crate::dice::Dice;
use crate::load::cases::{Case, Group};
use crate::load::options::Options;
use crate::load::targets::{AGAIN, Backend, NULL, Stand, Target};
use crate::ratio::{self, Ratio};
use crate::slice::{Cpus, Outcome, Slice, Work};

/// What one slice on one path came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) per_second: f64,
    pub(crate) gb_per_second: f64,
    /// CPU microseconds of the process in between for one operation, and its CPU seconds for one GB.
    pub(crate) cpu_us: f64,
    pub(crate) cpu_s_per_gb: f64,
}

/// One path in one case.
pub(crate) struct Line {
    pub(crate) target: &'static str,
    pub(crate) total: Outcome,
    pub(crate) rounds: Vec<Round>,
    pub(crate) nanos: u64,
    pub(crate) resident_kib: u64,
    /// Whether there is a process in between.
    pub(crate) between: bool,
}

/// One case.
pub(crate) struct Measured {
    pub(crate) case: Case,
    pub(crate) lines: Vec<Line>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    P50,
    P99,
    PerSecond,
    GbPerSecond,
    CpuUs,
    CpuPerGb,
}

impl Metric {
    fn of(self, round: &Round) -> f64 {
        match self {
            Metric::P50 => round.p50,
            Metric::P99 => round.p99,
            Metric::PerSecond => round.per_second,
            Metric::GbPerSecond => round.gb_per_second,
            Metric::CpuUs => round.cpu_us,
            Metric::CpuPerGb => round.cpu_s_per_gb,
        }
    }
}

impl Measured {
    pub(crate) fn line(&self, target: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.target == target)
    }

    fn pairs(&self, metric: Metric, ours: &str, theirs: &str) -> Vec<(f64, f64)> {
        let of = |name: &str| self.line(name).map(|line| line.rounds.as_slice()).unwrap_or_default();
        of(ours).iter().zip(of(theirs)).map(|(a, b)| (metric.of(a), metric.of(b))).collect()
    }

    /// Ours over theirs.
    pub(crate) fn ratio(&self, metric: Metric, ours: &str, theirs: &str) -> Option<Ratio> {
        ratio::paired(&self.pairs(metric, ours, theirs))
    }

    /// Ours less theirs.
    pub(crate) fn difference(&self, metric: Metric, ours: &str, theirs: &str) -> Option<Ratio> {
        ratio::difference(&self.pairs(metric, ours, theirs))
    }

    pub(crate) fn value(&self, metric: Metric, target: &str) -> Option<Ratio> {
        let line = self.line(target)?;
        ratio::spread(&line.rounds.iter().map(|round| metric.of(round)).collect::<Vec<_>>())
    }

    /// What two relays that are the same differ by.
    pub(crate) fn noise(&self, metric: Metric) -> Option<Ratio> {
        self.ratio(metric, AGAIN, NULL)
    }
}

/// Connections that are new in each round have worked for so long before they are timed.
const WARM_MILLIS: u32 = 20;

/// Runs a case. What a part costs is asked of two processes, and where nobody says on which CPU a connection is made, the scheduler decides which
/// shard has it, for as long as it lives: so those connections are new in each round, on the first CPU and the last by turns, and each path has the
/// same draw in a round.
pub(crate) fn case(case: &Case, options: &Options, stand: &mut Stand, dice: &mut Dice) -> Result<Measured, String> {
    let empty = |target: &Target| Line {
        target: target.name,
        total: Outcome::new(),
        rounds: Vec::new(),
        nanos: 0,
        resident_kib: 0,
        between: target.place(case.backend).pid.is_some(),
    };
    let mut lines: Vec<Line> = stand.targets.iter().map(empty).collect();
    let mut order: Vec<usize> = (0..lines.len()).filter(|index| case.on(stand.targets[*index].name)).collect();
    let anew = case.group == Group::Micro && cpus(case.backend, options) == Cpus::Any;
    let rounds = if case.rounds == 0 { options.rounds } else { case.rounds.min(options.rounds) };
    let warm = stand.targets.iter().map(|target| target.starts() as u32).max().unwrap_or(1);
    for round in 0..warm + rounds {
        stand.targets.iter_mut().for_each(Target::turn);
        dice.shuffle(&mut order);
        for &index in &order {
            let target = &mut stand.targets[index];
            let place = target.place(case.backend).clone();
            let mut slice = slice(case, options, &place.dbname, place.port);
            if anew {
                let (first, last) = options.cpus;
                slice.cpus =
                    if round.is_multiple_of(2) { Cpus::Spread(first, last) } else { Cpus::Spread(last, first) };
                let warm = Slice { millis: WARM_MILLIS.min(slice.millis), ..slice.clone() };
                target.worker.slice(&warm).map_err(|error| format!("{}: {error}", target.name))?;
            }
            let before = place.pid.map_or(0, cpu::nanos);
            let outcome = target.worker.slice(&slice).map_err(|error| format!("{}: {error}", target.name))?;
            let nanos = place.pid.map_or(0, cpu::nanos) - before;
            if anew {
                target.worker.slice(&Slice { work: Work::Close, ..slice })?;
            }
            if round < warm {
                continue; // warm-up
            }
            let line = &mut lines[index];
            line.rounds.push(figures(&outcome, nanos));
            line.total.after(&outcome);
            line.nanos += nanos;
            line.resident_kib = place.pid.map_or(0, |pid| cpu::resident_kib(pid, "VmRSS:"));
        }
    }
    lines.retain(|line| case.on(line.target));
    Ok(Measured { case: case.clone(), lines })
}

/// Where a case's connections are made and its work is done.
pub(crate) fn cpus(backend: Backend, options: &Options) -> Cpus {
    let (first, last) = options.cpus;
    match backend {
        Backend::Postgres => Cpus::Any,
        Backend::Near => Cpus::Kept(first, first),
        Backend::Far | Backend::Across => Cpus::Kept(first, last),
    }
}

fn slice(case: &Case, options: &Options, dbname: &str, port: u16) -> Slice {
    Slice {
        work: case.work,
        sealed: options.url.as_ref().is_some_and(|url| url.sealed),
        port,
        dbname: dbname.to_owned(),
        connections: case.connections,
        millis: options.millis,
        cpus: cpus(case.backend, options),
    }
}

fn figures(outcome: &Outcome, nanos: u64) -> Round {
    let (operations, bytes) = (outcome.latencies.len().max(1) as f64, outcome.bytes.max(1) as f64);
    Round {
        p50: outcome.quantile(0.5),
        p99: outcome.quantile(0.99),
        per_second: operations / outcome.seconds(),
        gb_per_second: bytes / 1e9 / outcome.seconds(),
        cpu_us: nanos as f64 / 1e3 / operations,
        cpu_s_per_gb: nanos as f64 / bytes,
    }
}
