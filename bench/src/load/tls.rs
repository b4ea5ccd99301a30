//! What TLS on both legs costs: CPU for a GB over the same bytes plain, beside what rustls alone costs for them.

use crate::answers::Flow;
use crate::cpu;
use crate::dice::Dice;
use crate::load::measure;
use crate::load::options::Options;
use crate::load::targets::{Backend, Stand, Target, US};
use crate::ratio::{self, Ratio};
use crate::sealed;
use crate::slice::{Slice, Work};

/// What was found.
pub(crate) struct Tls {
    /// CPU seconds for a GB: plain, under TLS on both legs, rustls alone; one triple a round.
    pub(crate) rounds: Vec<[f64; 3]>,
}

impl Tls {
    /// What TLS adds, over what rustls alone costs.
    pub(crate) fn ratio(&self) -> Option<Ratio> {
        let pairs: Vec<(f64, f64)> =
            self.rounds.iter().map(|[plain, sealed, alone]| (sealed - plain, *alone)).collect();
        ratio::paired(&pairs)
    }

    /// One of the three.
    pub(crate) fn value(&self, which: usize) -> Option<Ratio> {
        ratio::spread(&self.rounds.iter().map(|round| round[which]).collect::<Vec<_>>())
    }
}

/// Nothing where no service is there, or no stub under TLS.
pub(crate) fn run(options: &Options, stand: &mut Stand, dice: &mut Dice) -> Result<Option<Tls>, String> {
    if options.sealed == 0 {
        return Ok(None);
    }
    let Some(us) = stand.targets.iter_mut().find(|target| target.name == US) else { return Ok(None) };
    let mut rounds = Vec::new();
    let mut order = [0, 1, 2];
    for round in 0..=options.rounds {
        dice.shuffle(&mut order);
        let mut found = [0.0; 3];
        for which in order {
            found[which] = match which {
                2 => sealed::nanos_per_byte(&options.keys)?,
                _ => through(options, us, which == 1)?,
            };
        }
        if round > 0 {
            rounds.push(found);
        }
    }
    us.worker.slice(&Slice { work: Work::Close, ..slice(options, us, false) })?;
    Ok(Some(Tls { rounds }))
}

fn slice(options: &Options, us: &Target, sealed: bool) -> Slice {
    let place = us.place(Backend::Far);
    Slice {
        work: Work::Bulk(Flow::Rows),
        sealed,
        port: if sealed { options.sealed } else { place.port },
        dbname: place.dbname.clone(),
        connections: 1,
        millis: options.millis * 3,
        cpus: measure::cpus(Backend::Far, options),
    }
}

/// CPU nanoseconds of the service for a byte.
fn through(options: &Options, us: &mut Target, sealed: bool) -> Result<f64, String> {
    let slice = slice(options, us, sealed);
    let pid = us.place(Backend::Far).pid.unwrap_or(0);
    // The first answer is read message by message: it makes the connection, and is not timed.
    us.worker.slice(&Slice { millis: 1, ..slice.clone() })?;
    let before = cpu::nanos(pid);
    let outcome = us.worker.slice(&slice)?;
    Ok((cpu::nanos(pid) - before) as f64 / outcome.bytes.max(1) as f64)
}
