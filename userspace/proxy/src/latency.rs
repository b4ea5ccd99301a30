//! Where the time goes: one histogram per stage, written by the shard alone and read by anyone without a lock.
//!
//! The layout is that of an HDR histogram with 32 steps per power of two: a value is told to within 1/32. It has a fixed size, so
//! recording is two stores, and the histograms of several shards add up.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps per power of two, as a power of two.
const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;
/// Values from 2^36 ns (69 s) on count as that.
const VALUE_BITS: u32 = 36;
const BUCKETS: usize = STEPS * (VALUE_BITS - STEP_BITS + 1) as usize;

/// A part of the way of a statement, or of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the accepted connection to the first byte for its agent.
    FirstByte,
    /// From a chunk of the agent that the kernel handed over to its bytes handed on for the database: all that we add on the way in.
    ToDatabase,
    /// The same on the way back.
    ToAgent,
    /// Of that: parsing and the verdict.
    Judge,
    /// Of that: masking, and understanding the answers.
    Mask,
    /// From a call whose bytes wait for its records to the disk's answer.
    RecordWait,
    /// A statement from its verdict to its outcome, the database's time with it.
    Statement,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 7] = [
        Stage::FirstByte,
        Stage::ToDatabase,
        Stage::ToAgent,
        Stage::Judge,
        Stage::Mask,
        Stage::RecordWait,
        Stage::Statement,
    ];

    /// Its name in `status` and on the metrics page.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::FirstByte => "first-byte",
            Stage::ToDatabase => "to-database",
            Stage::ToAgent => "to-agent",
            Stage::Judge => "judge",
            Stage::Mask => "mask",
            Stage::RecordWait => "record-wait",
            Stage::Statement => "statement",
        }
    }
}

impl Stage {
    /// From where to where, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Stage::FirstByte => "connection accepted, to the first byte for its agent",
            Stage::ToDatabase => "bytes of an agent received, to handed on for the database",
            Stage::ToAgent => "bytes of a database received, to handed on for the agent",
            Stage::Judge => "of that way in: parsing and the verdict",
            Stage::Mask => "of that way back: masking, and understanding the answers",
            Stage::RecordWait => "waiting until the record is on disk",
            Stage::Statement => "a statement's verdict, to its outcome: the database with it",
        }
    }
}

/// One shard's histograms.
#[derive(Default)]
pub struct Latencies([Histogram; Stage::ALL.len()]);

struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Latencies")
    }
}

impl Latencies {
    /// One more value. Called by the shard alone, so a load and a store do.
    pub(crate) fn record(&self, stage: Stage, value_ns: u64) {
        let Histogram { counts, sum_ns, max_ns } = &self.0[stage as usize];
        let add = |to: &AtomicU64, count| to.store(to.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
        add(&counts[bucket(value_ns)], 1);
        add(sum_ns, value_ns);
        if value_ns > max_ns.load(Ordering::Relaxed) {
            max_ns.store(value_ns, Ordering::Relaxed);
        }
    }

    /// Adds what was recorded of a stage so far to a sum over shards.
    pub fn add_to(&self, stage: Stage, sum: &mut Spread) {
        let Histogram { counts, sum_ns, max_ns } = &self.0[stage as usize];
        for (to, from) in sum.counts.iter_mut().zip(counts) {
            *to += from.load(Ordering::Relaxed);
        }
        sum.sum_ns = sum.sum_ns.wrapping_add(sum_ns.load(Ordering::Relaxed));
        sum.max_ns = sum.max_ns.max(max_ns.load(Ordering::Relaxed));
    }
}

/// How the values of one stage spread, at one moment.
#[derive(Clone, Debug)]
pub struct Spread {
    counts: Vec<u64>,
    /// Of all values.
    pub sum_ns: u64,
    /// The largest value, to the nanosecond.
    pub max_ns: u64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread { counts: vec![0; BUCKETS], sum_ns: 0, max_ns: 0 }
    }
}

impl Spread {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value that this share of all values (0.99, say) does not exceed; 0 where there is none.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return last_of(index).min(self.max_ns);
            }
        }
        0
    }

    /// How many values are below 2^`power` nanoseconds, exactly: steps begin at each power of two.
    pub fn below(&self, power: u32) -> u64 {
        let end = if power <= STEP_BITS { 1 << power } else { (power - STEP_BITS + 1) as usize * STEPS };
        self.counts.iter().take(end).sum()
    }
}

/// Where a value is counted: by itself up to 2^5, then by its highest bit and the five behind it.
fn bucket(value_ns: u64) -> usize {
    let value_ns = value_ns.min((1 << VALUE_BITS) - 1);
    let shift = (u64::BITS - value_ns.leading_zeros()).saturating_sub(STEP_BITS + 1);
    shift as usize * STEPS + (value_ns >> shift) as usize
}

/// The largest value that is counted there.
fn last_of(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1) as u32;
    let step = (bucket - shift as usize * STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_within_a_thirty_second_of_itself() {
        let mut previous = 0;
        for power in 0..VALUE_BITS {
            for value in [1_u64 << power, (1 << power) + 1, (1 << power) * 3 / 2, (2 << power) - 1] {
                let value = value.min((1 << VALUE_BITS) - 1);
                let (at, last) = (bucket(value), last_of(bucket(value)));
                assert!(last >= value && last - value <= value / 32, "{value} is counted as {last}");
                assert!(at < BUCKETS && (value < previous || bucket(value) >= bucket(previous)));
                previous = value;
            }
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn quantiles_of_two_shards_are_those_of_all_values() {
        let (one, other) = (Latencies::default(), Latencies::default());
        for value in 1..=900 {
            one.record(Stage::Judge, value * 1000);
        }
        for value in 901..=1000 {
            other.record(Stage::Judge, value * 1000);
        }
        let mut sum = Spread::default();
        one.add_to(Stage::Judge, &mut sum);
        other.add_to(Stage::Judge, &mut sum);
        assert_eq!((sum.count(), sum.max_ns, sum.sum_ns), (1000, 1_000_000, 500_500_000));
        for (share, exact) in [(0.5, 500_000), (0.99, 990_000), (0.999, 999_000)] {
            let found = sum.quantile(share);
            assert!(found >= exact && found - exact <= exact / 32, "{share}: {found}");
        }
        assert_eq!((sum.below(10), sum.below(20), sum.below(14)), (1, 1000, 16));
        assert_eq!(Spread::default().quantile(0.5), 0);
    }
}
