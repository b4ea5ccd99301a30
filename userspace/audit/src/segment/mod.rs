//! One file of the record: a 4 KiB header, then frames, then zeros to its end. Its size never changes after it is made.
//!
//! Every store goes to a mapped file, so what is stored is out of the process at once and kill -9 loses nothing. A frame's
//! payload and header are stored first and its length word last: a kill in between leaves a zero length word, which ends the
//! valid prefix. (The order is a compiler fence and the CPU's own: a kill is a precise interrupt. Should it fail all the same,
//! the frame's checksum does not match, which ends the prefix too.) A power cut may lose any sector that no fsync has covered, and
//! keep later ones.
mod append;
mod frame;
mod header;
mod recover;
mod torn;

pub use append::{Appender, Refused, Stamp, Window};
pub use frame::{Frame, HEADER_LEN as FRAME_LEN};
pub use header::{HEADER_LEN, Header, HeaderFault, Identity, Previous};
pub use recover::{Corrupt, Recovered, recover};
pub(crate) use recover::{last_used, scan};
pub(crate) use torn::damage;
pub use torn::{durable_seq, is_unfinished_header};

/// The size of a segment unless configured otherwise.
pub const SEGMENT_LEN: usize = 64 << 20;
/// The smallest size that a segment may have: the header, the reserve, and some room.
pub const SEGMENT_LEN_MIN: usize = 16 << 10;
/// The largest: a reader holds one segment in memory.
pub const SEGMENT_LEN_MAX: usize = 1 << 30;
/// The shard number of the service's own series, where it keeps one beside the shards'.
pub const SERVICE_SHARD: u16 = u16::MAX;
/// The shard number of the node's own series: its records are the checkpoints, written by the service.
pub const NODE_SHARD: u16 = u16::MAX - 1;
/// Room that is kept at a segment's end for the records that close it, also after repeated crashes.
pub const RESERVE: usize = 4 << 10;

/// The whole records of a segment in order, up to the first place where there is none: for reading, not for judging.
pub fn frames(segment: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    frames_from(segment, HEADER_LEN).map(|(_, frame)| frame)
}

/// The same from the frame on that begins at this byte, each with the byte at which it begins.
pub fn frames_from(segment: &[u8], at: usize) -> impl Iterator<Item = (usize, Frame<'_>)> {
    let mut next = at;
    std::iter::from_fn(move || match frame::next(segment, next) {
        frame::Next::Frame(frame) => {
            let at = next;
            next += frame.room();
            Some((at, frame))
        }
        frame::Next::End | frame::Next::Bad(_) => None,
    })
}

/// The name of a segment's file: sorted by name, a directory is in the order that [`crate::verify`] wants.
pub fn file_name(shard: u16, number: u64) -> String {
    format!("{shard:05}-{number:010}.seg")
}

/// What a file's name says it is: shard and number; `None` where it is no segment's name.
pub fn parse_file_name(name: &str) -> Option<(u16, u64)> {
    let (shard, number) = name.strip_suffix(".seg")?.split_once('-')?;
    let (shard, number) = (shard.parse().ok()?, number.parse().ok()?);
    (file_name(shard, number) == name).then_some((shard, number))
}

/// A little-endian number at `at`; `None` beyond the end.
fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}
