//! Rules that hold and match nothing, over none.

use super::{Options, Service, ask};
use crate::dice::Dice;
use crate::load::targets::{Running, Worker, own, run_and_wait};
use crate::load::verdict::{self, Verdict};
use crate::ratio::{self, Ratio};
use crate::slice::{Cpus, Slice, Work};

/// What is done on how many connections.
const WORKS: [(&str, Work, u32); 4] = [
    ("1c simple", Work::Simple, 1),
    ("1c extended", Work::Extended, 1),
    ("1c prepared", Work::Prepared, 1),
    ("8c simple", Work::Simple, 8),
];
/// The policies, by their places in a round's figures.
const ARMS: usize = 3;
const NONE: usize = 0;
const AGAIN: usize = 1;
const HOLDS: usize = 2;
/// After a policy was loaded, before anything is timed.
const WARM_MS: u32 = 15;
/// So wide may the interval be, either way.
const WIDTH: f64 = 0.02;

/// One kind of work.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// With the rules, over without.
    pub(super) ratio: Ratio,
    /// Without, over without.
    pub(super) pair: Ratio,
}

impl Row {
    /// The interval, widened by what the same policy differs by from itself, has 1.00 in it and says as much as the goal does.
    pub(super) fn is_met(&self) -> bool {
        verdict::nothing(self.ratio, self.pair, WIDTH) == Verdict::Met
    }
}

/// All of them, in rounds: each policy in turn, in shuffled order, with a slice of every work.
pub(super) fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let read =
        |path: &std::path::Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let (without, with) = (read(&options.without)?, read(&options.with)?);
    let before = read(&options.policy)?;
    let cpu = *uring::allowed_cpus().map_err(|error| format!("which CPUs: {error}"))?.first().ok_or("no CPU")?;
    let _stub: Running =
        run_and_wait(own(&["stub", "--port", &options.near.to_string()])?, Some(cpu), &[options.near])?;
    let service = options.services.first().ok_or("no service")?;
    let mut worker = Worker::start(&service.through.words)?;
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    let mut order: [usize; ARMS] = [NONE, AGAIN, HOLDS];
    // p50 of each work, by round, by arm.
    let mut found = vec![Vec::new(); WORKS.len()];
    for round in 0..=options.rounds {
        dice.shuffle(&mut order);
        let mut figures = [[0.0; ARMS]; WORKS.len()];
        for arm in order {
            load(options, service, if arm == HOLDS { &with } else { &without })?;
            for (at, (_, work, connections)) in WORKS.iter().enumerate() {
                let slice = |millis| Slice {
                    work: *work,
                    sealed: false,
                    port: options.near,
                    dbname: "bench".into(),
                    connections: *connections,
                    millis,
                    cpus: Cpus::Kept(cpu, cpu),
                };
                worker.slice(&slice(WARM_MS))?;
                figures[at][arm] = worker.slice(&slice(options.millis))?.quantile(0.5);
            }
        }
        if round > 0 {
            found.iter_mut().zip(figures).for_each(|(rounds, figures)| rounds.push(figures));
        }
    }
    load(options, service, &before)?;
    let row = |((name, ..), rounds): (&(&'static str, Work, u32), Vec<[f64; ARMS]>)| {
        let over = |arm: usize| {
            let pairs: Vec<(f64, f64)> = rounds.iter().map(|round| (round[arm], round[NONE])).collect();
            ratio::paired(&pairs).ok_or("no rounds")
        };
        Ok(Row { name, ratio: over(HOLDS)?, pair: over(AGAIN)? })
    };
    WORKS.iter().zip(found).map(row).collect()
}

/// The service judges by this policy from now on.
fn load(options: &Options, service: &Service, policy: &str) -> Result<(), String> {
    std::fs::write(&options.policy, policy).map_err(|error| format!("{}: {error}", options.policy.display()))?;
    ask(&service.admin, "POST", "/reload", "").map(|_| ())
}
