//! What the disk alone takes: threads that compute, on the first CPU and the last, without and beside a thread that writes and syncs as often and as much
//! as a busy shard's record.
//!
//! None of our code stands in it: it shows what this host asks for being on disk within 10 ms, by the plainest way.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, Thread};
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::load::options::Options;
use crate::ratio::{self, Ratio};

/// Between one fsync and the next, as the journal waits where the disk is fast.
const EACH: Duration = Duration::from_millis(8);
/// What is synced: the records of some 22,000 statements a second.
const BYTES: usize = 64 << 10;
/// Written before, so that an fsync meets no new block.
const FILE: usize = 8 << 20;
/// After a change, before it is timed.
const SETTLED: Duration = Duration::from_millis(20);

/// What was found.
pub(crate) struct Fsyncs {
    /// A round: what was computed in a second beside the fsyncs, and without them.
    pub(crate) rounds: Vec<(f64, f64)>,
    pub(crate) per_second: f64,
    pub(crate) cpus: usize,
}

impl Fsyncs {
    /// What is left of the computing.
    pub(crate) fn kept(&self) -> Option<Ratio> {
        ratio::paired(&self.rounds)
    }

    /// Microseconds of a CPU that one takes, all in all.
    pub(crate) fn micros(&self) -> Option<Ratio> {
        let of = |kept: f64| (1.0 - kept) * self.cpus as f64 * 1e6 / self.per_second;
        self.kept().map(|kept| Ratio { median: of(kept.median), low: of(kept.high), high: of(kept.low) })
    }
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    syncing: AtomicBool,
    stop: AtomicBool,
    computed: AtomicU64,
    synced: AtomicU64,
}

/// The files, which are gone with this.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Measures.
pub(crate) fn run(options: &Options, dice: &mut Dice) -> Result<Fsyncs, String> {
    let mut cpus = vec![options.cpus.0, options.cpus.1];
    cpus.dedup();
    let name = |cpu: &u32| std::env::temp_dir().join(format!("interceptor-bench-{}-fsync-{cpu}", std::process::id()));
    let paths = Files(cpus.iter().map(name).collect());
    let files = paths.0.iter().map(written).collect::<Result<Vec<_>, _>>()?;
    let shared = Shared::default();
    Ok(std::thread::scope(|scope| {
        let each = cpus.iter().zip(&files).map(|(cpu, file)| start(scope, &shared, *cpu, file));
        let syncing: Vec<Thread> = each.collect();
        let found = rounds(options, dice, &shared, &syncing);
        shared.stop.store(true, Ordering::Relaxed);
        syncing.iter().for_each(Thread::unpark);
        Fsyncs { cpus: cpus.len(), ..found }
    }))
}

fn written(path: &PathBuf) -> Result<File, String> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let full = file.and_then(|file| file.write_all_at(&vec![0; FILE], 0).and_then(|()| file.sync_all()).map(|()| file));
    full.map_err(|error| format!("{}: {error}", path.display()))
}

/// The two threads of a CPU; the one that syncs waits to be unparked.
fn start<'scope>(scope: &'scope Scope<'scope, '_>, shared: &'scope Shared, cpu: u32, file: &'scope File) -> Thread {
    scope.spawn(move || {
        let _ = uring::pin_to(cpu);
        compute(shared);
    });
    let syncing = scope.spawn(move || {
        let _ = uring::pin_to(cpu);
        sync(shared, file);
    });
    syncing.thread().clone()
}

fn compute(shared: &Shared) {
    let (mut dice, mut memory) = (Dice(1), vec![0_u64; 4096]);
    while !shared.stop.load(Ordering::Relaxed) {
        for _ in 0..1000 {
            let at = dice.below(memory.len());
            memory[at] = memory[at].wrapping_add(dice.0);
        }
        shared.computed.fetch_add(1, Ordering::Relaxed);
    }
    std::hint::black_box(memory);
}

fn sync(shared: &Shared, file: &File) {
    let (bytes, mut at) = (vec![7; BYTES], 0);
    while !shared.stop.load(Ordering::Relaxed) {
        if !shared.syncing.load(Ordering::Relaxed) {
            std::thread::park();
            continue;
        }
        std::thread::sleep(EACH);
        if file.write_all_at(&bytes, at).and_then(|()| file.sync_data()).is_ok() {
            shared.synced.fetch_add(1, Ordering::Relaxed);
        }
        at = (at + BYTES as u64) % FILE as u64;
    }
}

fn rounds(options: &Options, dice: &mut Dice, shared: &Shared, syncing: &[Thread]) -> Fsyncs {
    let (mut found, mut order) = (Vec::new(), [false, true]);
    let (mut synced, mut seconds) = (0, 0.0);
    for _ in 0..options.rounds {
        dice.shuffle(&mut order);
        let mut rates = [0.0; 2];
        for on in order {
            shared.syncing.store(on, Ordering::Relaxed);
            syncing.iter().for_each(Thread::unpark);
            std::thread::sleep(SETTLED);
            let before = (shared.computed.load(Ordering::Relaxed), shared.synced.load(Ordering::Relaxed));
            let begin = Instant::now();
            std::thread::sleep(Duration::from_millis(options.millis.into()));
            let took = begin.elapsed().as_secs_f64();
            rates[usize::from(on)] = (shared.computed.load(Ordering::Relaxed) - before.0) as f64 / took;
            if on {
                synced += shared.synced.load(Ordering::Relaxed) - before.1;
                seconds += took;
            }
        }
        found.push((rates[1], rates[0]));
    }
    Fsyncs { rounds: found, per_second: synced as f64 / seconds, cpus: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_round_compute_and_only_one_syncs() {
        let mut options =
            Options::of(&["--postgres", "1", "--near", "2", "--far", "3", "micro"].map(String::from)).unwrap();
        (options.rounds, options.millis) = (2, 40);
        let found = run(&options, &mut Dice(1)).unwrap();
        assert_eq!(found.rounds.len(), 2);
        assert!(found.rounds.iter().all(|(beside, without)| *beside > 0.0 && *without > 0.0));
        assert!(found.per_second > 0.0);
        let kept = Fsyncs { rounds: vec![(97.0, 100.0); 3], per_second: 200.0, cpus: 2 };
        assert_eq!(kept.micros().unwrap().median.round(), 300.0);
        let left = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
        let ours = format!("interceptor-bench-{}-fsync-", std::process::id());
        assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours)).count(), 0);
    }
}
