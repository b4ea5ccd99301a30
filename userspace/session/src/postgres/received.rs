//! What an agent received of a statement, kept for the record where a rule or its database asks for that: the bytes as they left, masked, with
//! the time of each piece. A short result is a record of the same call; a longer one is packed by a thread that nobody waits for.
//!
//! The strict scan goes over what is kept once more, value by value: the record holds nothing that it finds, also where the agent was
//! shown by the balanced one. Of a statement that was shown clear values, and where nothing is masked, only the number of bytes is kept.

use std::fmt;
use std::sync::Arc;

use audit::received::{Hashed, Packing, Received, Timing, why};
use audit::{ActorPart, Event, RecordId};
use pan::MaskedBytes;
use wire::postgres::limits::HEADER;

use super::left_off::LeftOff;
use super::queue::Run;
use super::{Connection, Cx};
use crate::inner::Inner;
use crate::result_memory::{ResultMemory, Share};
use crate::verdicts::Judged;
use crate::{Block, Piece};

/// Bytes of one result that are kept; of what is beyond a hash and a count.
pub(crate) const KEPT_MAX: usize = 256 << 10;
/// A result of at most so many bytes is a record of the same call, not packed. Every session has so much memory for it.
const SHORT_MAX: usize = 1024;
/// Bytes of the times of its pieces; what comes later is of the last time that is told.
const TIMING_MAX: usize = 512;
/// What the record of a short result takes beside its actor.
pub(super) const SHORT_ROOM: usize = SHORT_MAX + SHORT_MAX / 128 + TIMING_MAX + 256 + audit::segment::FRAME_LEN + 7;

/// What passes to the agent, since the last statement's end.
#[derive(Default)]
pub(super) struct Receiving {
    bytes: Vec<u8>,
    /// The memory of `bytes` beyond that of a short result.
    share: Share,
    timing: Timing,
    left_off: Option<Box<LeftOff>>,
    /// Where in the pieces of this call statements end.
    cuts: Vec<(usize, Cut)>,
    /// The message at hand is a statement's last.
    due: Option<Cut>,
}

/// What becomes of what was received up to here.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// It is of no statement whose result is kept.
    Drop,
    /// Its outcome has said that its record follows: it does, also where nothing was received.
    Keep {
        decision: RecordId,
        started_ns: u64,
        /// Its bytes are nobody's to keep.
        is_clear: bool,
    },
}

/// Of one column of a RowDescription behind its name: table, attribute, type, size, modifier, format (protocol, 55.7).
const COLUMN_FACTS: usize = 18;

/// A long result on its way to the thread that packs it.
pub struct LongResult {
    /// The session that received it.
    pub session: u64,
    actor: ActorPart,
    decision: RecordId,
    number: u64,
    bytes: Vec<u8>,
    share: Share,
    timing: Timing,
    /// What is beyond.
    left_off: Option<Box<LeftOff>>,
}

/// The payloads that a long result may become.
pub struct PackedResult {
    /// With its bytes.
    pub full: Vec<u8>,
    /// Their number and hash alone, where there is no room for them.
    pub short: Vec<u8>,
    /// Less than usual is kept of it, for want of memory: [`LongResult::is_cut`].
    pub is_cut: bool,
    /// The memory of both, until they are written.
    share: Share,
}

impl fmt::Debug for LongResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongResult({} of {} bytes)", self.decision, self.bytes.len())
    }
}

impl fmt::Debug for PackedResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedResult({} bytes)", self.full.len())
    }
}

impl LongResult {
    /// Less than usual is kept of it, for want of memory.
    pub fn is_cut(&self) -> bool {
        self.left_off.is_some() && self.bytes.len() < KEPT_MAX
    }

    /// Masks, packs and encodes it. `zstd` answers nothing where it fails; then the bytes are kept as they are.
    pub fn pack(self, zstd: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> PackedResult {
        let (is_cut, left_off) = (self.is_cut(), self.left_off());
        let short = self.unkept_of(left_off);
        let LongResult { actor, decision, number, bytes, mut share, timing, .. } = self;
        let length = bytes.len();
        let values = values(&bytes);
        let (masked, starred) = MaskedBytes::of(bytes, values);
        let packed = zstd(masked.as_slice()).filter(|packed| packed.len() < length);
        let packing = if packed.is_some() { Packing::Zstd } else { Packing::Plain };
        let mut full = Vec::new();
        let event = Event::Result(Received {
            actor: &actor,
            decision,
            kept: Some((&masked, packed.as_deref())),
            packing,
            timing: &timing,
            left_off: left_off.map_or(0, |(bytes, _)| bytes),
            hash: left_off.as_ref().map(|(_, hash)| Hashed::All(hash)),
            starred,
            cause: is_cut.then_some(why::NO_MEMORY),
            number,
        });
        audit::encode(&event, &mut full);
        share.shrink_to(full.len() + short.len());
        PackedResult { full, short, is_cut, share }
    }

    /// The record where there is no room for its bytes: how much it was, and its hash. Of a result that was too long to be kept anyway there are
    /// two: of what would have been kept, and of what had gone by when that was clear.
    pub fn unkept(&self) -> Vec<u8> {
        self.unkept_of(self.left_off())
    }

    /// How many bytes are beyond, and their hash.
    fn left_off(&self) -> Option<(u64, [u8; 32])> {
        self.left_off.as_ref().map(|left_off| (left_off.bytes(), left_off.hash()))
    }

    fn unkept_of(&self, left_off: Option<(u64, [u8; 32])>) -> Vec<u8> {
        let mut payload = Vec::new();
        let (bytes, hash) = (self.bytes.len() as u64, blake3::hash(&self.bytes).into());
        let (beyond, hash) = match &left_off {
            None => (0, Hashed::All(&hash)),
            Some((beyond, behind)) => (*beyond, Hashed::Parts { first_bytes: bytes, first: &hash, behind }),
        };
        let event = Event::Result(Received {
            actor: &self.actor,
            decision: self.decision,
            kept: None,
            packing: Packing::Plain,
            timing: &Timing::default(),
            left_off: bytes + beyond,
            hash: Some(hash),
            starred: 0,
            cause: Some(why::NO_ROOM),
            number: self.number,
        });
        audit::encode(&event, &mut payload);
        payload
    }
}

impl PackedResult {
    /// Bytes of a [`ResultMemory`] that it has until it is written.
    pub fn memory(&self) -> usize {
        self.share.bytes()
    }
}

impl Receiving {
    fn take(&mut self, bytes: &[u8], now_ns: u64, memory: &ResultMemory, blocks: &mut Vec<Block>) {
        let (kept, beyond) = bytes.split_at(self.keeps_of(bytes.len(), memory));
        if !kept.is_empty() {
            self.bytes.extend_from_slice(kept);
            self.timing.add(now_ns, kept.len() as u64, TIMING_MAX);
        }
        if !beyond.is_empty() {
            self.left_off.get_or_insert_with(|| Box::new(LeftOff::new(memory))).pass(beyond, memory, blocks);
        }
    }

    /// How many of so many bytes more are kept: up to the bound, as far as there is memory, and none behind one that was not.
    fn keeps_of(&mut self, more: usize, memory: &ResultMemory) -> usize {
        if self.left_off.is_some() {
            return 0;
        }
        let (kept, mut room) = (self.bytes.len(), SHORT_MAX + self.share.bytes());
        let wanted = (kept + more).min(KEPT_MAX);
        if wanted > room {
            let larger = wanted.next_power_of_two();
            if self.share.grow_to(larger - SHORT_MAX, memory) {
                self.bytes.reserve_exact(larger - kept);
                room = larger;
            }
        }
        more.min(room - kept)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(SHORT_MAX);
        self.share.shrink_to(0);
        self.timing.clear();
        self.left_off = None;
    }
}

impl Connection {
    /// Whether what a statement sends is kept: any rule that lets it go on may ask for that, else its database.
    pub(super) fn keeps(&self, judged: Option<&Arc<Judged>>, inner: &Inner) -> bool {
        inner.results() || judged.and_then(|judged| judged.results).unwrap_or(self.open.database.results)
    }

    /// A statement goes on: from now on bytes are kept if it asks for that.
    pub(super) fn begins_to_keep(&mut self, judged: Option<&Arc<Judged>>, inner: &Inner) -> bool {
        let keeps = self.keeps(judged, inner);
        if keeps {
            self.kept_runs += 1;
            self.receiving.get_or_insert_default();
        }
        keeps
    }

    /// Its outcome is told: what was kept of it is recorded in the same call.
    pub(super) fn kept_no_more(&mut self, run: &Run) {
        self.kept_runs -= u32::from(run.is_kept);
    }

    /// How many statements under way may leave a record of their result.
    pub(super) fn kept_runs(&self) -> usize {
        self.kept_runs as usize
    }

    /// A statement has come to its outcome: the message at hand is the last of its result.
    pub(super) fn result_ends(&mut self, run: &Run, is_told: bool) {
        let is_clear = run.is_shown || !self.masks();
        if let Some(receiving) = &mut self.receiving {
            let keep = Cut::Keep { decision: run.record, started_ns: run.started_ns, is_clear };
            receiving.due = Some(if is_told { keep } else { Cut::Drop });
        }
    }

    /// Whether anything was received since the last statement's end, in this call or before.
    pub(super) fn has_received(&self, cx: &Cx<'_, '_>) -> bool {
        let Some(receiving) = &self.receiving else { return false };
        let leaves: usize = cx.out.to_agent.iter().map(Piece::len).sum();
        match receiving.cuts.last() {
            Some((at, _)) => leaves > *at,
            None => leaves > 0 || !receiving.bytes.is_empty(),
        }
    }

    /// What was received between statements is of none.
    pub(super) fn nothing_ends(&mut self) {
        if let Some(receiving) = &mut self.receiving {
            receiving.due.get_or_insert(Cut::Drop);
        }
    }

    /// Before the next message: what was due ends here.
    pub(super) fn cut_result(&mut self, cx: &Cx<'_, '_>) {
        if let Some(receiving) = &mut self.receiving
            && let Some(cut) = receiving.due.take()
        {
            receiving.cuts.push((cx.out.to_agent.iter().map(Piece::len).sum(), cut));
        }
    }

    /// The call is done: what of it goes to the agent is kept, statement by statement.
    pub(super) fn receive(&mut self, chunk: &[u8], cx: &mut Cx<'_, '_>) {
        self.cut_result(cx);
        let Some(mut receiving) = self.receiving.take() else { return };
        let (pieces, own) = (std::mem::take(&mut cx.out.to_agent), std::mem::take(&mut cx.out.own));
        let (mut cuts, mut at) = (std::mem::take(&mut receiving.cuts).into_iter().peekable(), 0);
        for piece in &pieces {
            let mut bytes = match piece {
                Piece::Chunk(range) => chunk.get(range.start as usize..range.end as usize),
                Piece::Own(range) => own.get(range.start as usize..range.end as usize),
            }
            .unwrap_or_default();
            while let Some((end, cut)) = cuts.next_if(|(end, _)| *end < at + bytes.len()) {
                let (before, behind) = bytes.split_at(end - at);
                receiving.take(before, cx.now.mono_ns, cx.shared.results, &mut cx.out.blocks);
                (at, bytes) = (end, behind);
                self.kept(&mut receiving, cut, cx);
            }
            receiving.take(bytes, cx.now.mono_ns, cx.shared.results, &mut cx.out.blocks);
            at += bytes.len();
        }
        cuts.for_each(|(_, cut)| self.kept(&mut receiving, cut, cx));
        (cx.out.to_agent, cx.out.own) = (pieces, own);
        self.receiving = Some(receiving);
    }

    fn kept(&mut self, receiving: &mut Receiving, cut: Cut, cx: &mut Cx<'_, '_>) {
        if let Cut::Keep { decision, started_ns, is_clear } = cut {
            receiving.timing.since(started_ns);
            let number = self.number();
            let left_off = receiving.left_off.take();
            let long = receiving.bytes.len() > SHORT_MAX || left_off.is_some();
            if long && !is_clear {
                cx.out.results.push(Box::new(LongResult {
                    session: self.open.id,
                    actor: self.journal.actor().clone(),
                    decision,
                    number,
                    bytes: std::mem::take(&mut receiving.bytes),
                    share: std::mem::take(&mut receiving.share),
                    timing: std::mem::take(&mut receiving.timing),
                    left_off,
                }));
            } else {
                let all = receiving.bytes.len() as u64 + left_off.map_or(0, |left_off| left_off.bytes());
                let bytes = if is_clear { Vec::new() } else { receiving.bytes.clone() };
                let values = values(&bytes);
                let (masked, starred) = MaskedBytes::of(bytes, values);
                cx.record(&Event::Result(Received {
                    actor: self.journal.actor(),
                    decision,
                    kept: (!is_clear).then_some((&masked, None)),
                    packing: Packing::Plain,
                    timing: &receiving.timing,
                    left_off: if is_clear { all } else { 0 },
                    hash: None,
                    starred,
                    cause: is_clear.then_some(why::CLEAR),
                    number,
                }));
            }
        }
        receiving.clear();
    }
}

/// Where in messages values and texts stand: what lies between is lengths and counts. A message that is cut ends where it is cut.
fn values(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word) as usize);
    let (mut found, mut at) = (Vec::new(), 0);
    while let (Some(kind), Some(length)) = (bytes.get(at), word(at + 1)) {
        let (body, end) = (at + HEADER, (at + 1 + length.max(4)).min(bytes.len()));
        match kind {
            b'D' => {
                let mut value = body + 2;
                while value + 4 <= end {
                    let Some(length) = word(value) else { break };
                    let start = value + 4;
                    value = start + if length == u32::MAX as usize { 0 } else { length };
                    found.push(start..value.min(end));
                }
            }
            // An agent chooses what columns are called.
            b'T' => {
                let mut name = body + 2;
                while let Some(length) = bytes.get(name..end).and_then(|rest| rest.iter().position(|byte| *byte == 0)) {
                    found.push(name..name + length);
                    name += length + 1 + COLUMN_FACTS;
                }
                // A name that is cut.
                found.extend((name < end).then_some(name..end));
            }
            // Types and formats of columns.
            b't' | b'G' | b'H' | b'Z' | b'R' | b'K' => {}
            _ if body < end => found.push(body..end),
            _ => {}
        }
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use audit::decode::Fields;
    use audit::field;
    use audit::received::read;

    use super::*;

    const BEYOND: &[u8] = b"ZZZZZ";

    fn beyond() -> Box<LeftOff> {
        let memory = ResultMemory::new(0);
        let mut left_off = LeftOff::new(&memory);
        left_off.pass(BEYOND, &memory, &mut Vec::new());
        Box::new(left_off)
    }

    fn long(bytes: Vec<u8>) -> LongResult {
        LongResult {
            session: 1,
            actor: ActorPart::default(),
            decision: RecordId { shard: 1, seq: 2 },
            number: 3,
            bytes,
            share: Share::default(),
            timing: Timing::default(),
            left_off: Some(beyond()),
        }
    }

    #[test]
    fn what_only_the_strict_scan_finds_is_not_kept_either() {
        // The balanced scan leaves a card among letters.
        let row = b"D\0\0\0\x1c\0\x01\0\0\0\x12x4111111111111111y";
        let PackedResult { full, short, .. } = long(row.to_vec()).pack(|_| None);
        let kept = read(&full).expect("a record");
        assert_eq!(kept.packed.as_deref(), Some(&b"D\0\0\0\x1c\0\x01\0\0\0\x12x411111******1111y"[..]));
        assert_eq!((kept.length, kept.left_off, kept.is_zstd), (row.len() as u64, 5, false));
        let kept = read(&short).expect("a record");
        assert_eq!((kept.packed, kept.left_off), (None, row.len() as u64 + 5));
    }

    #[test]
    fn what_a_column_is_called_is_searched_too() {
        let facts = [0; COLUMN_FACTS];
        let names = [&b"\0\x02id\0"[..], &facts, b"x4111111111111111y\0", &facts].concat();
        let whole = [&b"T"[..], &(4 + names.len() as u32).to_be_bytes(), &names].concat();
        // Whole, and cut within the last column's facts.
        for end in [whole.len(), whole.len() - COLUMN_FACTS] {
            let kept = read(&long(whole[..end].to_vec()).pack(|_| None).full).expect("a record");
            let kept = kept.packed.expect("it is kept");
            assert!(kept.windows(18).any(|part| part == b"x411111******1111y"));
        }
        for end in 0..whole.len() {
            assert!(values(&whole[..end]).iter().all(|range| range.start <= range.end && range.end <= end), "{end}");
        }
    }

    #[test]
    fn what_is_not_kept_has_a_hash_in_two_parts_where_some_had_gone_by() {
        let hash: [u8; 32] = blake3::hash(&[b'C'; 100]).into();
        let tells = |payload: &[u8]| {
            let fields: Vec<(u8, Vec<u8>)> =
                Fields::of(payload).map(|one| one.map(|(number, value)| (number, value.to_vec())).unwrap()).collect();
            let of = |number| fields.iter().find(|(known, _)| *known == number).map(|(_, value)| value.clone());
            use field::{LEFT_OFF, LEFT_OFF_BEHIND_BLAKE3, LEFT_OFF_BLAKE3, LEFT_OFF_FIRST, LEFT_OFF_FIRST_BLAKE3};
            [LEFT_OFF, LEFT_OFF_BLAKE3, LEFT_OFF_FIRST, LEFT_OFF_FIRST_BLAKE3, LEFT_OFF_BEHIND_BLAKE3].map(of)
        };
        let whole = LongResult { left_off: None, ..long(vec![b'C'; 100]) };
        assert_eq!(tells(&whole.unkept()), [Some(vec![100]), Some(hash.to_vec()), None, None, None]);
        let behind = blake3::hash(BEYOND).as_bytes().to_vec();
        let parts = [Some(vec![105]), None, Some(vec![100]), Some(hash.to_vec()), Some(behind)];
        assert_eq!(tells(&long(vec![b'C'; 100]).unkept()), parts);
        assert_eq!(tells(&long(vec![b'C'; 100]).pack(|_| None).short), parts);
    }

    #[test]
    fn what_packs_to_more_is_kept_as_it_is() {
        let pack = |packed: &[u8]| read(&long(vec![b'C'; 100]).pack(|_| Some(packed.to_vec())).full).expect("a record");
        assert_eq!((pack(&[7; 200]).is_zstd, pack(&[7; 20]).is_zstd), (false, true));
        assert_eq!(pack(&[7, 0, 7]).packed, Some(vec![7, 0, 7]));
    }

    #[test]
    fn values_are_found_and_lengths_are_not() {
        // A row of two values, one of them null; a tag; a row that is cut in its value.
        let bytes = b"D\0\0\0\x11\0\x02\0\0\0\x0312*\xff\xff\xff\xffC\0\0\0\x0dSELECT 1\0D\0\0\0\x20\0\x01\0\0\0\x1641";
        let found: Vec<&[u8]> = values(bytes).into_iter().map(|range| &bytes[range]).collect();
        assert_eq!(found, [&b"12*"[..], b"", b"SELECT 1\0", b"41"]);
        for end in 0..bytes.len() {
            assert!(values(&bytes[..end]).iter().all(|range| range.start <= range.end && range.end <= end), "{end}");
        }
    }
}
