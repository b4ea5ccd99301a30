//! Series that begin behind what was removed: each needs a tombstone in root's series, which comes last.

use super::{Finding, Missing, Why};
use crate::chain::Hash;
use crate::note::VerifierKey;
use crate::removal::Tombstone;
use crate::segment::Header;

/// What was removed of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The series.
    pub shard: u16,
    /// How many segments.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// The time of the last one, seconds since 1970 UTC.
    pub until_s: u64,
}

/// What was removed of a record, or never came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// By series.
    pub all: Vec<Gap>,
    /// Anchors that lie in it: they say nothing any more.
    pub beyond: u64,
    /// Results that were to follow; of a service that is running, some may come yet.
    pub missing: Missing,
}

#[derive(Default)]
pub(super) struct Begins {
    all: Vec<Begin>,
}

struct Begin {
    file: String,
    shard: u16,
    /// The number of the last removed segment.
    segment: u64,
    size: u64,
    root: Hash,
    told: Result<Gap, Why>,
}

impl Begins {
    pub(super) fn add(&mut self, file: &str, header: &Header) {
        let (file, shard, tree) = (file.to_owned(), header.shard, &header.previous.tree);
        let (size, root) = (tree.size(), tree.root());
        self.all.push(Begin { file, shard, segment: header.previous.number, size, root, told: Err(Why::NoTombstone) });
    }

    /// One that is good is enough: a removal that was interrupted is told of again.
    pub(super) fn meet(&mut self, tombstone: &Tombstone, keys: Option<&[VerifierKey]>) {
        let removed = &tombstone.removed;
        let of = |begin: &&mut Begin| (begin.shard, begin.segment) == (removed.head.shard, removed.segment);
        let Some(begin) = self.all.iter_mut().find(of).filter(|begin| begin.told.is_err()) else { return };
        begin.told = if (begin.size, begin.root) != (removed.head.size, removed.head.root) {
            Err(Why::OtherTombstone)
        } else if keys.is_some_and(|keys| !keys.iter().any(|key| tombstone.is_signed(key))) {
            Err(Why::UnsignedTombstone)
        } else {
            let (segments, records) = (begin.segment, begin.size);
            Ok(Gap { shard: begin.shard, segments, records, until_s: removed.until_s })
        };
    }

    /// What was removed, or the first series of which nobody tells it.
    pub(super) fn end(&mut self) -> Result<Vec<Gap>, Finding> {
        let gap = |begin: Begin| {
            let Begin { file, shard, size, told, .. } = begin;
            told.map_err(|why| Finding { file, offset: 0, shard, seq: size + 1, why })
        };
        self.all.drain(..).map(gap).collect()
    }
}
