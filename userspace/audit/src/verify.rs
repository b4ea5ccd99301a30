//! Is the record whole? Each segment is examined by itself ([`Alone`]), in any order and on any thread, since its header has the tree
//! of the records before it; what was found is put together in order ([`Verifier`]). Memory is that of the segments at hand, however
//! many there are.
//!
//! What it finds without any outside help: a changed, missing, doubled, reordered or cut record; a missing, doubled, swapped or
//! cut segment; a missing shard. What it cannot: a rewriting of everything from some record on by somebody who computes the
//! checksums and the tree anew, and an end that was cut off at a record of a service that had not stopped in order (reported as
//! a torn tail). [`Anchor`]s, from signed checkpoints or kept elsewhere, close both.
use std::fmt;
use std::io::Read;

use self::alone::{Body, Seen, sorted};
use self::begins::Begins;
use self::results::Results;
use crate::chain::Hash;
use crate::note::VerifierKey;
use crate::segment::{Header, HeaderFault, Previous, Recovered, SEGMENT_LEN_MAX, parse_file_name};
use crate::silence::{Pulse, Silences};

mod alone;
mod begins;
mod results;

pub use alone::{Alone, Examined};
pub use begins::{Gap, Gaps};
pub use results::Missing;

/// What is known from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Records that must be there.
    pub anchors: &'a [Anchor],
    /// The service may be writing: a series need not end with an orderly stop. A file that was read while a record was being
    /// stored can look torn or holed at its end; whoever sets this reads again before believing it.
    pub open: bool,
    /// Whoever may have signed the tombstones of what was removed, the log's root keys; `None`: their signatures are not looked at.
    pub keys: Option<&'a [VerifierKey]>,
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
    /// The series begins later than with its first segment, and no tombstone in root's series tells of what was before.
    NoTombstone,
    /// A tombstone tells of another end of what was before than this segment's header.
    OtherTombstone,
    /// The tombstone of what was before is not signed by a root key of the log.
    UnsignedTombstone,
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
            Why::NoTombstone => f.write_str(
                "what was before this segment is missing, and no tombstone in root's series (65535) tells that it was removed",
            ),
            Why::OtherTombstone => {
                f.write_str("the tombstone of what was before this segment tells of other records than those that its header continues")
            }
            Why::UnsignedTombstone => {
                f.write_str("the tombstone of what was before this segment is not signed by a root key of this log")
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
    /// What was removed for good, and what never came.
    pub removed: Box<Gaps>,
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
    let alone = Alone::new(options);
    let mut verifier = Verifier::new(options);
    let mut bytes = Vec::new();
    for (file, reader) in segments {
        bytes.clear();
        let read = reader.and_then(|reader| reader.take(SEGMENT_LEN_MAX as u64 + 1).read_to_end(&mut bytes));
        let examined = match read {
            Ok(_) => alone.examine(file, &bytes),
            Err(error) => Examined::unreadable(file, error.kind()),
        };
        if let Err(verdict) = verifier.take(examined) {
            return verdict;
        }
    }
    verifier.end()
}

fn at_start(file: &str, why: Why) -> Finding {
    let (shard, _) = parse_file_name(base(file)).unwrap_or_default();
    Finding { file: file.to_owned(), offset: 0, shard, seq: 0, why }
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Puts segments together that were [`Alone::examine`]d one by one, in their order.
pub struct Verifier<'a> {
    options: &'a Options<'a>,
    anchors: Vec<Anchor>,
    summary: Summary,
    /// The last segment of the series that is being read.
    last: Option<Last>,
    torn: Option<Finding>,
    unmet: Option<Anchor>,
    pulse: Pulse,
    /// The most shards that a header tells of.
    shards: u16,
    /// Series that begin behind what was removed.
    begins: Begins,
    /// Of the series that is being read.
    results: Results,
}

struct Last {
    file: String,
    found: Recovered,
    /// A segment that was made in advance and never begun follows: nothing may come after it.
    blank: bool,
}

impl<'a> Verifier<'a> {
    /// Before the first segment.
    pub fn new(options: &'a Options<'a>) -> Verifier<'a> {
        Verifier {
            options,
            anchors: sorted(options.anchors),
            summary: Summary::default(),
            last: None,
            torn: None,
            unmet: None,
            pulse: Pulse::default(),
            shards: 0,
            begins: Begins::default(),
            results: Results::default(),
        }
    }

    /// How many records it has seen.
    pub fn records(&self) -> u64 {
        self.summary.records
    }

    /// The next segment; an error is the whole verdict.
    pub fn take(&mut self, examined: Examined) -> Result<(), Verdict> {
        let Examined { file, seen } = examined;
        let segment = match seen {
            Seen::Unreadable(kind) => return Err(Verdict::CannotTell(at_start(&file, Why::Unreadable(kind)))),
            Seen::Blank => return self.blank(&file),
            Seen::NoHeader(fault @ HeaderFault::Version(_)) => {
                return Err(Verdict::CannotTell(at_start(&file, Why::Header(fault))));
            }
            Seen::NoHeader(fault) => return Err(Verdict::Tampered(at_start(&file, Why::Header(fault)))),
            Seen::Segment(segment) => *segment,
        };
        let header = &segment.header;
        if parse_file_name(base(&file)).is_some_and(|named| named != (header.shard, header.number())) {
            let (shard, seq) = (header.shard, header.first_seq());
            return Err(Verdict::Tampered(Finding { file, offset: 0, shard, seq, why: Why::Name }));
        }
        self.place(&file, header)?;
        self.shards = self.shards.max(header.identity.shards);
        let Body { found, torn, beats, tombstones, results, unmet } = segment.body.map_err(Verdict::Tampered)?;
        self.torn = self.torn.take().or(torn);
        self.unmet = self.unmet.or(unmet);
        self.count(&found);
        self.results.go_on(results);
        self.summary.silences.all.extend(beats.into_iter().filter_map(|beat| self.pulse.beat(beat)));
        tombstones.iter().for_each(|tombstone| self.begins.meet(tombstone, self.options.keys));
        self.last = Some(Last { file, found, blank: false });
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
            self.begin(file, header);
            return Ok(());
        };
        let before = &last.found.header;
        if before.shard > header.shard {
            return wrong(Why::Order { due: before.number() + 1 });
        }
        if before.shard < header.shard {
            self.series_ends(&last);
            self.begin(file, header);
            return Ok(());
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

    /// A series begins here: at its first segment, or behind what was removed, of which a tombstone must tell.
    fn begin(&mut self, file: &str, header: &Header) {
        if header.number() == 1 {
            return;
        }
        let (shard, tree) = (header.shard, &header.previous.tree);
        let removed = self.anchors.iter().filter(|a| a.shard == shard && a.seq <= tree.size());
        for anchor in removed {
            if anchor.seq < tree.size() {
                self.summary.removed.beyond += 1;
            } else if anchor.root.is_some_and(|root| root != tree.root()) {
                self.unmet.get_or_insert(*anchor);
            }
        }
        self.begins.add(file, header);
    }

    fn series_ends(&mut self, last: &Last) {
        self.summary.removed.missing.add(last.found.header.shard, std::mem::take(&mut self.results));
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

    /// The verdict, after the last segment.
    pub fn end(mut self) -> Verdict {
        let Some(last) = self.last.take() else {
            return Verdict::CannotTell(at_start("", Why::Nothing));
        };
        self.series_ends(&last);
        self.summary.silences.due_ns = self.pulse.due_ns();
        let absent = |shard, seq, why| Verdict::Tampered(Finding { file: String::new(), offset: 0, shard, seq, why });
        let missing = (0..self.shards).find(|shard| self.summary.series.iter().all(|series| series.shard != *shard));
        if let Some(shard) = missing {
            return absent(shard, 1, Why::MissingShard);
        }
        match self.begins.end() {
            Ok(removed) => self.summary.removed.all = removed,
            Err(finding) => return Verdict::Tampered(finding),
        }
        let unmet = self.unmet.into_iter().chain(self.beyond_the_end());
        if let Some(anchor) = unmet.min_by_key(|anchor| (anchor.shard, anchor.seq)) {
            return absent(anchor.shard, anchor.seq, Why::Anchor);
        }
        match self.torn {
            Some(finding) => Verdict::TornTail(self.summary, finding),
            None => Verdict::Whole(self.summary),
        }
    }

    /// The first anchor that no series reaches.
    fn beyond_the_end(&self) -> Option<Anchor> {
        let last = |shard| self.summary.series.iter().find(|s| s.shard == shard).map_or(0, |series| series.last_seq);
        self.anchors.iter().find(|anchor| anchor.seq > last(anchor.shard)).copied()
    }
}

impl Last {
    fn finding(&self, why: Why) -> Finding {
        let found = &self.found;
        let (shard, seq) = (found.header.shard, found.next_seq);
        Finding { file: self.file.clone(), offset: found.end as u64, shard, seq, why }
    }
}
