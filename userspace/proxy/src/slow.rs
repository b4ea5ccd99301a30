//! Statements that took long, told to whoever writes the log: a bounded queue that the shard never waits for.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use session::RecordId;

/// Slow statements that may wait to be logged; what is over is counted (`slow_untold`) and not told.
const WAITING_MAX: usize = 64;

/// A statement that took longer than the threshold, by the number of its record: no word of it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The session's number.
    pub session: u64,
    /// The record of its verdict.
    pub decision: RecordId,
    /// From its verdict to its outcome.
    pub duration_ns: u64,
    /// Where the session's time went since the last statement's end.
    pub spent: Spent,
}

/// What of a statement's time was ours. What is left is the database's, the network's and the agent's own reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Parsing and verdicts.
    pub judged_ns: u64,
    /// Masking, and understanding the answers.
    pub masked_ns: u64,
    /// Waiting for the record to be on disk.
    pub record_ns: u64,
}

/// The shard's end: what counts as slow, and where it is told.
#[derive(Debug)]
pub struct SlowLog {
    over_ns: u64,
    queue: SyncSender<Slow>,
}

/// A log of what takes `over` and longer (`None`: nothing), and where it can be read.
pub(crate) fn slow_log(over: Option<Duration>) -> (SlowLog, Receiver<Slow>) {
    let (queue, told) = sync_channel(WAITING_MAX);
    let over_ns = over.map_or(u64::MAX, |over| u64::try_from(over.as_nanos()).unwrap_or(u64::MAX));
    (SlowLog { over_ns, queue }, told)
}

impl SlowLog {
    pub(crate) fn is_slow(&self, duration_ns: u64) -> bool {
        duration_ns >= self.over_ns
    }

    /// False: too many wait, or nobody reads.
    pub(crate) fn tell(&self, slow: Slow) -> bool {
        self.queue.try_send(slow).is_ok()
    }
}
