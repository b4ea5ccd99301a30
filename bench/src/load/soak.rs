//! A soak: mixed load for a while through us, no error, flat memory, flat descriptors.

use std::time::{Duration, Instant};

use crate::answers::Flow;
use crate::cpu;
use crate::load::measure;
use crate::load::options::Options;
use crate::load::targets::{Backend, Stand, US};
use crate::slice::{Slice, Work};

/// How long each kind of work is done at a time, and how many idle sessions lie beside it.
const SLICE_MS: u32 = 2000;
const IDLE: u32 = 500;
/// What memory may have grown by from the first quarter of the run to the last: what is not a leak but a longer history.
const GROWTH: f64 = 1.05;
const GROWTH_KIB: u64 = 2048;
/// Turns before the first sample: caches fill, and every shard has met all kinds of work.
const WARM: usize = 2;

/// What a turn of all kinds of work left behind, with no connection open.
#[derive(Debug, Clone, Copy)]
struct Sample {
    anon_kib: u64,
    descriptors: usize,
}

/// The kinds of work; the last word of each is how many connections.
fn works() -> Vec<(Backend, Work, u32)> {
    let (near, far, postgres) = (Backend::Near, Backend::Far, Backend::Postgres);
    vec![
        (near, Work::Simple, 8),
        (near, Work::Connect, 8),
        (near, Work::Prepared, 64),
        (near, Work::Stall, 1),
        (near, Work::Extended, 4),
        (far, Work::Bulk(Flow::Rows), 2),
        (far, Work::Bulk(Flow::Cards), 2),
        (far, Work::Beside, 4),
        (near, Work::Idle, IDLE),
        (near, Work::IdleBulk, IDLE),
        (postgres, Work::Tpcb, 8),
        (postgres, Work::Open(500), 8),
        (postgres, Work::Copy, 1),
        (postgres, Work::CopyIn, 2),
        (postgres, Work::Connect, 2),
    ]
}

/// For so many minutes; an error is an answer that is wrong or missing, or growth.
pub(crate) fn run(options: &Options, stand: &mut Stand, minutes: u32) -> Result<(), String> {
    let us = stand.targets.iter_mut().find(|target| target.name == US).ok_or("a soak needs a service")?;
    let end = Instant::now() + Duration::from_secs(60 * u64::from(minutes));
    let pid = us.place(Backend::Near).pid.unwrap_or(0);
    let (mut samples, mut operations, mut bytes) = (Vec::new(), 0, 0);
    while Instant::now() < end || samples.len() <= WARM + 4 {
        for (backend, work, connections) in works() {
            let place = us.place(backend).clone();
            let slice = Slice {
                work,
                sealed: false,
                port: place.port,
                dbname: place.dbname,
                connections,
                millis: SLICE_MS,
                cpus: measure::cpus(backend, options),
            };
            let outcome = us.worker.slice(&slice).map_err(|error| format!("soak: {slice}: {error}"))?;
            operations += outcome.latencies.len();
            bytes += outcome.bytes;
        }
        us.close(Backend::Near)?;
        let sample = settled(pid);
        println!(
            "  {operations} operations, {:.1} GB, no error; {} KiB of memory, {} descriptors",
            bytes as f64 / 1e9,
            sample.anon_kib,
            sample.descriptors
        );
        samples.push(sample);
    }
    flat(&samples)
}

/// What is left once the sessions that were closed are over: the least of a moment, because their ends are recorded first.
fn settled(pid: u32) -> Sample {
    const TRIES: u32 = 50;
    let sample = || Sample { anon_kib: cpu::resident_kib(pid, "RssAnon:"), descriptors: cpu::descriptors(pid) };
    let mut least = sample();
    for _ in 0..TRIES {
        std::thread::sleep(Duration::from_millis(20));
        let now = sample();
        least = Sample { anon_kib: now.anon_kib, descriptors: least.descriptors.min(now.descriptors) };
    }
    least
}

/// The last quarter of the turns against the first, after those that warm up.
fn flat(samples: &[Sample]) -> Result<(), String> {
    let samples = samples.get(WARM..).unwrap_or_default();
    let quarter = (samples.len() / 4).max(1);
    let (Some(first), Some(last)) = (samples.get(..quarter), samples.get(samples.len().saturating_sub(quarter)..))
    else {
        return Err("a soak that was too short to say anything".into());
    };
    let most = |part: &[Sample]| part.iter().map(|sample| sample.anon_kib).max().unwrap_or(0);
    let held = |part: &[Sample]| part.iter().map(|sample| sample.descriptors).min().unwrap_or(0);
    let (kib, now) = (most(first), most(last));
    if now > kib + GROWTH_KIB && now as f64 > kib as f64 * GROWTH {
        return Err(format!("memory grew from {kib} KiB to {now} KiB"));
    }
    if held(last) > held(first) {
        return Err(format!("descriptors grew from {} to {}", held(first), held(last)));
    }
    println!("  flat: memory {kib} KiB at first, {now} KiB at last; descriptors {} and {}", held(first), held(last));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(values: &[(u64, usize)]) -> Result<(), String> {
        let warm = [(1, 500), (900_000, 500)];
        let sample = |&(anon_kib, descriptors): &(u64, usize)| Sample { anon_kib, descriptors };
        flat(&warm.iter().chain(values).map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn growth_is_an_error_and_a_ripple_is_not() {
        assert_eq!(run_of(&[(90_000, 40), (93_000, 41), (89_000, 40), (91_000, 40)]), Ok(()));
        let leak = [(90_000, 40), (92_000, 40), (95_000, 40), (99_000, 40)];
        assert!(run_of(&leak).is_err_and(|why| why.contains("memory grew")));
        assert!(run_of(&[(90_000, 40), (90_000, 40), (90_000, 42)]).is_err_and(|why| why.contains("descriptors")));
        assert!(flat(&[]).is_err());
    }
}
