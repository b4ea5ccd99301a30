//! One record's frame: `len u32 | type u8 | flags u8 | ver u16 | seq u64 | mono_ns u64 | wall_ns u64 | session u64 | crc32c u32`,
//! all little endian, then the payload and zeros to the next multiple of 8. `len` counts from the frame's start to the payload's
//! end; the checksum covers the first 40 bytes and the payload. `seq` is never 0, so zeros are no frame.
use super::append::Stamp;
use super::word;
use crate::PAYLOAD_MAX;

/// The length of a frame without its payload.
pub const HEADER_LEN: usize = 44;
const CRC_AT: usize = 40;
/// Of the frame and its payload.
pub(crate) const VERSION: u16 = 1;

/// A record as it stands in a segment.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The type byte, see [`crate::RecordType`].
    pub kind: u8,
    /// Its number.
    pub seq: u64,
    /// The session that it belongs to; 0: none.
    pub session: u64,
    /// Both clocks.
    pub stamp: Stamp,
    /// Header and payload, as they are hashed.
    pub(crate) record: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The encoded fields.
    pub fn payload(&self) -> &'a [u8] {
        self.record.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The frame that these bytes are, without padding and with nothing behind it.
    pub(crate) fn whole(record: &'a [u8]) -> Option<Frame<'a>> {
        match next_without_padding(record, 0) {
            Next::Frame(frame) if frame.record.len() == record.len() => Some(frame),
            _ => None,
        }
    }

    /// Header and payload: what is a leaf of the series' tree.
    pub fn bytes(&self) -> &'a [u8] {
        self.record
    }

    /// Its bytes in the segment, padding included.
    pub fn room(&self) -> usize {
        room(self.record.len() - HEADER_LEN)
    }
}

/// What stands at a place of a segment.
pub(crate) enum Next<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// A zero length word, or no room for a frame: the end of what was written.
    End,
    /// Neither: why.
    Bad(&'static str),
}

/// The bytes that a payload of this length takes in a segment.
pub(crate) fn room(payload: usize) -> usize {
    (HEADER_LEN + payload).next_multiple_of(8)
}

/// Header and payload of the frame at `at`, one that this program has stored or checked; nothing but its length is read.
pub(crate) fn stored(segment: &[u8], at: usize) -> Option<&[u8]> {
    let len = word(segment, at).map(u32::from_le_bytes)? as usize;
    segment.get(at..at + len).filter(|_| len >= HEADER_LEN)
}

/// Reads what stands at `at`.
pub(crate) fn next(segment: &[u8], at: usize) -> Next<'_> {
    match next_without_padding(segment, at) {
        Next::Frame(frame) => {
            let len = frame.record.len();
            let padding = segment.get(at + len..at + len.next_multiple_of(8));
            match padding {
                Some(zeros) if zeros.iter().all(|b| *b == 0) => Next::Frame(frame),
                _ => Next::Bad("its padding is not zero"),
            }
        }
        other => other,
    }
}

fn next_without_padding(segment: &[u8], at: usize) -> Next<'_> {
    let Some(len) = word(segment, at).map(u32::from_le_bytes) else { return Next::End };
    if len == 0 {
        return Next::End;
    }
    let len = len as usize;
    if len > HEADER_LEN + PAYLOAD_MAX {
        return Next::Bad("its length is more than a record may have");
    }
    let Some(bytes) = segment.get(at..at + len.max(HEADER_LEN)) else {
        return Next::Bad("its length runs over the segment's end");
    };
    let Some(head) = bytes.first_chunk::<HEADER_LEN>() else { return Next::End };
    if len < HEADER_LEN {
        return Next::Bad("its length is less than a record has");
    }
    let payload = bytes.get(HEADER_LEN..).unwrap_or_default();
    let crc = crc32c::crc32c_append(crc32c::crc32c(head.get(..CRC_AT).unwrap_or_default()), payload);
    if word(head, CRC_AT) != Some(crc.to_le_bytes()) {
        return Next::Bad("its checksum does not match");
    }
    let long = |at| word(head, at).map_or(0, u64::from_le_bytes);
    let frame = Frame {
        kind: head[4],
        seq: long(8),
        session: long(32),
        stamp: Stamp { mono_ns: long(16), wall_ns: long(24) },
        record: bytes,
    };
    match (head[5], u16::from_le_bytes([head[6], head[7]]), frame.seq) {
        (0, VERSION, 1..) => Next::Frame(frame),
        (_, VERSION, 0) => Next::Bad("its number is 0"),
        (_, VERSION, _) => Next::Bad("it has flags that no writer sets"),
        _ => Next::Bad("its version is one that this program does not know"),
    }
}

/// The first 44 bytes of a frame, where a checksum reads them a word at a time.
#[repr(align(8))]
pub(crate) struct Head(pub(crate) [u8; HEADER_LEN]);

/// The first 44 bytes of a frame.
pub(crate) fn header(kind: u8, seq: u64, stamp: Stamp, session: u64, payload: &[u8]) -> Head {
    let mut whole = Head([0; HEADER_LEN]);
    let head = &mut whole.0;
    // A payload is at most PAYLOAD_MAX, far below 4 GiB.
    head[0..4].copy_from_slice(&((HEADER_LEN + payload.len()) as u32).to_le_bytes());
    head[4] = kind;
    head[6..8].copy_from_slice(&VERSION.to_le_bytes());
    head[8..16].copy_from_slice(&seq.to_le_bytes());
    head[16..24].copy_from_slice(&stamp.mono_ns.to_le_bytes());
    head[24..32].copy_from_slice(&stamp.wall_ns.to_le_bytes());
    head[32..40].copy_from_slice(&session.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..CRC_AT]), payload);
    head[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    whole
}
