//! Two shards over one: the same service, with one shard busy and with two at a time.
//!
//! Each shard has a CPU of its own, and on that CPU an agent and a stub of its own, so that nothing crosses.

use crate::cpu;
use crate::dice::Dice;
use crate::load::options::Options;
use crate::load::targets::{Backend, Place, Stand, US};
use crate::ratio::{self, Ratio};
use crate::slice::{Outcome, Slice, Work};

const CONNECTIONS: u32 = 4;

/// Statements a second and CPU microseconds of the service for one: with one shard (the mean of the two), with both.
pub(crate) struct Shards {
    pub(crate) rounds: Vec<[(f64, f64); 2]>,
}

impl Shards {
    /// Statements a second of two shards over one.
    pub(crate) fn rate(&self) -> Option<Ratio> {
        self.ratio(|value| value.0)
    }

    /// CPU time for a statement at two shards over that at one.
    pub(crate) fn cpu(&self) -> Option<Ratio> {
        self.ratio(|value| value.1)
    }

    fn ratio(&self, of: fn((f64, f64)) -> f64) -> Option<Ratio> {
        ratio::paired(&self.rounds.iter().map(|[one, two]| (of(*two), of(*one))).collect::<Vec<_>>())
    }
}

/// Nothing where no service is there, or one CPU alone.
pub(crate) fn run(options: &Options, stand: &mut Stand, dice: &mut Dice) -> Result<Option<Shards>, String> {
    let (first, last) = options.cpus;
    let Some(second) = &mut stand.second else { return Ok(None) };
    let Some(us) = stand.targets.iter_mut().find(|target| target.name == US && first != last) else { return Ok(None) };
    let (near, far) = (us.place(Backend::Near).clone(), us.place(Backend::Far).clone());
    let pid = near.pid.unwrap_or(0);
    let slices = [slice(options, &near, first), slice(options, &far, last)];
    let workers = [&mut us.worker, second];
    let mut rounds = Vec::new();
    let mut order = [vec![0], vec![1], vec![0, 1]];
    for round in 0..=options.rounds {
        dice.shuffle(&mut order);
        let (mut alone, mut both) = (Vec::new(), (0.0, 0.0));
        for busy in &order {
            let before = cpu::nanos(pid);
            for &which in busy {
                workers[which].begin(&slices[which])?;
            }
            let outcomes = busy.iter().map(|&which| workers[which].end()).collect::<Result<Vec<Outcome>, _>>()?;
            let found = figures(&outcomes, cpu::nanos(pid) - before);
            if busy.len() == 1 { alone.push(found) } else { both = found }
        }
        if round > 0 {
            let mean = |of: fn(&(f64, f64)) -> f64| alone.iter().map(of).sum::<f64>() / alone.len().max(1) as f64;
            rounds.push([(mean(|value| value.0), mean(|value| value.1)), both]);
        }
    }
    for (worker, slice) in workers.into_iter().zip(slices) {
        worker.slice(&Slice { work: Work::Close, ..slice })?;
    }
    Ok(Some(Shards { rounds }))
}

fn slice(options: &Options, place: &Place, cpu: u32) -> Slice {
    Slice {
        work: Work::Prepared,
        sealed: false,
        port: place.port,
        dbname: place.dbname.clone(),
        connections: CONNECTIONS,
        millis: options.millis,
        cpus: Some((cpu, cpu)),
    }
}

fn figures(outcomes: &[Outcome], nanos: u64) -> (f64, f64) {
    let operations = outcomes.iter().map(|outcome| outcome.latencies.len()).sum::<u64>().max(1) as f64;
    let rate = outcomes.iter().map(|outcome| outcome.latencies.len() as f64 / outcome.seconds()).sum();
    (rate, nanos as f64 / 1e3 / operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_do_is_set_against_what_one_does() {
        let shards = Shards { rounds: vec![[(100.0, 10.0), (190.0, 10.4)]; 3] };
        assert_eq!((shards.rate().unwrap().median, shards.cpu().unwrap().median), (1.9, 1.04));
    }
}
