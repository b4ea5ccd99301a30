//! Two shards over one: the same service, with one shard busy and with two at a time.
//!
//! Each shard has a CPU of its own, and on that CPU an agent and a stub of its own, so that nothing crosses.

use crate::cpu;
use crate::dice::Dice;
use crate::load::options::Options;
use crate::load::targets::{Backend, Place, Stand, Target, US, Worker};
use crate::ratio::{self, Ratio};
use crate::slice::{Cpus, Outcome, Slice, Work};

const CONNECTIONS: u32 = 4;

/// Statements a second and CPU microseconds of the service for one: with one shard (the mean of the two), with both.
type Round = [(f64, f64); 2];

/// What the rounds found.
#[derive(Default)]
pub(crate) struct Shards {
    pub(crate) rounds: Vec<Round>,
    /// The same of another build, in the same rounds.
    pub(crate) other: Vec<Round>,
}

impl Shards {
    /// Statements a second of two shards over one.
    pub(crate) fn rate(&self) -> Option<Ratio> {
        two_over_one(&self.rounds, |value| value.0)
    }

    /// CPU time for a statement at two shards over that at one.
    pub(crate) fn cpu(&self) -> Option<Ratio> {
        two_over_one(&self.rounds, |value| value.1)
    }

    /// The same two of the other build.
    pub(crate) fn others(&self) -> [Option<Ratio>; 2] {
        [two_over_one(&self.other, |value| value.0), two_over_one(&self.other, |value| value.1)]
    }

    /// Both shards busy, ours over the other build: statements a second, and CPU time for one.
    pub(crate) fn over_other(&self) -> [Option<Ratio>; 2] {
        let both = |of: fn(&(f64, f64)) -> f64| {
            let pairs = self.rounds.iter().zip(&self.other).map(|([_, ours], [_, other])| (of(ours), of(other)));
            ratio::paired(&pairs.collect::<Vec<_>>())
        };
        [both(|value| value.0), both(|value| value.1)]
    }
}

fn two_over_one(rounds: &[Round], of: fn(&(f64, f64)) -> f64) -> Option<Ratio> {
    ratio::paired(&rounds.iter().map(|[one, two]| (of(two), of(one))).collect::<Vec<_>>())
}

/// A service with a worker for each of its two shards.
struct Pair<'a> {
    name: &'static str,
    pid: u32,
    workers: [&'a mut Worker; 2],
    slices: [Slice; 2],
}

/// Nothing where no service is there, or one CPU alone.
pub(crate) fn run(options: &Options, stand: &mut Stand, dice: &mut Dice) -> Result<Option<Shards>, String> {
    let mut seconds: Vec<_> = stand.seconds.iter_mut().collect();
    let mut pairs = Vec::new();
    for target in &mut stand.targets {
        if let Some(at) = seconds.iter().position(|(name, _)| *name == target.name) {
            pairs.push(Pair::new(options, target, &mut seconds.swap_remove(at).1));
        }
    }
    let (first, last) = options.cpus;
    if pairs.is_empty() || first == last {
        return Ok(None);
    }
    let mut shards = Shards::default();
    for round in 0..=options.rounds {
        dice.shuffle(&mut pairs);
        for pair in &mut pairs {
            let found = pair.round(dice)?;
            match pair.name {
                _ if round == 0 => {}
                US => shards.rounds.push(found),
                _ => shards.other.push(found),
            }
        }
    }
    for Pair { workers, slices, .. } in pairs {
        for (worker, slice) in workers.into_iter().zip(slices) {
            worker.slice(&Slice { work: Work::Close, ..slice })?;
        }
    }
    Ok(Some(shards))
}

impl<'a> Pair<'a> {
    fn new(options: &Options, target: &'a mut Target, second: &'a mut Worker) -> Pair<'a> {
        let (near, far) = (target.place(Backend::Near).clone(), target.place(Backend::Far).clone());
        Pair {
            name: target.name,
            pid: near.pid.unwrap_or(0),
            slices: [slice(options, &near, options.cpus.0), slice(options, &far, options.cpus.1)],
            workers: [&mut target.worker, second],
        }
    }

    fn round(&mut self, dice: &mut Dice) -> Result<Round, String> {
        let (mut alone, mut both) = (Vec::new(), (0.0, 0.0));
        let mut order = [vec![0], vec![1], vec![0, 1]];
        dice.shuffle(&mut order);
        for busy in &order {
            let before = cpu::nanos(self.pid);
            for &which in busy {
                self.workers[which].begin(&self.slices[which])?;
            }
            let outcomes = busy.iter().map(|&which| self.workers[which].end()).collect::<Result<Vec<Outcome>, _>>()?;
            let found = figures(&outcomes, cpu::nanos(self.pid) - before);
            if busy.len() == 1 { alone.push(found) } else { both = found }
        }
        let mean = |of: fn(&(f64, f64)) -> f64| alone.iter().map(of).sum::<f64>() / alone.len().max(1) as f64;
        Ok([(mean(|value| value.0), mean(|value| value.1)), both])
    }
}

fn slice(options: &Options, place: &Place, cpu: u32) -> Slice {
    Slice {
        work: Work::Prepared,
        sealed: false,
        port: place.port,
        dbname: place.dbname.clone(),
        connections: CONNECTIONS,
        millis: options.millis,
        cpus: Cpus::Kept(cpu, cpu),
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
        let rounds = vec![[(100.0, 10.0), (190.0, 10.4)]; 3];
        let other = vec![[(100.0, 10.0), (152.0, 13.0)]; 3];
        let shards = Shards { rounds, other };
        let median = |ratio: Option<Ratio>| ratio.unwrap().median;
        assert_eq!((median(shards.rate()), median(shards.cpu())), (1.9, 1.04));
        assert_eq!(shards.others().map(median), [1.52, 1.3]);
        assert_eq!(shards.over_other().map(median), [1.25, 0.8]);
    }
}
