//! After a kill or a power cut: where the valid records end, and whether what follows is unfinished or damaged.
use std::fmt;

use super::frame::{self, Next};
use super::header::{HEADER_LEN, Header, HeaderFault, Previous};
use super::torn::{Damage, damage};
use crate::chain::{Growing, Hash, Tree};
use crate::decode::RootFields;
use crate::record_type::RecordType;

/// The valid prefix of a segment, enough to go on writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The segment's header.
    pub header: Header,
    /// How many whole records it has.
    pub records: u64,
    /// The number that the next record gets.
    pub next_seq: u64,
    /// Where the next record goes.
    pub end: usize,
    /// Up to here bytes are not zero: `used > end` is an unfinished record, or what a power cut left of several.
    pub used: usize,
    /// Bytes of segments behind this one that a power cut left without what they continue. They are gone; the record that says that
    /// writing went on tells of them too.
    pub given_up: usize,
    /// The last record is an orderly stop, and nothing unfinished follows.
    pub stopped: bool,
    /// The segment is sealed: writing goes on in the next one.
    pub sealed: bool,
    /// How many records the last root covers.
    pub(crate) rooted: u64,
    /// The tree of all its records and those before.
    pub tree: Tree,
}

impl Recovered {
    /// What the next segment's header says of this one; `None` where it is not sealed: resume it and seal it first.
    pub fn previous(&self) -> Option<Previous> {
        self.sealed.then_some(Previous { number: self.header.number(), used: self.end as u64, tree: self.tree.clone() })
    }
}

/// The segment is damaged before its end: whoever starts on it must say that the loss is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The header.
    Header(HeaderFault),
    /// The file's size is not the header's.
    Size,
    /// A record is bad and a valid one follows, and no power cut leaves it so.
    Hole {
        /// Where the bad record is.
        offset: usize,
        /// The number that it should have.
        seq: u64,
        /// What is wrong with it.
        why: &'static str,
        /// The number of the next valid one.
        next_seq: u64,
        /// The end before the hole, for a writer that was told to accept the loss.
        before: Box<Recovered>,
    },
    /// Records that were on disk are gone: one that follows says so.
    Lost {
        /// The first of them.
        seq: u64,
        /// Up to here they were on disk.
        durable_seq: u64,
    },
    /// It does not continue the segment before it, which is whole.
    Continuation,
    /// A root does not cover the records before it.
    Root {
        /// Where its record is.
        offset: usize,
        /// Its number.
        seq: u64,
    },
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corrupt::Header(fault) => fault.fmt(f),
            Corrupt::Size => f.write_str("the file's size is not the one that its header says"),
            Corrupt::Hole { offset, seq, why, next_seq, .. } => {
                write!(f, "record {seq} at byte {offset} is damaged ({why}) and record {next_seq} follows")
            }
            Corrupt::Lost { seq, durable_seq } => {
                write!(f, "record {seq} is gone, and the records up to {durable_seq} were on disk")
            }
            Corrupt::Continuation => f.write_str("it does not continue the segment before it"),
            Corrupt::Root { offset, seq } => {
                write!(f, "record {seq} at byte {offset}: the root does not fit the records before it")
            }
        }
    }
}

impl std::error::Error for Corrupt {}

/// Reads a segment from its header to the end of its valid records, and hashes each, so that writing goes on with the same tree.
pub fn recover(segment: &[u8]) -> Result<Recovered, Corrupt> {
    let header = Header::read(segment).map_err(Corrupt::Header)?;
    if header.size != segment.len() as u64 {
        return Err(Corrupt::Size);
    }
    let (found, why) = scan(segment, header, |_, _| {}).map_err(|(corrupt, _)| corrupt)?;
    match damage(segment, &found, why) {
        Some(Damage { next_seq: Some(next_seq), .. }) => {
            let (offset, seq) = (found.end, found.next_seq);
            Err(Corrupt::Hole { offset, seq, why, next_seq, before: Box::new(found) })
        }
        _ => Ok(found),
    }
}

/// The valid prefix, and why it ends. `visit` sees each record and the tree with it. An error comes with how many records the last root
/// covers that does fit.
pub(crate) fn scan<'a>(
    segment: &'a [u8],
    header: Header,
    mut visit: impl FnMut(&mut Growing<'a>, &frame::Frame<'_>),
) -> Result<(Recovered, &'static str), (Corrupt, u64)> {
    let begun = header.hash();
    let mut found = Recovered {
        records: 0,
        next_seq: header.first_seq(),
        end: HEADER_LEN,
        used: last_used(segment),
        given_up: 0,
        stopped: false,
        sealed: false,
        rooted: header.previous.last_seq(),
        tree: Tree::EMPTY,
        header,
    };
    let mut tree = Growing::from(found.header.previous.tree.clone());
    let why = loop {
        match frame::next(segment, found.end) {
            Next::Frame(frame) if frame.seq != found.next_seq => break "its number is out of order",
            Next::Frame(_) if found.sealed => break "it follows the segment's seal",
            Next::Frame(frame) => {
                let misfit = Corrupt::Root { offset: found.end, seq: frame.seq };
                if found.accept(&frame, &begun, &mut tree).is_none() {
                    return Err((misfit, found.rooted));
                }
                tree.push(frame.record);
                visit(&mut tree, &frame);
            }
            Next::End => break "it is unfinished",
            Next::Bad(why) => break why,
        }
    };
    found.tree = tree.tree().clone();
    found.used = found.used.max(found.end);
    found.stopped &= found.used == found.end;
    Ok((found, why))
}

impl Recovered {
    /// Takes the next frame in, behind the records of `tree`; `None` where it is a root of others, or of another header.
    fn accept(&mut self, frame: &frame::Frame<'_>, begun: &Hash, tree: &mut Growing<'_>) -> Option<()> {
        let kind = RecordType::of(frame.kind);
        if kind.is_some_and(RecordType::closes_batch) {
            let said = RootFields::read(frame.payload())?;
            if (said.size, said.root, said.header) != (tree.size(), tree.tree().root(), *begun) {
                return None;
            }
            self.rooted = tree.size();
        }
        self.stopped = kind == Some(RecordType::Stop);
        self.sealed = kind == Some(RecordType::Seal);
        self.records += 1;
        self.next_seq += 1;
        self.end += frame.room();
        Some(())
    }
}

/// One behind the last byte that is not zero.
pub(crate) fn last_used(segment: &[u8]) -> usize {
    const PAGE: usize = 4096;
    let zeros = [0; PAGE];
    let blank = segment.rchunks(PAGE).take_while(|page| zeros.get(..page.len()) == Some(page)).map(<[u8]>::len).sum();
    let rest = segment.len().saturating_sub(blank);
    segment.get(..rest).and_then(|bytes| bytes.iter().rposition(|b| *b != 0)).map_or(0, |at| at + 1)
}
