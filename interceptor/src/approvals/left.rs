//! What a service that was killed left undecided: asks that have no end in its record. Their statements ended with their connections; the
//! next service says so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use audit::decode::{Fields, number};
use audit::segment::{Frame, frames, parse_file_name};
use audit::{Masked, RecordId, RecordType, field};

/// Of each shard so many segments are looked through, the youngest.
const SEGMENTS: usize = 2;

/// An ask without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whose statement it was.
    pub agent: Masked,
    /// The id.
    pub approval: Masked,
    /// The record that asks.
    pub ask: RecordId,
    /// How many people had to approve, less those who did.
    missing: u64,
}

/// All of them. A record that cannot be read says nothing here: the shard that goes on with it judges it.
pub fn left(state_dir: &Path) -> Vec<Left> {
    let mut open = HashMap::new();
    let mut ends = Vec::new();
    youngest(state_dir, |shard, frame| look(shard, frame, &mut open, &mut ends));
    // An end may be in another shard's series than its ask.
    for approval in ends {
        open.remove(&approval);
    }
    let mut left: Vec<Left> = open.into_values().collect();
    left.sort_by_key(|left| left.ask);
    left
}

/// Each record of the youngest segments of every shard, a shard's in their order.
pub(super) fn youngest(state_dir: &Path, mut each: impl FnMut(u16, &Frame<'_>)) {
    let mut shards: BTreeMap<u16, Vec<(u64, PathBuf)>> = BTreeMap::new();
    for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
        if let Some((shard, number)) = entry.file_name().to_str().and_then(parse_file_name) {
            shards.entry(shard).or_default().push((number, entry.path()));
        }
    }
    for (shard, mut files) in shards {
        files.sort_unstable();
        let texts = files.iter().rev().filter_map(|(_, path)| std::fs::read(path).ok());
        let mut written: Vec<Vec<u8>> = texts.filter(|bytes| frames(bytes).next().is_some()).take(SEGMENTS).collect();
        written.reverse();
        for bytes in &written {
            frames(bytes).for_each(|frame| each(shard, &frame));
        }
    }
}

fn look(shard: u16, frame: &Frame<'_>, open: &mut HashMap<String, Left>, ends: &mut Vec<String>) {
    let kind = RecordType::of(frame.kind);
    let told = [RecordType::Ask, RecordType::Approval, RecordType::AskOver, RecordType::Decision];
    if !kind.is_some_and(|kind| told.contains(&kind)) {
        return;
    }
    let value = |wanted: u8| {
        Fields::of(frame.payload()).flatten().find(|(number, _)| *number == wanted).map(|(_, value)| value)
    };
    let Some(approval) = value(field::APPROVAL).map(Masked::of_bytes) else { return };
    let id = approval.as_str().to_owned();
    match kind {
        Some(RecordType::Ask) => {
            let agent = value(field::AGENT).map_or_else(|| Masked::literal(""), Masked::of_bytes);
            let missing = value(field::APPROVALS).and_then(number).unwrap_or(1);
            open.insert(id, Left { agent, approval, ask: RecordId { shard, seq: frame.seq }, missing });
        }
        Some(RecordType::Approval) => {
            let approved = value(field::APPROVED).and_then(number) == Some(1);
            let last = open.get_mut(&id).is_none_or(|left| {
                left.missing = left.missing.saturating_sub(1);
                !approved || left.missing == 0
            });
            if last {
                ends.push(id);
            }
        }
        _ => ends.push(id),
    }
}
