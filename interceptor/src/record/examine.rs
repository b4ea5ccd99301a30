//! Every segment, verified: some at a time on threads of their own, put together in order. Memory is that of a few segments.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use audit::segment::SEGMENT_LEN_MAX;
use audit::verify::{Alone, Examined, Options, Verdict, Verifier};

/// Segments that are in memory at a time have at most so many bytes, unless one alone has more.
const BYTES_AT_HAND: u64 = 256 << 20;
const THREADS_MAX: usize = 4;
/// Less is read faster than it can be looked at.
const SHOWN_FROM: u64 = 256 << 20;
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// The verdict on these segments, which are in order. Says how far it is on standard error, if that is a terminal.
pub(super) fn verdict(files: &[PathBuf], options: &Options<'_>) -> Verdict {
    let sizes: Vec<u64> = files.iter().map(|path| std::fs::metadata(path).map_or(0, |is| is.len())).collect();
    let largest = sizes.iter().max().copied().unwrap_or(0).max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS_MAX).min(usize::try_from(BYTES_AT_HAND / largest).unwrap_or(1)).max(1);
    let alone = Alone::new(options);
    let mut meter = Meter::new(sizes.iter().sum());
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads)
            .map(|lane| {
                let (send, receive) = sync_channel(1);
                let alone = &alone;
                scope.spawn(move || {
                    let mut bytes = Vec::new();
                    for path in files.iter().skip(lane).step_by(threads) {
                        if send.send(examine(alone, path, &mut bytes)).is_err() {
                            return; // The verdict is known.
                        }
                    }
                });
                receive
            })
            .collect();
        let mut verifier = Verifier::new(options);
        for (size, lane) in sizes.iter().zip(lanes.iter().cycle()) {
            let Ok(examined) = lane.recv() else { break };
            if let Err(verdict) = verifier.take(examined) {
                return verdict;
            }
            meter.add(*size, verifier.records());
        }
        verifier.end()
    })
}

/// One file, into memory that is used again.
fn examine(alone: &Alone, path: &Path, bytes: &mut Vec<u8>) -> Examined {
    bytes.clear();
    let file = path.display().to_string();
    let read = File::open(path).and_then(|file| file.take(SEGMENT_LEN_MAX as u64 + 1).read_to_end(bytes));
    match read {
        Ok(_) => alone.examine(file, bytes),
        Err(why) => Examined::unreadable(file, why.kind()),
    }
}

/// How far it is, in one line that is written over itself.
struct Meter {
    all: u64,
    done: u64,
    began: Instant,
    shown: Option<Instant>,
    is_shown: bool,
}

impl Meter {
    fn new(all: u64) -> Meter {
        let is_shown = all >= SHOWN_FROM && std::io::stderr().is_terminal();
        Meter { all, done: 0, began: Instant::now(), shown: None, is_shown }
    }

    fn add(&mut self, bytes: u64, records: u64) {
        self.done += bytes;
        let is_over = self.done >= self.all;
        if !self.is_shown || (!is_over && self.shown.is_some_and(|shown| shown.elapsed() < SHOWN_EVERY)) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = line(self.done, self.all, records, self.began.elapsed());
        eprint!("\r{line}{}", if is_over { "\n" } else { "" });
    }
}

fn line(done: u64, all: u64, records: u64, took: Duration) -> String {
    let (done_gb, all_gb) = (done as f64 / 1e9, all as f64 / 1e9);
    let rate = done_gb / took.as_secs_f64().max(1e-9);
    let left = ((all_gb - done_gb) / rate.max(1e-9)).ceil();
    let part = done as f64 / all.max(1) as f64;
    let bar = "#".repeat((part * 20.0) as usize);
    format!("[{bar:<20}] {records} records, {done_gb:.1} of {all_gb:.1} GB, {rate:.2} GB/s, {left:.0} s left   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long() {
        let said = line(1_000_000_000, 4_000_000_000, 2_500_000, Duration::from_secs(2));
        assert_eq!(said.trim_end(), "[#####               ] 2500000 records, 1.0 of 4.0 GB, 0.50 GB/s, 6 s left");
    }
}
