//! What an agent received of a statement: how its record is packed, and read again.
//!
//! The bytes of a result are the database's, so they might be made to read like a frame: in the remains of an unfinished record such a one would
//! pass for a later record. Every frame has zero bytes; what is kept has none (COBS: Cheshire and Baker, 1999).

use pan::MaskedBytes;

use crate::decode::{Fields, number, record_id};
use crate::encode::ActorPart;
use crate::field;
use crate::id::RecordId;

/// Why there are no bytes, or fewer.
pub mod why {
    /// Nothing was masked, or the statement was shown clear values.
    pub const CLEAR: &str = "clear values were shown: what was received is nobody's to keep";
    /// Neither the record nor the thread that packs had room for it.
    pub const NO_ROOM: &str = "there was no room for it";
    /// The first bytes are kept: results that were being recorded took all the memory that a shard has for them.
    pub const NO_MEMORY: &str = "there was no memory for more of it";
}

/// How the bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// They are as they were.
    Plain,
    /// zstd (RFC 8878).
    Zstd,
}

/// What an agent received of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Who.
    pub actor: &'a ActorPart,
    /// The statement's decision.
    pub decision: RecordId,
    /// The bytes that are kept, and those bytes packed; `None`: none are.
    pub kept: Option<(&'a MaskedBytes, Option<&'a [u8]>)>,
    /// How.
    pub packing: Packing,
    /// When they left.
    pub timing: &'a Timing,
    /// So many bytes were received beyond those.
    pub left_off: u64,
    /// Their BLAKE3.
    pub hash: Option<Hashed<'a>>,
    /// Cards that only the strict scan found in what is kept.
    pub starred: u32,
    /// Why nothing is kept, or less than usual.
    pub cause: Option<&'static str>,
    /// The session's own count.
    pub number: u64,
}

/// The BLAKE3 of bytes that are not kept.
#[derive(Clone, Copy, Debug)]
pub enum Hashed<'a> {
    /// Of all of them.
    All(&'a [u8; 32]),
    /// In two parts: the second had gone by before it was clear that the first is not kept either.
    Parts {
        /// Bytes of the first part.
        first_bytes: u64,
        /// Its hash.
        first: &'a [u8; 32],
        /// The hash of what is behind it.
        behind: &'a [u8; 32],
    },
}

/// When pieces of a result left: pairs of microseconds since the one before and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    pairs: Vec<(u64, u64)>,
    last_ns: u64,
}

impl Timing {
    /// So many bytes leave now. Within a millisecond, and where `max` bytes would not hold more, they are of the pair before.
    pub fn add(&mut self, now_ns: u64, bytes: u64, max: usize) {
        const PAIR_MAX: usize = 20;
        let is_full = (self.pairs.len() + 1) * PAIR_MAX > max;
        match self.pairs.last_mut() {
            Some((_, last)) if is_full || now_ns.saturating_sub(self.last_ns) < 1_000_000 => *last += bytes,
            _ => {
                // The first is made relative when the statement is known.
                let since_us = if self.pairs.is_empty() { 0 } else { now_ns.saturating_sub(self.last_ns) / 1_000 };
                if self.pairs.is_empty() || since_us > 0 {
                    self.pairs.push((since_us, bytes));
                }
                self.last_ns = now_ns;
                self.first_ns_if_first(now_ns);
            }
        }
    }

    fn first_ns_if_first(&mut self, now_ns: u64) {
        if let [(first, _)] = self.pairs.as_mut_slice() {
            *first = now_ns / 1_000;
        }
    }

    /// The statement began then.
    pub fn since(&mut self, started_ns: u64) {
        if let Some((first, _)) = self.pairs.first_mut() {
            *first = first.saturating_sub(started_ns / 1_000);
        }
    }

    /// Empties it; memory stays.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.last_ns = 0;
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (us, bytes) in &self.pairs {
            leb(out, us + 1);
            leb(out, bytes + 1);
        }
    }
}

/// LEB128 of what is not 0: no byte of it is.
fn leb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The pairs of a timing, in order: microseconds since the one before, and bytes. `None`: it is none.
pub fn timing(mut bytes: &[u8]) -> Option<Vec<(u64, u64)>> {
    let mut pairs = Vec::new();
    while !bytes.is_empty() {
        let mut take = || {
            let mut value = 0_u64;
            for shift in (0..63).step_by(7) {
                let (byte, rest) = bytes.split_first()?;
                bytes = rest;
                value |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    return value.checked_sub(1);
                }
            }
            None
        };
        let us = take()?;
        pairs.push((us, take()?));
    }
    Some(pairs)
}

/// Bytes without a zero, COBS without its closing one.
pub(crate) fn without_zeros(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let run = rest.iter().take(254).position(|byte| *byte == 0);
        match run {
            Some(length) => {
                out.push(length as u8 + 1);
                out.extend_from_slice(rest.get(..length).unwrap_or_default());
                rest = rest.get(length + 1..).unwrap_or_default();
            }
            None if rest.len() >= 254 => {
                out.push(255);
                out.extend_from_slice(rest.get(..254).unwrap_or_default());
                rest = rest.get(254..).unwrap_or_default();
            }
            None => {
                out.push(rest.len() as u8 + 1);
                out.extend_from_slice(rest);
                return;
            }
        }
    }
}

/// How many bytes [`without_zeros`] makes of so many, at most.
pub(crate) const fn without_zeros_max(length: usize) -> usize {
    length + length / 254 + 1
}

/// The bytes again; `None`: they are none of [`without_zeros`].
pub fn with_zeros(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((code, rest)) = bytes.split_first() {
        let (run, behind) = rest.split_at_checked(usize::from(*code).checked_sub(1)?)?;
        if run.contains(&0) {
            return None;
        }
        out.extend_from_slice(run);
        if *code != 255 && !behind.is_empty() {
            out.push(0);
        }
        bytes = behind;
    }
    Some(out)
}

/// A result as its record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The statement's decision.
    pub decision: Option<RecordId>,
    /// The bytes, still packed; `None`: none are kept.
    pub packed: Option<Vec<u8>>,
    /// They are packed with zstd.
    pub is_zstd: bool,
    /// How many they are when they are unpacked.
    pub length: u64,
    /// When they left, as [`timing`] says.
    pub timing: Vec<(u64, u64)>,
    /// Bytes beyond.
    pub left_off: u64,
}

/// Reads a result's record; `None`: it is damaged.
pub fn read(payload: &[u8]) -> Option<Kept> {
    let mut kept = Kept::default();
    for one in Fields::of(payload) {
        let (number_of, value) = one.ok()?;
        match number_of {
            field::DECISION => kept.decision = record_id(value),
            field::RESULT => kept.packed = Some(with_zeros(value)?),
            field::PACKING => kept.is_zstd = number(value)? == 1,
            field::RESULT_BYTES => kept.length = number(value)?,
            field::TIMING => kept.timing = timing(value)?,
            field::LEFT_OFF => kept.left_off = number(value)?,
            _ => {}
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_zero_is_left_and_every_byte_comes_back() {
        let mut cases: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0, 0], vec![1], vec![1, 0], vec![0, 1]];
        for length in [252, 253, 254, 255, 256, 508, 509, 1000] {
            cases.push(vec![7; length]);
            cases.push([vec![7; length], vec![0]].concat());
            cases.push([vec![7; length], vec![0], vec![9; length]].concat());
            cases.push((0..length).map(|at| (at % 5) as u8).collect());
        }
        for case in cases {
            let mut out = Vec::new();
            without_zeros(&case, &mut out);
            assert!(!out.contains(&0) && out.len() <= without_zeros_max(case.len()), "{}", case.len());
            assert_eq!(with_zeros(&out).as_deref(), Some(&case[..]), "{}", case.len());
        }
        assert_eq!(with_zeros(&[0]), None);
        assert_eq!(with_zeros(&[5, 1]), None);
        assert_eq!(with_zeros(&[3, 1, 0]), None);
    }

    #[test]
    fn times_come_back() {
        let mut timing_of = Timing::default();
        const MS: u64 = 1_000_000;
        timing_of.add(10 * MS, 100, 512);
        timing_of.add(10 * MS + 5, 20, 512);
        timing_of.add(15 * MS, 7, 512);
        timing_of.since(9 * MS);
        let mut out = Vec::new();
        timing_of.encode(&mut out);
        assert!(!out.contains(&0));
        assert_eq!(timing(&out), Some(vec![(1_000, 120), (5_000, 7)]));
        assert_eq!(timing(&[0x80]), None);
        assert_eq!(timing(&[1]), None);
        assert_eq!(timing(&[0, 1]), None);
    }

    #[test]
    fn times_have_a_bound() {
        let mut timing_of = Timing::default();
        (0..10_000).for_each(|at| timing_of.add(at * 2_000_000, 1, 512));
        let mut out = Vec::new();
        timing_of.encode(&mut out);
        assert!(out.len() <= 512);
        assert_eq!(timing(&out).unwrap().iter().map(|(_, bytes)| bytes).sum::<u64>(), 10_000);
    }
}
