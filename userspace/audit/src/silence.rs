//! Silence as evidence: each checkpoint says within which time the next one comes, so a stretch without one shows that the service
//! did not run, or that its host stood still, and from when to when. A service that stops in order promises nothing more.

use std::fmt;

use crate::decode;
use crate::segment::Frame;
use crate::show;

/// A stretch in which a checkpoint was due and none came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The record of the last checkpoint before it.
    pub after_seq: u64,
    /// Its time, nanoseconds since 1970 UTC.
    pub from_ns: u64,
    /// Of the next one.
    pub until_ns: u64,
    /// How long it was, by the clock that says more.
    pub length_ns: u64,
}

/// What a whole record says of silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silences {
    /// Oldest first.
    pub all: Vec<Silence>,
    /// By when the next checkpoint was promised, nanoseconds since 1970; `None`: none is due, or none was ever promised.
    pub due_ns: Option<u64>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (show::time(self.from_ns), show::time(self.until_ns));
        let seconds = self.length_ns / 1_000_000_000;
        write!(f, "{} to {}, {seconds} s", from.get(..19).unwrap_or(&from), until.get(..19).unwrap_or(&until))
    }
}

/// The checkpoints of the node's series so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    last: Option<Beat>,
}

/// One checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    boot_id: [u8; 16],
    seq: u64,
    mono_ns: u64,
    wall_ns: u64,
    /// What it promises; `None`: nothing.
    within_ns: Option<u64>,
}

impl Beat {
    /// Of a checkpoint's record.
    pub(crate) fn of(boot_id: &[u8; 16], frame: &Frame<'_>) -> Beat {
        let within_s = decode::next_within_s(frame.payload()).filter(|seconds| *seconds > 0);
        Beat {
            boot_id: *boot_id,
            seq: frame.seq,
            mono_ns: frame.stamp.mono_ns,
            wall_ns: frame.stamp.wall_ns,
            within_ns: within_s.map(|seconds| seconds.saturating_mul(1_000_000_000)),
        }
    }
}

impl Pulse {
    /// The next checkpoint; the silence before it, if there was one.
    pub(crate) fn beat(&mut self, beat: Beat) -> Option<Silence> {
        let before = self.last.replace(beat)?;
        // The monotonic clock begins anew at each boot; the wall clock may have been set.
        let mono_ns = if before.boot_id == beat.boot_id { beat.mono_ns.saturating_sub(before.mono_ns) } else { 0 };
        let length_ns = mono_ns.max(beat.wall_ns.saturating_sub(before.wall_ns));
        let silence = Silence { after_seq: before.seq, from_ns: before.wall_ns, until_ns: beat.wall_ns, length_ns };
        (length_ns > before.within_ns?).then_some(silence)
    }

    /// By when the next one is due, nanoseconds since 1970.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        let last = self.last?;
        Some(last.wall_ns.saturating_add(last.within_ns?))
    }
}
