//! One segment by itself: all that can be said of it without its neighbours.

use std::io::ErrorKind;

use super::results::Results;
use super::{Anchor, Finding, Options, Why};
use crate::chain::Growing;
use crate::record_type::RecordType;
use crate::removal::Tombstone;
use crate::segment::{
    Corrupt, Header, HeaderFault, NODE_SHARD, Recovered, SERVICE_SHARD, damage, frames, last_used, scan,
};
use crate::silence::Beat;

/// Examines segments; shared by as many threads as there are.
pub struct Alone {
    anchors: Vec<Anchor>,
}

/// What one segment came to.
pub struct Examined {
    pub(super) file: String,
    pub(super) seen: Seen,
}

pub(super) enum Seen {
    Unreadable(ErrorKind),
    /// Made in advance and never begun.
    Blank,
    NoHeader(HeaderFault),
    Segment(Box<Segment>),
}

pub(super) struct Segment {
    pub(super) header: Header,
    /// Or where it was tampered with.
    pub(super) body: Result<Body, Finding>,
}

pub(super) struct Body {
    pub(super) found: Recovered,
    /// An unfinished record at its end.
    pub(super) torn: Option<Finding>,
    /// The checkpoints in it.
    pub(super) beats: Vec<Beat>,
    pub(super) tombstones: Vec<Tombstone>,
    pub(super) results: Results,
    /// An anchor among its records that is another record.
    pub(super) unmet: Option<Anchor>,
}

impl Examined {
    /// The file could not be read.
    pub fn unreadable(file: String, why: ErrorKind) -> Examined {
        Examined { file, seen: Seen::Unreadable(why) }
    }
}

impl Alone {
    /// Held against these.
    pub fn new(options: &Options<'_>) -> Alone {
        Alone { anchors: sorted(options.anchors) }
    }

    /// All that the bytes of one file say. Hashes every record: here the time goes.
    pub fn examine(&self, file: String, bytes: &[u8]) -> Examined {
        let seen = match Header::read(bytes) {
            Ok(header) => {
                let body = self.body(&file, &header, bytes);
                Seen::Segment(Box::new(Segment { header, body }))
            }
            // A power cut may leave one that was being made with fewer bytes than a header has.
            Err(HeaderFault::Blank | HeaderFault::Short) if last_used(bytes) == 0 => Seen::Blank,
            Err(fault) => Seen::NoHeader(fault),
        };
        Examined { file, seen }
    }

    fn body(&self, file: &str, header: &Header, bytes: &[u8]) -> Result<Body, Finding> {
        let shard = header.shard;
        let finding = |offset: usize, seq: u64, why: Why| Finding {
            file: file.to_owned(),
            offset: offset as u64,
            shard,
            seq,
            why,
        };
        let (size, first_seq) = (header.size, header.first_seq());
        let mut results = Results::default();
        let mut due = Due::from(&self.anchors, shard, first_seq);
        let (found, why) = match scan(bytes, header.clone(), |tree, frame| {
            due.meet(tree);
            results.see(shard, frame);
        }) {
            Ok(found) => found,
            Err((Corrupt::Root { offset, seq }, rooted)) => {
                return Err(finding(offset, seq, Why::Batch { first_seq: rooted + 1 }));
            }
            Err(_) => return Err(finding(0, first_seq, Why::Header(HeaderFault::Range))),
        };
        let (end, seq) = (found.end, found.next_seq);
        if size != bytes.len() as u64 {
            return Err(finding(end.min(bytes.len()), seq, Why::Size));
        }
        let torn = match damage(bytes, &found, why) {
            None => None,
            Some(damage) if damage.next_seq.is_some() => return Err(finding(end, seq, Why::Hole(why))),
            Some(damage) => match damage.no_tear {
                Some(why) => return Err(finding(end, seq, Why::Record(why))),
                None => Some(finding(end, seq, Why::Torn)),
            },
        };
        let whole = bytes.get(..end).unwrap_or_default();
        let of = |wanted: u16, kind: RecordType| {
            let read = if shard == wanted { whole } else { &[] };
            frames(read).filter(move |frame| frame.kind == kind.code())
        };
        let boot_id = &header.identity.boot_id;
        let beats = of(NODE_SHARD, RecordType::Checkpoint).map(|frame| Beat::of(boot_id, &frame)).collect();
        let told = of(SERVICE_SHARD, RecordType::Tombstone);
        let tombstones = told.filter_map(|frame| Tombstone::read(frame.payload())).collect();
        Ok(Body { found, torn, beats, tombstones, results, unmet: due.unmet })
    }
}

/// By shard and number.
pub(super) fn sorted(anchors: &[Anchor]) -> Vec<Anchor> {
    let mut sorted = anchors.to_vec();
    sorted.sort_unstable_by_key(|anchor| (anchor.shard, anchor.seq));
    sorted
}

/// The anchors of one series from a record on.
struct Due<'a> {
    next: &'a [Anchor],
    shard: u16,
    unmet: Option<Anchor>,
}

impl<'a> Due<'a> {
    fn from(anchors: &'a [Anchor], shard: u16, seq: u64) -> Due<'a> {
        let at = anchors.partition_point(|anchor| (anchor.shard, anchor.seq) < (shard, seq));
        Due { next: anchors.get(at..).unwrap_or_default(), shard, unmet: None }
    }

    /// A record has come that makes the tree so large.
    fn meet(&mut self, tree: &mut Growing<'_>) {
        while let Some((anchor, rest)) = self.next.split_first() {
            if (anchor.shard, anchor.seq) != (self.shard, tree.size()) {
                return;
            }
            if anchor.root.is_some_and(|root| root != tree.tree().root()) {
                self.unmet.get_or_insert(*anchor);
            }
            self.next = rest;
        }
    }
}
