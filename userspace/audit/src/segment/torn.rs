//! What follows the whole records of a segment: what a kill or a power cut leaves, or what was done to the file.
//!
//! A kill leaves one frame without its length word. A power cut leaves each sector that no fsync had covered as it was before or as it
//! was stored, in any order: so a record may be gone and whole ones stand behind it. Two things tell that from damage. A lost
//! sector is all zero, since the file was before. And closing records say up to which record all was on disk by then: what one
//! behind the bad place says was on disk, no power cut has taken.

use super::frame::{self, Frame, HEADER_LEN as FRAME_LEN, Next};
use super::header::HEADER_LEN;
use super::recover::{Recovered, last_used};
use super::word;
use crate::PAYLOAD_MAX;
use crate::decode;
use crate::record_type::RecordType;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// Bytes that follow the last valid record.
pub(crate) struct Damage {
    /// The next valid record behind the bad place, where no power cut leaves it there.
    pub(crate) next_seq: Option<u64>,
    /// No kill and no power cut leaves such bytes.
    pub(crate) no_tear: Option<&'static str>,
}

/// What follows the valid prefix; `None`: zeros.
pub(crate) fn damage(segment: &[u8], found: &Recovered, why: &'static str) -> Option<Damage> {
    if found.used <= found.end {
        return None;
    }
    let due = found.next_seq.saturating_add(1);
    let mut behind = Behind { due, begins: None, ends: found.end, in_order: true, durable_seq: 0 };
    whole_frames(segment, found.end, found.used).for_each(|(at, frame)| behind.add(at, &frame));
    let Some((at, seq)) = behind.begins else {
        return Some(Damage { next_seq: None, no_tear: no_tear(segment, found, found.used, why) });
    };
    // A whole frame in the place of the next one is another record, or stands behind a seal: it was not lost.
    let is_lost = at > found.end && behind.in_order && behind.durable_seq < found.next_seq;
    let rest = found.used.saturating_sub(behind.ends);
    let by_crash = is_lost && rest <= FRAME_LEN + PAYLOAD_MAX && no_tear(segment, found, at, why).is_none();
    Some(Damage { next_seq: (!by_crash).then_some(seq), no_tear: None })
}

/// The whole frames behind the bad place.
struct Behind {
    /// The next one's number is not below.
    due: u64,
    /// Where the first is, and its number.
    begins: Option<(usize, u64)>,
    ends: usize,
    in_order: bool,
    durable_seq: u64,
}

impl Behind {
    fn add(&mut self, at: usize, frame: &Frame<'_>) {
        self.in_order &= frame.seq >= self.due;
        self.due = frame.seq.saturating_add(1);
        self.begins.get_or_insert((at, frame.seq));
        self.ends = at + frame.room();
        self.durable_seq = self.durable_seq.max(told(frame));
    }
}

/// Why no crash leaves the bad place so; whatever stands from `until` on is another record's.
fn no_tear(segment: &[u8], found: &Recovered, until: usize, why: &'static str) -> Option<&'static str> {
    if found.sealed {
        return Some("bytes follow the segment's seal");
    }
    if until == found.used && found.used - found.end > FRAME_LEN + PAYLOAD_MAX {
        return Some("bytes stand where nothing was written");
    }
    let len = word(segment, found.end).map_or(0, u32::from_le_bytes) as usize;
    // Where nothing whole follows, its length word alone says where it ends.
    let end = if until == found.used { segment.len() } else { until };
    let lost = len == 0 || is_sector_lost(segment, found.end, (found.end + len).min(end));
    (!lost).then_some(why)
}

/// Whether all that one sector has of these bytes is zero.
fn is_sector_lost(segment: &[u8], from: usize, to: usize) -> bool {
    let mut sector = from;
    while sector < to {
        let next = ((sector / SECTOR + 1) * SECTOR).min(to);
        if segment.get(sector..next).is_some_and(|bytes| bytes.iter().all(|b| *b == 0)) {
            return true;
        }
        sector = next;
    }
    false
}

/// Whether a power cut leaves a header so: it is not whole, and one of the sectors that it fills is all zero. Of a segment
/// that is not blank: that one was never begun.
pub fn is_unfinished_header(segment: &[u8]) -> bool {
    let Some(header) = segment.get(..HEADER_LEN) else { return false };
    let is_blank = |sector: usize| header.chunks(SECTOR).nth(sector).is_some_and(|bytes| bytes.iter().all(|b| *b == 0));
    // The tree of the records before has a hash for each one in their number; behind it only the checksum is not zero.
    let before = word(header, 24).map_or(0, u64::from_le_bytes).saturating_sub(1);
    let filled = (192 + 32 * before.count_ones() as usize).div_ceil(SECTOR);
    (0..filled).chain([HEADER_LEN / SECTOR - 1]).any(is_blank)
}

/// Up to which record the whole records of a segment say that all was on disk when they were written. Its header need not be readable.
pub fn durable_seq(segment: &[u8]) -> u64 {
    whole_frames(segment, HEADER_LEN, last_used(segment)).map(|(_, frame)| told(&frame)).max().unwrap_or(0)
}

fn told(frame: &Frame<'_>) -> u64 {
    let closes = RecordType::of(frame.kind).is_some_and(RecordType::closes_batch);
    if closes { decode::durable_seq(frame.payload()).unwrap_or(0) } else { 0 }
}

/// The whole frames from `from` to `to`, whatever stands between them.
fn whole_frames(segment: &[u8], from: usize, to: usize) -> impl Iterator<Item = (usize, Frame<'_>)> {
    let mut next = from;
    std::iter::from_fn(move || {
        while next < to {
            let at = next;
            match frame::next(segment, at) {
                Next::Frame(frame) => {
                    next += frame.room();
                    return Some((at, frame));
                }
                Next::End | Next::Bad(_) => next += 8,
            }
        }
        None
    })
}
