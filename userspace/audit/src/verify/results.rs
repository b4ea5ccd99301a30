//! Results that were to follow: an outcome says so, and of those that never came the decision is named.

use std::collections::BTreeSet;

use crate::decode::result_of;
use crate::id::RecordId;
use crate::record_type::RecordType;
use crate::segment::Frame;

/// So many are named; of more, how many they are.
const NAMED_MAX: usize = 1000;

/// Results that were to follow and are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The decisions, the first thousand.
    pub named: Vec<RecordId>,
    /// How many they are.
    pub count: u64,
}

/// What one segment says of results.
#[derive(Clone, Debug, Default)]
pub(super) struct Results {
    /// They were to follow, and are not in it.
    due: BTreeSet<u64>,
    /// They are in it, and their outcome is not.
    came: BTreeSet<u64>,
}

impl Results {
    /// The next record. A result stands in the series of its decision.
    pub(super) fn see(&mut self, shard: u16, frame: &Frame<'_>) {
        let Some(kind @ (RecordType::Outcome | RecordType::Result)) = RecordType::of(frame.kind) else { return };
        let Some(decision) = result_of(kind, frame.payload()).filter(|decision| decision.shard == shard) else {
            return;
        };
        match kind {
            RecordType::Outcome => _ = self.due.insert(decision.seq),
            _ if self.due.remove(&decision.seq) => {}
            _ => _ = self.came.insert(decision.seq),
        }
    }

    /// The series goes on with another segment.
    pub(super) fn go_on(&mut self, next: Results) {
        // One that comes without an outcome was of what was removed, or of a version that did not say that it follows.
        self.due.retain(|decision| !next.came.contains(decision));
        self.due.extend(next.due);
    }
}

impl Missing {
    /// A series is over.
    pub(super) fn add(&mut self, shard: u16, results: Results) {
        self.count += results.due.len() as u64;
        let room = NAMED_MAX.saturating_sub(self.named.len());
        self.named.extend(results.due.into_iter().take(room).map(|seq| RecordId { shard, seq }));
    }
}
