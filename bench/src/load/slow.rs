//! A slow reader: an agent asks for 100 MB and reads nothing. What of it lies in our memory, and what its neighbours on the shard feel.

use crate::cpu;
use crate::dice::Dice;
use crate::load::measure;
use crate::load::options::Options;
use crate::load::targets::{Backend, Stand, US};
use crate::ratio::{self, Ratio};
use crate::slice::{Slice, Work};

/// Rounds of a median of the neighbours beside it and without it, and the most that it took.
pub(crate) struct Slow {
    /// p50 in microseconds: without a slow reader, beside one.
    pub(crate) rounds: Vec<[f64; 2]>,
    /// KiB of private memory that the service grew by while it stalled, the most of all rounds.
    pub(crate) kib: f64,
}

impl Slow {
    /// The neighbours' p50 beside it over that without it.
    pub(crate) fn neighbours(&self) -> Option<Ratio> {
        ratio::paired(&self.rounds.iter().map(|[without, beside]| (*beside, *without)).collect::<Vec<_>>())
    }
}

/// Nothing where no service is there.
pub(crate) fn run(options: &Options, stand: &mut Stand, dice: &mut Dice) -> Result<Option<Slow>, String> {
    let Some(us) = stand.targets.iter_mut().find(|target| target.name == US) else { return Ok(None) };
    let place = us.place(Backend::Near).clone();
    let pid = place.pid.unwrap_or(0);
    let slice = Slice {
        work: Work::Prepared,
        sealed: false,
        port: place.port,
        dbname: place.dbname,
        connections: 1,
        millis: options.millis,
        cpus: measure::cpus(Backend::Near, options),
    };
    let (mut found, mut order) = (Slow { rounds: Vec::new(), kib: 0.0 }, [false, true]);
    for round in 0..=options.rounds {
        dice.shuffle(&mut order);
        let mut p50 = [0.0; 2];
        for beside in order {
            // The neighbour is there before, so that its own memory is not counted.
            us.worker.slice(&slice)?;
            let before = cpu::resident_kib(pid, "RssAnon:");
            if beside {
                us.worker.slice(&Slice { work: Work::Stall, ..slice.clone() })?;
            }
            p50[usize::from(beside)] = us.worker.slice(&slice)?.quantile(0.5);
            if beside && round > 0 {
                let grown = cpu::resident_kib(pid, "RssAnon:").saturating_sub(before);
                found.kib = found.kib.max(grown as f64);
            }
            us.worker.slice(&Slice { work: Work::Close, ..slice.clone() })?;
        }
        if round > 0 {
            found.rounds.push(p50);
        }
    }
    Ok(Some(found))
}
