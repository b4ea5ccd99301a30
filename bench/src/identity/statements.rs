//! Statements of a job with a bound token, over those of jobs without.

use super::Options;
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
/// Jobs by their places in a round's figures, as they are given.
const NONE: usize = 0;
const AGAIN: usize = 1;
const TOKEN: usize = 2;
const ARMS: usize = 3;
/// After connections were made, before anything is timed.
const WARM_MS: u32 = 15;
/// So wide may the interval be, either way.
const WIDTH: f64 = 0.02;

/// One kind of work.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// With a token, over without.
    pub(super) ratio: Ratio,
    /// Without, over without.
    pub(super) pair: Ratio,
}

impl Row {
    pub(super) fn verdict(&self) -> Verdict {
        verdict::nothing(self.ratio, self.pair, WIDTH)
    }
}

/// All of them, in rounds: each job in turn, in shuffled order, with a slice of every work on connections that are made anew, so that where
/// one lies in memory is another chance in each round.
pub(super) fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let cpu = *uring::allowed_cpus().map_err(|error| format!("which CPUs: {error}"))?.first().ok_or("no CPU")?;
    let _stub: Running =
        run_and_wait(own(&["stub", "--port", &options.near.to_string()])?, Some(cpu), &[options.near])?;
    let mut workers = options
        .through
        .iter()
        .take(ARMS)
        .map(|through| Worker::start(&through.words))
        .collect::<Result<Vec<_>, _>>()?;
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    let mut order: [usize; ARMS] = [NONE, AGAIN, TOKEN];
    // p50 of each work, by round, by job.
    let mut found = vec![Vec::new(); WORKS.len()];
    for round in 0..=options.rounds {
        let mut figures = [[0.0; ARMS]; WORKS.len()];
        for ((_, work, connections), figures) in WORKS.iter().zip(&mut figures) {
            dice.shuffle(&mut order);
            for arm in order {
                let slice = |work, millis| Slice {
                    work,
                    sealed: false,
                    port: options.near,
                    dbname: "bench".into(),
                    connections: *connections,
                    millis,
                    cpus: Cpus::Kept(cpu, cpu),
                };
                let worker = workers.get_mut(arm).ok_or("three jobs")?;
                worker.slice(&slice(*work, WARM_MS))?;
                figures[arm] = worker.slice(&slice(*work, options.millis))?.quantile(0.5);
                worker.slice(&slice(Work::Close, 0))?;
            }
        }
        if round > 0 {
            found.iter_mut().zip(figures).for_each(|(rounds, figures)| rounds.push(figures));
        }
    }
    let row = |((name, ..), rounds): (&(&'static str, Work, u32), Vec<[f64; ARMS]>)| {
        let over = |arm: usize| {
            let pairs: Vec<(f64, f64)> = rounds.iter().map(|round| (round[arm], round[NONE])).collect();
            ratio::paired(&pairs).ok_or("no rounds")
        };
        Ok(Row { name, ratio: over(TOKEN)?, pair: over(AGAIN)? })
    };
    WORKS.iter().zip(found).map(row).collect()
}
