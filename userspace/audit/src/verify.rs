//! Is the record whole? Reads segments in order, one at a time: memory is one segment's, however many there are.
//!
//! What it finds without any outside help: a changed, missing, doubled, reordered or cut record; a missing, doubled, swapped or
//! cut segment; a missing shard. What it cannot: a rewriting of everything from some record on by somebody who computes the
//! checksums and the tree anew, and an end that was cut off at a record of a service that had not stopped in order (reported as
//! a torn tail). [`Anchor`]s, from signed checkpoints or kept elsewhere, close both.
use std::fmt;
use std::io::Read;

use crate::chain::{Hash, Tree};
use crate::record_type::RecordType;
use crate::segment::{
    Corrupt, HEADER_LEN, Header, HeaderFault, NODE_SHARD, Previous, Recovered, SEGMENT_LEN_MAX, damage, frames,
    last_used, parse_file_name, scan,
};
use crate::silence::{Pulse, Silences};

/// What is known from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Records that must be there.
    pub anchors: &'a [Anchor],
    /// The service may be writing: a series need not end with an orderly stop. A file that was read while a record was being
    /// stored can look torn or holed at its end; whoever sets this reads again before believing it.
    pub open: bool,
}

/// A record that is known to have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its shard.
    pub shard: u16,
    /// Its number; with the records before it, the size of a tree.
    pub seq: u64,
    /// The root of that tree.
    pub root: Option<Hash>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every record is as it was written, and each series ends in order.
    Whole(Summary),
    /// Something was changed: the first place where it shows.
    Tampered(Finding),
    /// Every record is as it was written, but a series ends as after a kill, a power cut, or a cut at a record's end.
    TornTail(Summary, Finding),
    /// The bytes cannot be judged.
    CannotTell(Finding),
}

impl Verdict {
    /// The exit status of `interceptor audit verify`.
    pub fn exit_status(&self) -> u8 {
        match self {
            Verdict::Whole(_) => 0,
            Verdict::Tampered(_) => 1,
            Verdict::TornTail(..) => 4,
            Verdict::CannotTell(_) => 5,
        }
    }
}

/// Where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The segment's name as the caller gave it.
    pub file: String,
    /// The byte in it.
    pub offset: u64,
    /// The shard.
    pub shard: u16,
    /// The record that is, or should be, there.
    pub seq: u64,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The file cannot be read.
    Unreadable(std::io::ErrorKind),
    /// There is no segment at all.
    Nothing,
    /// The header.
    Header(HeaderFault),
    /// The file's length is not the one that its header says.
    Size,
    /// The file's name is another segment's.
    Name,
    /// This segment should have another number: one before it is missing, doubled or out of order.
    Order {
        /// The number that is due.
        due: u64,
    },
    /// It does not continue the segment before: what is told of that one's size or of the records before differs.
    Continuation,
    /// A segment follows, but this one was not sealed.
    NotSealed,
    /// The record.
    Record(&'static str),
    /// The record is bad and whole ones follow, so it was no crash.
    Hole(&'static str),
    /// The batch's root does not fit its records, from `first_seq` to this record: one of them was changed.
    Batch {
        /// The batch's first record.
        first_seq: u64,
    },
    /// The headers tell of this shard, and it has no segment.
    MissingShard,
    /// A record that is known from elsewhere is not there, or the root up to it is another.
    Anchor,
    /// An unfinished record.
    Torn,
    /// No orderly stop at the end.
    NoStop,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Unreadable(kind) => write!(f, "the file cannot be read: {kind}"),
            Why::Nothing => f.write_str("there is no segment"),
            Why::Header(fault) => fault.fmt(f),
            Why::Size => f.write_str("the file's length is not the one that its header says"),
            Why::Name => f.write_str("the file's name is another segment's"),
            Why::Order { due } => write!(f, "segment {due} should stand here"),
            Why::Continuation => f.write_str("it does not continue the segment before it"),
            Why::NotSealed => f.write_str("it was not sealed, and another segment follows"),
            Why::Record(why) => f.write_str(why),
            Why::Hole(why) => write!(f, "{why}, and whole records follow"),
            Why::Batch { first_seq } => {
                write!(f, "a record from {first_seq} to this one was changed: the root does not fit")
            }
            Why::MissingShard => f.write_str("this shard's segments are missing"),
            Why::Anchor => {
                f.write_str("a record that is known from elsewhere is missing, or the records up to it are others")
            }
            Why::Torn => f.write_str("an unfinished record, as a kill or a power cut leaves it"),
            Why::NoStop => {
                f.write_str("the series ends without an orderly stop: the service was killed, or the end was cut off")
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: byte {}, record {}-{}: {}", self.file, self.offset, self.shard, self.seq, self.why)
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whole records, those that close batches included.
    pub records: u64,
    /// Every shard's series.
    pub series: Vec<Series>,
    /// When no checkpoint was written though one was due.
    pub silences: Box<Silences>,
}

/// One shard's series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The shard.
    pub shard: u16,
    /// How many segments it has.
    pub segments: u64,
    /// Its first record.
    pub first_seq: u64,
    /// Its last one.
    pub last_seq: u64,
    /// The last records that no root covers yet: only their checksums were checked.
    pub unrooted: u64,
    /// The root of all its records.
    pub root: Hash,
}

/// Verifies segments that come in the order of shard and number (the order of their names), each with its name.
pub fn verify<R: Read>(
    segments: impl IntoIterator<Item = (String, std::io::Result<R>)>,
    options: &Options<'_>,
) -> Verdict {
    let mut verifier = Verifier::new(options);
    let mut bytes = Vec::new();
    for (file, reader) in segments {
        bytes.clear();
        let read = reader.and_then(|reader| reader.take(SEGMENT_LEN_MAX as u64 + 1).read_to_end(&mut bytes));
        let step = match read {
            Ok(_) => verifier.segment(&file, &bytes),
            Err(error) => Err(Verdict::CannotTell(at_start(&file, Why::Unreadable(error.kind())))),
        };
        if let Err(verdict) = step {
            return verdict;
        }
    }
    verifier.end().unwrap_or_else(|verdict| verdict)
}

fn at_start(file: &str, why: Why) -> Finding {
    let (shard, _) = parse_file_name(base(file)).unwrap_or_default();
    Finding { file: file.to_owned(), offset: 0, shard, seq: 0, why }
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

struct Verifier<'a> {
    anchors: Anchors,
    options: &'a Options<'a>,
    summary: Summary,
    /// The last segment of the series that is being read.
    last: Option<Last>,
    torn: Option<Finding>,
    pulse: Pulse,
    /// The most shards that a header tells of.
    shards: u16,
}

struct Last {
    file: String,
    found: Recovered,
    /// A segment that was made in advance and never begun follows: nothing may come after it.
    blank: bool,
}

impl<'a> Verifier<'a> {
    fn new(options: &'a Options<'a>) -> Verifier<'a> {
        Verifier {
            anchors: Anchors::new(options.anchors),
            options,
            summary: Summary::default(),
            last: None,
            torn: None,
            pulse: Pulse::default(),
            shards: 0,
        }
    }

    fn segment(&mut self, file: &str, bytes: &[u8]) -> Result<(), Verdict> {
        let header = match Header::read(bytes) {
            Ok(header) => header,
            Err(HeaderFault::Blank) if last_used(bytes) == 0 => return self.blank(file),
            Err(fault @ HeaderFault::Version(_)) => {
                return Err(Verdict::CannotTell(at_start(file, Why::Header(fault))));
            }
            Err(fault) => return Err(Verdict::Tampered(at_start(file, Why::Header(fault)))),
        };
        let shard = header.shard;
        let finding = |offset: usize, seq: u64, why: Why| Finding {
            file: file.to_owned(),
            offset: offset as u64,
            shard,
            seq,
            why,
        };
        let tampered = |offset, seq, why| Err(Verdict::Tampered(finding(offset, seq, why)));
        if parse_file_name(base(file)).is_some_and(|named| named != (header.shard, header.number())) {
            return tampered(0, header.first_seq(), Why::Name);
        }
        self.place(file, &header)?;
        self.shards = self.shards.max(header.identity.shards);

        let (size, first_seq) = (header.size, header.first_seq());
        let anchors = &mut self.anchors;
        let (found, why) = match scan(bytes, header, |tree| anchors.meet(shard, tree)) {
            Ok(found) => found,
            Err((Corrupt::Root { offset, seq }, rooted)) => {
                return tampered(offset, seq, Why::Batch { first_seq: rooted + 1 });
            }
            Err(_) => return tampered(0, first_seq, Why::Header(HeaderFault::Range)),
        };
        let (end, seq) = (found.end, found.next_seq);
        if size != bytes.len() as u64 {
            return tampered(end.min(bytes.len()), seq, Why::Size);
        }
        match damage(bytes, &found, why) {
            None => {}
            Some(damage) if damage.next_seq.is_some() => return tampered(end, seq, Why::Hole(why)),
            Some(damage) => match damage.no_tear {
                Some(why) => return tampered(end, seq, Why::Record(why)),
                None => _ = self.torn.get_or_insert(finding(end, seq, Why::Torn)),
            },
        }
        self.count(&found);
        if shard == NODE_SHARD {
            let whole = bytes.get(..found.end).unwrap_or_default();
            for frame in frames(whole).filter(|frame| frame.kind == RecordType::Checkpoint.code()) {
                self.summary.silences.all.extend(self.pulse.beat(&found.header.identity.boot_id, &frame));
            }
        }
        self.last = Some(Last { file: file.to_owned(), found, blank: false });
        Ok(())
    }

    /// A segment that is nothing but zeros was made in advance: it may stand at the end of a series.
    fn blank(&mut self, file: &str) -> Result<(), Verdict> {
        let Some((shard, number)) = parse_file_name(base(file)) else {
            return Err(Verdict::CannotTell(at_start(file, Why::Header(HeaderFault::Blank))));
        };
        let last = self.last.as_mut().filter(|last| last.found.header.shard == shard);
        match last {
            Some(last) if last.found.header.number() < number => {
                last.blank = true;
                Ok(())
            }
            _ => Err(Verdict::Tampered(at_start(file, Why::Header(HeaderFault::Blank)))),
        }
    }

    /// Whether the segment's place in the order is its own.
    fn place(&mut self, file: &str, header: &Header) -> Result<(), Verdict> {
        let wrong = |why| {
            let seq = header.first_seq();
            Err(Verdict::Tampered(Finding { file: file.to_owned(), offset: 0, shard: header.shard, seq, why }))
        };
        let Some(last) = self.last.take() else {
            return if header.number() == 1 { Ok(()) } else { wrong(Why::Order { due: 1 }) };
        };
        let before = &last.found.header;
        if before.shard > header.shard {
            return wrong(Why::Order { due: before.number() + 1 });
        }
        if before.shard < header.shard {
            self.series_ends(&last);
            return if header.number() == 1 { Ok(()) } else { wrong(Why::Order { due: 1 }) };
        }
        if header.number() != before.number() + 1 || last.blank {
            return wrong(Why::Order { due: before.number() + 1 });
        }
        match last.found.previous() {
            None => Err(Verdict::Tampered(last.finding(Why::NotSealed))),
            Some(previous) if previous != header.previous => wrong(Why::Continuation),
            Some(Previous { .. }) => Ok(()),
        }
    }

    fn series_ends(&mut self, last: &Last) {
        if !last.found.stopped && !self.options.open {
            self.torn.get_or_insert(last.finding(Why::NoStop));
        }
    }

    fn count(&mut self, found: &Recovered) {
        self.summary.records += found.records;
        let shard = found.header.shard;
        if self.summary.series.last().is_none_or(|series| series.shard != shard) {
            let first_seq = found.header.first_seq();
            self.summary.series.push(Series { shard, segments: 0, first_seq, last_seq: 0, unrooted: 0, root: [0; 32] });
        }
        if let Some(series) = self.summary.series.last_mut() {
            series.segments += 1;
            series.last_seq = found.next_seq - 1;
            series.unrooted = series.last_seq - found.rooted;
            series.root = found.tree.root();
        }
    }

    fn end(mut self) -> Result<Verdict, Verdict> {
        let Some(last) = self.last.take() else {
            return Err(Verdict::CannotTell(at_start("", Why::Nothing)));
        };
        self.series_ends(&last);
        self.summary.silences.due_ns = self.pulse.due_ns();
        let absent = |shard, seq, why| Verdict::Tampered(Finding { file: String::new(), offset: 0, shard, seq, why });
        let missing = (0..self.shards).find(|shard| self.summary.series.iter().all(|series| series.shard != *shard));
        if let Some(shard) = missing {
            return Err(absent(shard, 1, Why::MissingShard));
        }
        if let Some(anchor) = self.anchors.unmet() {
            return Err(absent(anchor.shard, anchor.seq, Why::Anchor));
        }
        Ok(match self.torn {
            Some(finding) => Verdict::TornTail(self.summary, finding),
            None => Verdict::Whole(self.summary),
        })
    }
}

impl Last {
    fn finding(&self, why: Why) -> Finding {
        let found = &self.found;
        let (shard, seq) = (found.header.shard, found.next_seq);
        Finding { file: self.file.clone(), offset: found.end as u64, shard, seq, why }
    }
}

/// Anchors in the order in which records come, and the first that was not met.
struct Anchors {
    sorted: Vec<Anchor>,
    /// The first that no record has reached.
    at: usize,
    unmet: Option<Anchor>,
}

impl Anchors {
    fn new(anchors: &[Anchor]) -> Anchors {
        let mut sorted = anchors.to_vec();
        sorted.sort_unstable_by_key(|anchor| (anchor.shard, anchor.seq));
        Anchors { sorted, at: 0, unmet: None }
    }

    /// A record has come that makes its shard's tree so large.
    fn meet(&mut self, shard: u16, tree: &Tree) {
        while let Some(anchor) = self.sorted.get(self.at).filter(|a| (a.shard, a.seq) <= (shard, tree.size())) {
            let reached = (anchor.shard, anchor.seq) == (shard, tree.size());
            if !reached || anchor.root.is_some_and(|root| root != tree.root()) {
                self.unmet.get_or_insert(*anchor);
            }
            self.at += 1;
        }
    }

    fn unmet(&self) -> Option<Anchor> {
        self.unmet.or_else(|| self.sorted.get(self.at).copied())
    }
}

const _: () = assert!(HEADER_LEN == 4096);
