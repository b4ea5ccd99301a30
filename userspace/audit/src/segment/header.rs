//! The first 4 KiB of a segment: where it belongs, and what it continues.
use std::fmt;

use super::{SEGMENT_LEN_MAX, SEGMENT_LEN_MIN, word};
use crate::chain::{self, Hash, Tree};

/// The header's length.
pub const HEADER_LEN: usize = 4096;
const MAGIC: [u8; 8] = *b"ICPTREC\x01";
const VERSION: u16 = 2;
/// Where the frontier of the tree before stands: as many hashes as the number of records before has ones.
const FRONTIER_AT: usize = 192;
const CRC_AT: usize = HEADER_LEN - 4;

/// Whose record it is: the same for all segments of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// How many shards write beside each other: each must be there when the record is verified.
    pub shards: u16,
    /// The kernel's boot id: the monotonic clock's origin.
    pub boot_id: [u8; 16],
    /// The host's machine id.
    pub host_id: [u8; 16],
    /// SHA-256 of the configuration.
    pub config: Hash,
}

/// The end of the segment before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its number; 0: there is none.
    pub number: u64,
    /// Its used bytes, to the end of its last record.
    pub used: u64,
    /// The tree of all records of the series before this one, its seal's included.
    pub tree: Tree,
}

impl Previous {
    /// What the first segment of a series continues.
    pub const NONE: Previous = Previous { number: 0, used: 0, tree: Tree::EMPTY };

    /// The last record before; 0: there is none.
    pub fn last_seq(&self) -> u64 {
        self.tree.size()
    }
}

/// A segment's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The shard that writes it.
    pub shard: u16,
    /// Its size, header and zeros included.
    pub size: u64,
    /// What it continues. Its own number is one more, and so is its first record's.
    pub previous: Previous,
    /// Whose record it is.
    pub identity: Identity,
    /// When it was begun, by the monotonic clock.
    pub mono_ns: u64,
    /// When it was begun, by the wall clock.
    pub wall_ns: u64,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// Fewer bytes than a header has.
    Short,
    /// Nothing but zeros: it was made in advance and never begun.
    Blank,
    /// The magic is another file's.
    Magic,
    /// The checksum does not match.
    Checksum,
    /// It was written by a later version.
    Version(u16),
    /// A reserved byte is not zero, or a number is out of its range.
    Range,
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderFault::Short => f.write_str("it is shorter than a segment's header"),
            HeaderFault::Blank => f.write_str("its header was never written"),
            HeaderFault::Magic => f.write_str("it is no segment"),
            HeaderFault::Checksum => f.write_str("the header's checksum does not match"),
            HeaderFault::Version(version) => {
                write!(f, "its format is version {version}, which this program does not know")
            }
            HeaderFault::Range => f.write_str("the header holds what no writer writes"),
        }
    }
}

impl std::error::Error for HeaderFault {}

impl Header {
    /// Its own number, from 1.
    pub fn number(&self) -> u64 {
        self.previous.number.saturating_add(1)
    }

    /// The number of its first record.
    pub fn first_seq(&self) -> u64 {
        self.previous.last_seq().saturating_add(1)
    }

    /// The 4096 bytes on disk.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            if let Some(room) = bytes.get_mut(at..at + field.len()) {
                room.copy_from_slice(field);
            }
            at += field.len();
        };
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&self.shard.to_le_bytes());
        put(&self.identity.shards.to_le_bytes());
        put(&[0; 2]);
        for number in [self.number(), self.first_seq(), self.size, self.previous.used] {
            put(&number.to_le_bytes());
        }
        put(&if self.previous.number == 0 { [0; 32] } else { self.previous.tree.root() });
        put(&self.identity.boot_id);
        put(&self.identity.host_id);
        put(&self.identity.config);
        put(&[0; 32]);
        put(&self.mono_ns.to_le_bytes());
        put(&self.wall_ns.to_le_bytes());
        self.previous.tree.frontier().iter().for_each(|hash| put(hash));
        let crc = crc32c::crc32c(bytes.get(..CRC_AT).unwrap_or_default());
        if let Some(room) = bytes.get_mut(CRC_AT..) {
            room.copy_from_slice(&crc.to_le_bytes());
        }
        bytes
    }

    /// Reads a segment's header, and checks all that can be checked without its neighbours.
    pub fn read(segment: &[u8]) -> Result<Header, HeaderFault> {
        let bytes: &[u8; HEADER_LEN] = segment.first_chunk().ok_or(HeaderFault::Short)?;
        if bytes.iter().all(|b| *b == 0) {
            return Err(HeaderFault::Blank);
        }
        if word(bytes, 0) != Some(MAGIC) {
            return Err(HeaderFault::Magic);
        }
        let crc = crc32c::crc32c(bytes.get(..CRC_AT).unwrap_or_default());
        if word(bytes, CRC_AT) != Some(crc.to_le_bytes()) {
            return Err(HeaderFault::Checksum);
        }
        let header = Header::parse(bytes).ok_or(HeaderFault::Short)?;
        match u16::from_le_bytes([bytes[8], bytes[9]]) {
            VERSION if header.encode() == *bytes && header.in_range() => Ok(header),
            VERSION => Err(HeaderFault::Range),
            version => Err(HeaderFault::Version(version)),
        }
    }

    fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Header> {
        let long = |at| Some(u64::from_le_bytes(word(bytes, at)?));
        let short = |at| Some(u16::from_le_bytes(word(bytes, at)?));
        let size = long(24)?.wrapping_sub(1);
        let hash = |index| word(bytes, FRONTIER_AT + 32 * index);
        let frontier: Option<Vec<Hash>> = (0..size.count_ones() as usize).map(hash).collect();
        Some(Header {
            shard: short(10)?,
            size: long(32)?,
            previous: Previous {
                number: long(16)?.wrapping_sub(1),
                used: long(40)?,
                tree: Tree::resume(size, &frontier?)?,
            },
            identity: Identity {
                shards: short(12)?,
                boot_id: word(bytes, 80)?,
                host_id: word(bytes, 96)?,
                config: word(bytes, 112)?,
            },
            mono_ns: long(176)?,
            wall_ns: long(184)?,
        })
    }

    fn in_range(&self) -> bool {
        let first = self.previous.number == 0;
        (SEGMENT_LEN_MIN as u64..=SEGMENT_LEN_MAX as u64).contains(&self.size)
            && self.number() != 0
            && self.first_seq() != 0
            && first == (self.previous.used == 0)
            && first == (self.previous.last_seq() == 0)
    }

    /// What the records that close batches say of it.
    pub(crate) fn hash(&self) -> Hash {
        chain::header(&self.encode())
    }
}
