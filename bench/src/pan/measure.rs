//! Rounds over one class at one size: every variant once a round, in a shuffled order, in one process.
//!
//! A user's bytes lie anywhere, and so does the stack. Where the two lie to each other, to a cache line and to a page, can matter (decisions/0171);
//! one placement for a whole run is an accident. So each round has a placement of its own, the same one for all variants, and the median is over them.
//!
//! A scan masks in place, so it would find nothing the second time. Where a class holds cards, the buffer is copied from the original before
//! every scan, outside of the timed part; that also leaves a small buffer in the cache, as memcpy finds it. Where a scan changes nothing there
//! is nothing to restore, and the passes of a round are timed in one go.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::pan::classes::{ABSENT, Class, Goal, Scan};
use crate::pan::engines::Measured;
use crate::pan::rivals::Rival;
use crate::ratio::{Ratio, paired};

/// One way over the bytes.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    Memcpy,
    Memchr,
    Pan(Measured),
    /// What that backend cannot leave out.
    Bound(Measured),
    Rival(&'a Rival),
}

impl Way<'_> {
    fn name(&self) -> &'static str {
        match self {
            Way::Memcpy => "memcpy",
            Way::Memchr => "memchr",
            Way::Pan(measured) => measured.name,
            Way::Bound(measured) => match measured.name {
                "avx512" => "avx512 bound",
                "avx2" => "avx2 bound",
                _ => "bound",
            },
            Way::Rival(rival) => rival.name,
        }
    }
}

/// How long a run is.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// 0: 64 KiB, 1: 64 MiB.
    pub(crate) column: usize,
    pub(crate) size: usize,
    pub(crate) rounds: usize,
    /// What is a hundred times slower runs only in every so many rounds.
    pub(crate) rivals_every: usize,
    /// The fastest of so many slices counts for a round: what the machine does meanwhile only ever slows one down.
    pub(crate) takes: usize,
    /// Passes of one slice together last about this long.
    pub(crate) slice: Duration,
}

/// What one variant did over one class.
pub(crate) struct Row {
    pub(crate) way: &'static str,
    /// One of our backends.
    pub(crate) ours: bool,
    /// GB/s.
    pub(crate) rate: Ratio,
    pub(crate) of_memcpy: Ratio,
    pub(crate) of_memchr: Ratio,
    /// Against the first backend in the list.
    pub(crate) of_first: Ratio,
    pub(crate) goal: Goal,
}

/// Whether a goal is reached, judged by the whole interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    Inconclusive,
    NoGoal,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Inconclusive => "inconclusive",
            Verdict::NoGoal => "",
        }
    }

    fn of(measured: Ratio, goal: f64) -> Verdict {
        if measured.low >= goal {
            Verdict::Met
        } else if measured.high < goal {
            Verdict::Missed
        } else {
            Verdict::Inconclusive
        }
    }
}

impl Row {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.goal {
            Goal::OfMemcpy(goal) => Verdict::of(self.of_memcpy, goal),
            Goal::Rate(goal) => Verdict::of(self.rate, goal),
            Goal::None => Verdict::NoGoal,
        }
    }
}

/// How much of the first backend's goal the second best has to reach.
const SECOND: f64 = 0.8;

/// Measures a class; one row a variant, in the order of `ways`.
pub(crate) fn class(class: &Class, plan: Plan, ways: &[Way<'_>], dice: &mut Dice) -> Vec<Row> {
    let mut stand = Stand::new(class, plan, ways);
    let passes: Vec<usize> = ways.iter().map(|way| stand.passes(*way)).collect();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    for round in 0..plan.rounds {
        stand.place(dice.below(PAGE), dice.below(PAGE));
        let depth = dice.below(PAGE / FRAME);
        let mut order: Vec<usize> = (0..ways.len()).collect();
        dice.shuffle(&mut order);
        for at in order {
            let skipped = matches!(ways[at], Way::Rival(_)) && round % plan.rivals_every != 0;
            let takes = if skipped { 0 } else { plan.takes };
            let mut took = None;
            deeper(depth, &mut || took = (0..takes).filter_map(|_| stand.run(ways[at], passes[at])).min());
            rates[at].push(took.map_or(0.0, |took| (plan.size * passes[at]) as f64 / took.as_nanos().max(1) as f64));
        }
    }
    rows(class, plan, ways, &rates)
}

fn rows(class: &Class, plan: Plan, ways: &[Way<'_>], rates: &[Vec<f64>]) -> Vec<Row> {
    let find = |wanted: fn(&Way<'_>) -> bool| ways.iter().position(wanted).map_or(&[][..], |at| &rates[at]);
    let memcpy = find(|way| matches!(way, Way::Memcpy));
    let memchr = find(|way| matches!(way, Way::Memchr));
    let first = find(|way| matches!(way, Way::Pan(_)));
    let mut backends = 0;
    let mut rows = Vec::new();
    for (way, own) in ways.iter().zip(rates) {
        // A round in which this variant did not run has no pair.
        let against = |other: &[f64]| {
            let pairs: Vec<(f64, f64)> =
                own.iter().zip(other).filter(|(rate, _)| **rate > 0.0).map(|(ours, theirs)| (*ours, *theirs)).collect();
            paired(&pairs).unwrap_or(Ratio { median: 0.0, low: 0.0, high: 0.0 })
        };
        let ours = matches!(way, Way::Pan(_));
        backends += usize::from(ours);
        rows.push(Row {
            way: way.name(),
            ours,
            rate: against(&vec![1.0; own.len()]),
            of_memcpy: against(memcpy),
            of_memchr: against(memchr),
            of_first: against(first),
            goal: if ours { goal(class.goals[plan.column], backends, way.name()) } else { Goal::None },
        });
    }
    rows
}

/// The first backend has the goal itself, AVX2 behind it 0.8 of it, the portable one none.
fn goal(goal: Goal, place: usize, name: &str) -> Goal {
    match goal {
        _ if place == 1 => goal,
        Goal::OfMemcpy(goal) if name == "avx2" => Goal::OfMemcpy(goal * SECOND),
        Goal::Rate(goal) if name == "avx2" => Goal::Rate(goal * SECOND),
        Goal::OfMemcpy(_) | Goal::Rate(_) | Goal::None => Goal::None,
    }
}

/// Placements differ within a page: so far apart two addresses are told apart by what they hit.
const PAGE: usize = 4096;
/// So much of the stack one step deeper takes, at least.
const FRAME: usize = 64;

/// Does `work` so many frames further down the stack.
#[inline(never)]
fn deeper(frames: usize, work: &mut dyn FnMut()) {
    let frame = black_box([0_u8; FRAME]);
    match frames.checked_sub(1) {
        Some(rest) => deeper(rest, work),
        None => work(),
    }
    black_box(&frame);
}

/// Bytes somewhere in a page and the ones behind it.
struct Placed {
    room: Vec<u8>,
    at: usize,
    size: usize,
}

impl Placed {
    fn new(bytes: &[u8]) -> Placed {
        let mut room = bytes.to_vec();
        room.resize(bytes.len() + PAGE, 0);
        Placed { room, at: 0, size: bytes.len() }
    }

    fn place(&mut self, at: usize) {
        self.room.copy_within(self.at..self.at + self.size, at);
        self.at = at;
    }

    fn bytes(&self) -> &[u8] {
        &self.room[self.at..self.at + self.size]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.at..self.at + self.size]
    }
}

/// The bytes of a class, and the buffer that the scans write to.
struct Stand<'a> {
    class: &'a Class,
    plan: Plan,
    original: Placed,
    buffer: Placed,
    /// A scan writes to it, so it has to be restored.
    changes: bool,
}

impl Stand<'_> {
    fn new<'a>(class: &'a Class, plan: Plan, ways: &[Way<'_>]) -> Stand<'a> {
        let original = class.bytes(plan.size);
        let mut buffer = original.clone();
        for way in ways {
            match way {
                Way::Pan(measured) => {
                    measured.scan(class.scan, &mut buffer);
                }
                Way::Rival(rival) => rival.load(&original),
                Way::Memcpy | Way::Memchr | Way::Bound(_) => {}
            }
        }
        // The bound masks what is no card.
        let changes = buffer != original || ways.iter().any(|way| matches!(way, Way::Bound(_)));
        let (original, buffer) = (Placed::new(&original), Placed::new(&original));
        Stand { class, plan, original, buffer, changes }
    }

    /// Puts the bytes and the buffer so far behind the beginning of a page.
    fn place(&mut self, original: usize, buffer: usize) {
        self.original.place(original);
        self.buffer.place(buffer);
    }

    /// How many passes make a slice.
    fn passes(&mut self, way: Way<'_>) -> usize {
        self.run(way, 1);
        let one = self.run(way, 1).unwrap_or_default().max(Duration::from_nanos(100));
        (self.plan.slice.as_nanos() / one.as_nanos()).clamp(1, 10_000) as usize
    }

    fn run(&mut self, way: Way<'_>, passes: usize) -> Option<Duration> {
        let (original, buffer) = (self.original.bytes(), self.buffer.bytes_mut());
        match way {
            Way::Memcpy => Some(timed(passes, || {
                black_box(&mut *buffer).copy_from_slice(black_box(original));
            })),
            Way::Memchr => Some(timed(passes, || {
                black_box(memchr::memchr(ABSENT, black_box(original)));
            })),
            Way::Rival(rival) => rival.time(original, passes),
            Way::Pan(measured) => Some(self.scan(passes, |scan, bytes| measured.scan(scan, bytes) as usize)),
            Way::Bound(measured) => Some(self.scan(passes, |scan, bytes| measured.bound(scan, bytes))),
        }
    }

    fn scan(&mut self, passes: usize, one: impl Fn(Scan, &mut [u8]) -> usize) -> Duration {
        let (scan, original, buffer) = (self.class.scan, self.original.bytes(), self.buffer.bytes_mut());
        if !self.changes {
            return timed(passes, || {
                black_box(one(scan, black_box(&mut *buffer)));
            });
        }
        let mut took = Duration::ZERO;
        for _ in 0..passes {
            buffer.copy_from_slice(original);
            took += timed(1, || {
                black_box(one(scan, black_box(&mut *buffer)));
            });
        }
        buffer.copy_from_slice(original);
        took
    }
}

fn timed(passes: usize, mut pass: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..passes {
        pass();
    }
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        let measured = |low, high| Ratio { median: (low + high) / 2.0, low, high };
        assert_eq!(Verdict::of(measured(0.9, 1.1), 0.9), Verdict::Met);
        assert_eq!(Verdict::of(measured(0.8, 1.1), 0.9), Verdict::Inconclusive);
        assert_eq!(Verdict::of(measured(0.8, 0.89), 0.9), Verdict::Missed);
    }

    #[test]
    fn bytes_are_the_same_wherever_they_are_placed() {
        let mut placed = Placed::new(b"the same");
        for at in [0, 1, 63, PAGE - 1, 5] {
            placed.place(at);
            assert_eq!((placed.bytes(), placed.at), (b"the same".as_slice(), at));
        }
        let mut done = 0;
        deeper(3, &mut || done += 1);
        assert_eq!(done, 1);
    }

    #[test]
    fn goals_of_the_backends() {
        assert_eq!(goal(Goal::OfMemcpy(0.5), 1, "avx512"), Goal::OfMemcpy(0.5));
        assert_eq!(goal(Goal::OfMemcpy(0.5), 2, "avx2"), Goal::OfMemcpy(0.4));
        assert_eq!(goal(Goal::OfMemcpy(0.5), 3, "portable"), Goal::None);
    }
}
