//! The start of a session: with a login of ours, over one whose agent logs in itself.
//!
//! What an agent pays for SCRAM is thousands of hashes at each login, with libpq and most drivers; a client that keeps the key pays them
//! once. Against the first `inject` has it easy, so the second is told too, and is the one that shows what we add.

use std::net::Ipv4Addr;

use super::Options;
use crate::dice::Dice;
use crate::load::targets::Worker;
use crate::load::verdict::{self, Bound, Verdict};
use crate::ratio::{self, Ratio};
use crate::slice::{Cpus, Outcome, Slice, Work};
use crate::worker::KEPT;

/// Starts of each way in a round, one at a time in shuffled order: what drifts is in all of them.
pub(super) const TURNS: u32 = 12;
/// A goal is missed above that.
const MOST: f64 = 1.2;
/// The role and its password, which an agent under `inject` does not send.
const USER: &str = "app";
const PASSWORD: &str = "bench";

/// The ways, by their places in a round's figures. `false`: not by an agent.
const WAYS: [(&str, bool, Ipv4Addr, &str); 5] = [
    ("direct, key kept", false, Ipv4Addr::LOCALHOST, KEPT),
    ("relay", true, Ipv4Addr::LOCALHOST, ""),
    ("relay, key kept", true, Ipv4Addr::LOCALHOST, KEPT),
    ("relay, key kept, again", true, Ipv4Addr::LOCALHOST, KEPT),
    ("inject (the agent is asked for nothing)", true, Ipv4Addr::new(127, 0, 0, 2), ""),
];
const RELAY: usize = 1;
const RELAY_KEPT: usize = 2;
const AGAIN: usize = 3;
const INJECT: usize = 4;

/// p50 in microseconds, by round and way.
pub(super) struct Starts {
    pub(super) rounds: u32,
    found: Vec<[f64; WAYS.len()]>,
}

impl Starts {
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, Ratio)> {
        WAYS.iter().enumerate().filter_map(|(at, (name, ..))| {
            let values: Vec<f64> = self.found.iter().map(|round| round[at]).collect();
            Some((*name, ratio::spread(&values)?))
        })
    }

    /// A way over itself.
    pub(super) fn pair(&self) -> Ratio {
        self.over(AGAIN, RELAY_KEPT)
    }

    /// What is asked of `inject`.
    pub(super) fn goals(&self) -> impl Iterator<Item = (&'static str, Ratio, Verdict)> {
        let of = [("over a client that keeps its key", RELAY_KEPT), ("over one that does not, as libpq", RELAY)];
        of.into_iter().map(|(name, theirs)| {
            let found = self.over(INJECT, theirs);
            (name, found, verdict::beside(Bound::Times(MOST), found, self.pair()))
        })
    }

    fn over(&self, ours: usize, theirs: usize) -> Ratio {
        let pairs: Vec<(f64, f64)> = self.found.iter().map(|round| (round[ours], round[theirs])).collect();
        ratio::paired(&pairs).unwrap_or(Ratio { median: f64::NAN, low: f64::NAN, high: f64::NAN })
    }
}

/// Each way has a worker of its own; in each round all of them in turns.
pub(super) fn measure(options: &Options) -> Result<Starts, String> {
    let agent = options.through.last().ok_or("four agents")?;
    let mut workers = Vec::new();
    for (_, through, host, kept) in WAYS {
        let mut worker = Worker::start(if through { &agent.words } else { &[] })?;
        worker.say(&format!("account\t{host}\t{USER}\t\t{PASSWORD}\t{kept}"))?;
        workers.push(worker);
    }
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    let mut order: [usize; WAYS.len()] = std::array::from_fn(|at| at);
    let mut found = Vec::new();
    for round in 0..=options.rounds {
        let mut outcomes: [Outcome; WAYS.len()] = std::array::from_fn(|_| Outcome::new());
        for _ in 0..TURNS {
            dice.shuffle(&mut order);
            for way in order {
                let worker = workers.get_mut(way).ok_or("a worker for each way")?;
                outcomes[way].after(&worker.slice(&start(options))?);
            }
        }
        if round > 0 {
            found.push(outcomes.map(|outcome| outcome.quantile(0.5)));
        }
    }
    Ok(Starts { rounds: options.rounds, found })
}

/// So short that one fills it.
fn start(options: &Options) -> Slice {
    Slice {
        work: Work::Connect,
        sealed: false,
        port: options.database,
        dbname: "bench".into(),
        connections: 1,
        millis: 1,
        cpus: Cpus::Any,
    }
}
