//! The search for the slowest input: a seeded hill-climb over genomes, by time per byte.
//!
//! A candidate is measured against the best one so far in turns, each by the fastest of its passes, so that what the machine does meanwhile
//! hits both. 128 KiB: more than a predictor learns, and in the second cache.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::pan::classes::Scan;
use crate::pan::engines::Measured;
use crate::pan::slowest::{Genome, KEPT_AT};

const SIZE: usize = 128 * 1024;
const TURNS: usize = 3;
/// What seemed slower is asked again in so many: of fifty thousand inputs some are slow by what the machine does alone, and a climb that goes on from
/// them goes down.
const AGAIN: usize = 9;
/// A neighbour has to be this much slower; less is noise.
const STEP: f64 = 1.01;
/// A climb that has not gained for so many neighbours starts again elsewhere.
const PATIENCE: usize = 400;

/// Searches, and keeps the winner where it is slower than the kept one.
pub(crate) fn run(measured: Measured, limit: Duration, seed: u64) -> Result<(), String> {
    let (start, mut dice) = (Instant::now(), Dice(seed | 1));
    let mut slowest = Input::of(Genome::kept());
    let mut current = slowest.clone();
    let (mut tried, mut climbs, mut idle) = (0_u64, 1_u64, 0);
    while start.elapsed() < limit {
        let next = Input::of(current.genome.mutated(&mut dice));
        tried += 1;
        if slower(measured, &next, &current) {
            (current, idle) = (next, 0);
            continue;
        }
        idle += 1;
        if idle > PATIENCE {
            if slower(measured, &current, &slowest) {
                slowest = current;
            }
            (current, idle, climbs) = (Input::of(Genome::random(&mut dice)), 0, climbs + 1);
        }
    }
    if slower(measured, &current, &slowest) {
        slowest = current;
    }
    let kept = Input::of(Genome::kept());
    let [kept_took, found_took] = fastest_passes(measured, [&kept, &slowest], 9);
    println!("  {tried} inputs in {climbs} climbs, seed {seed}, backend {}", measured.name);
    println!("  kept {:.2} GB/s, found {:.2} GB/s, at 128 KiB in cache", rate(kept_took), rate(found_took));
    if slowest.genome == kept.genome {
        println!("  nothing slower than {KEPT_AT}");
        return Ok(());
    }
    let head = "# The slowest input that a search has found, one kind of piece a line; made by `cargo xtask bench pan --search SECONDS`.";
    std::fs::write(KEPT_AT, format!("{head}\n{}", slowest.genome)).map_err(|error| format!("{KEPT_AT}: {error}"))?;
    println!("  written: {KEPT_AT}\n{}", slowest.genome);
    Ok(())
}

fn rate(took: Duration) -> f64 {
    SIZE as f64 / took.as_nanos().max(1) as f64
}

/// A genome and its bytes.
#[derive(Clone)]
struct Input {
    genome: Genome,
    bytes: Vec<u8>,
}

impl Input {
    fn of(genome: Genome) -> Input {
        Input { bytes: genome.express(&mut Dice(0x9e37_79b9_7f4a_7c15), SIZE), genome }
    }
}

fn slower(measured: Measured, candidate: &Input, than: &Input) -> bool {
    [TURNS, AGAIN].into_iter().all(|turns| {
        let [candidate, than] = fastest_passes(measured, [candidate, than], turns);
        candidate.as_nanos() as f64 > than.as_nanos() as f64 * STEP
    })
}

fn fastest_passes(measured: Measured, inputs: [&Input; 2], turns: usize) -> [Duration; 2] {
    let mut buffer = vec![0; SIZE];
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..turns {
        for (input, fastest) in inputs.iter().zip(&mut fastest) {
            buffer.copy_from_slice(&input.bytes);
            let start = Instant::now();
            black_box(measured.scan(Scan::Balanced, black_box(&mut buffer)));
            *fastest = start.elapsed().min(*fastest);
        }
    }
    fastest
}
