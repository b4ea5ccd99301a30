//! Where a shard's record goes on after a start: at the end of its last segment, or in a new one.
//!
//! What is found there is what was stored, and not known to be on disk: a killed process may have left it in the page cache, and one
//! whose fsync failed has left pages there that the kernel takes for written. So all that no later record tells of is stored
//! once more and synced, before anything is written behind it. What the process before had stored and not written stands in its tail and is
//! taken into the segments first ([`crate::left`]). A power cut may also have taken the end of a segment and left the one
//! behind it: that is given up then, and the record that says so counts its bytes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use audit::segment::{
    Appender, Corrupt, HEADER_LEN, HeaderFault, Identity, Previous, Recovered, Refused, Stamp, durable_seq, file_name,
    frames_from, is_unfinished_header, parse_file_name, recover,
};
use uring::{MappedSegment, SegmentFile};

use crate::driver::{Medium, Segment};
use crate::journal::{self, Journal, stamp};
use crate::left;
use crate::settings::RecordSettings;
use crate::supply::FileSupply;
use crate::tail::{self, PAGE, Tail};

/// Why the record of a shard cannot be continued. The shard does not start: the operator must look.
#[derive(Debug)]
pub enum OpenError {
    /// A file or directory cannot be used.
    File(PathBuf, io::Error),
    /// Another process writes this record.
    Busy(PathBuf),
    /// The last segment is damaged before its end.
    Corrupt(PathBuf, Corrupt),
    /// The settings allow no segment, or the last one cannot be closed.
    Segment(PathBuf, Refused),
    /// What was stored last is of a segment that is not there, or empty.
    Tail(PathBuf, PathBuf),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::File(path, error) => write!(f, "the record: {}: {error}", path.display()),
            OpenError::Busy(path) => write!(
                f,
                "the record: {} is held by another process that writes this record: stop that one, or name another state_dir",
                path.display()
            ),
            OpenError::Corrupt(path, corrupt) => write!(
                f,
                "the record: {}: {corrupt}; run `interceptor audit verify`, then move the damaged series away with its .tail",
                path.display()
            ),
            OpenError::Segment(path, refused) => write!(f, "the record: {}: {refused}", path.display()),
            OpenError::Tail(tail, segment) => write!(
                f,
                "the record: {} has the last records of {}, which is not there or empty: bring that back, or move the tail away with its series",
                tail.display(),
                segment.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// Whoever holds it is the only writer of the record; let go when dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not used")] fs::File);

/// Locks the folder of the record, which is made where it is missing.
pub(crate) fn lock(directory: &Path) -> Result<Lock, OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    make_directory(directory).map_err(|error| OpenError::File(directory.to_owned(), error))?;
    let path = directory.join("record.lock");
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(|error| OpenError::File(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::Busy(path)),
        Err(fs::TryLockError::Error(error)) => Err(OpenError::File(path, error)),
    }
}

/// Continues the record of a shard, and starts the helper that makes its next segments.
pub(crate) fn open(
    settings: &RecordSettings,
    identity: Identity,
    shard: u16,
) -> Result<Journal<SegmentFile, MappedSegment>, OpenError> {
    let folder = Folder { directory: settings.directory.clone(), shard };
    make_directory(&folder.directory).map_err(|error| OpenError::File(folder.directory.clone(), error))?;
    let now = session::Now { mono_ns: uring::mono_ns(), wall_ns: uring::wall_ns() };
    let place = Place { shard, identity, segment_bytes: settings.segment_bytes, stamp: stamp(now) };
    let place = reopen(&folder, &place)?;
    let first = place.appender.header().number() + 1;
    let named = folder.clone();
    let supply = FileSupply::start(shard, first, settings.segment_bytes, move |number| named.path(number))
        .map_err(|error| OpenError::File(folder.directory, error))?;
    Ok(Journal::resume(shard, identity, place, Box::new(supply)))
}

/// What is written on.
pub(crate) struct Place {
    pub(crate) shard: u16,
    pub(crate) identity: Identity,
    pub(crate) segment_bytes: usize,
    pub(crate) stamp: Stamp,
}

/// Takes in what the process before stored last, and says where a journal goes on.
pub(crate) fn reopen<M: Medium>(medium: &M, place: &Place) -> Result<journal::Place<M::Target, M::Memory>, OpenError> {
    left::take_in(medium)?;
    let tail_failed = |error| OpenError::File(medium.tail_path(), error);
    let memory = medium.new_tail(tail::len(place.segment_bytes)).map_err(tail_failed)?;
    let (mut segment, mut appender) = go_on(medium, place)?;
    appender.hash(segment.bytes(), u64::MAX);
    let (number, end) = (appender.header().number(), appender.end());
    let failed = |error| OpenError::File(medium.path(number), error);
    segment.store_anew(0..0).map_err(failed)?;
    stored(&segment, &medium.path(number))?;
    let tail = Tail::new(memory, place.segment_bytes, number, end, &segment.bytes()[end / PAGE * PAGE..end]);
    drop(segment);
    Ok(journal::Place { segment: medium.target(number).map_err(failed)?, appender, tail })
}

/// The segment that is written next, and where. Goes on in the last one where it is of this very service, boot and size; else seals
/// it and begins the next.
pub(crate) fn go_on<M: Medium>(medium: &M, place: &Place) -> Result<(M::Segment, Appender), OpenError> {
    let End { last, given_up } = end(medium)?;
    let Some(Last { number, mut segment, mut recovered }) = last else {
        return begin(medium, place, Previous::NONE, (given_up > 0).then_some(given_up));
    };
    let path = medium.path(number);
    let failed = |error| OpenError::File(path.clone(), error);
    let refused = |refused| OpenError::Segment(path.clone(), refused);
    settle(&mut segment, &recovered).map_err(failed)?;
    if let Some(previous) = recovered.previous() {
        return begin(medium, place, previous, Some(given_up));
    }
    recovered.given_up = given_up;
    let end = recovered.end;
    let mut appender = Appender::resume(segment.bytes(), &recovered, place.stamp).map_err(refused)?;
    let same = recovered.header.identity == place.identity && recovered.header.size == place.segment_bytes as u64;
    if same {
        return stored(&segment, &path).map(|()| (segment, appender));
    }
    let previous = appender.seal(segment.bytes(), place.stamp, end_of(&recovered)).map_err(refused)?;
    segment.store_anew(end..appender.end()).map_err(failed)?;
    begin(medium, place, previous, None)
}

/// Brings the last segment of a series to disk as it was found, before anything is written behind it: what follows its last whole record
/// is cleared, and all that no record tells to be on disk is stored anew. An fsync of the process before may have failed, and
/// the next one would say that all is well.
pub fn settle(segment: &mut impl Segment, recovered: &Recovered) -> io::Result<()> {
    let from = unsure(segment.bytes());
    clear(segment, recovered.end..recovered.used, from)
}

/// Clears the torn tail, and stores all from `from` on anew: what is behind the end is gone on disk too, before anything is written in
/// its place. Where that fails it stays as it was, or the next start would find nothing to clear and believe the disk.
fn clear(segment: &mut impl Segment, torn: Range<usize>, from: usize) -> io::Result<()> {
    let Some(bytes) = segment.bytes().get_mut(torn.clone()) else { return Ok(()) };
    let before = bytes.to_vec();
    bytes.fill(0);
    let stored = segment.store_anew(from..torn.end);
    if stored.is_err()
        && let Some(bytes) = segment.bytes().get_mut(torn)
    {
        bytes.copy_from_slice(&before);
        let _ = segment.broken();
    }
    stored
}

/// From here on no record of the segment tells that its bytes are on disk.
fn unsure(segment: &[u8]) -> usize {
    let told = durable_seq(segment);
    let unsure = frames_from(segment, HEADER_LEN).find(|(_, frame)| frame.seq > told);
    // The header goes with the first record.
    unsure.map_or(0, |(at, _)| if at == HEADER_LEN { 0 } else { at })
}

/// The last record that recovery found, which is on disk by now.
fn end_of(recovered: &Recovered) -> u64 {
    recovered.next_seq - 1
}

/// `torn_bytes`: the one before was not ended in order, and so many bytes behind it are gone.
fn begin<M: Medium>(
    medium: &M,
    place: &Place,
    previous: Previous,
    torn_bytes: Option<usize>,
) -> Result<(M::Segment, Appender), OpenError> {
    let number = previous.number + 1;
    let path = medium.path(number);
    let mut segment =
        medium.create(number, place.segment_bytes).map_err(|error| OpenError::File(path.clone(), error))?;
    let refused = |refused| OpenError::Segment(path.clone(), refused);
    let mut appender =
        Appender::begin(segment.bytes(), place.shard, place.identity, previous, place.stamp).map_err(refused)?;
    if let Some(torn_bytes) = torn_bytes {
        appender.recovered(segment.bytes(), place.stamp, torn_bytes).map_err(refused)?;
    }
    stored(&segment, &path)?;
    Ok((segment, appender))
}

pub(crate) fn stored(segment: &impl Segment, path: &Path) -> Result<(), OpenError> {
    let lost = || OpenError::File(path.to_owned(), io::Error::other("a store into it was lost"));
    if segment.broken() { Err(lost()) } else { Ok(()) }
}

/// Where a series ends.
struct End<S> {
    last: Option<Last<S>>,
    /// Bytes of segments behind it that were given up.
    given_up: usize,
}

struct Last<S> {
    number: u64,
    segment: S,
    recovered: Recovered,
}

/// Segments that stand behind what a power cut took.
#[derive(Default)]
struct GivenUp {
    numbers: Vec<u64>,
    bytes: usize,
    /// Up to here all was on disk, as they say.
    durable_seq: u64,
}

impl GivenUp {
    fn add(&mut self, number: u64, bytes: &[u8]) {
        self.numbers.push(number);
        self.bytes += bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
        self.durable_seq = self.durable_seq.max(durable_seq(bytes));
    }
}

/// Finds the end of the series, and removes what stands behind it: segments that were made in advance and never begun, and those that
/// continue what is lost.
fn end<M: Medium>(medium: &M) -> Result<End<M::Segment>, OpenError> {
    let mut numbers = medium.numbers().map_err(|error| OpenError::File(medium.path(0), error))?;
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut given_up = GivenUp::default();
    let mut numbers = numbers.into_iter();
    let mut last = None;
    while last.is_none()
        && let Some(number) = numbers.next()
    {
        let failed = |error| OpenError::File(medium.path(number), error);
        let corrupt = |why| Err(OpenError::Corrupt(medium.path(number), why));
        let Some(mut segment) = medium.open(number).map_err(failed)? else {
            medium.remove(number).map_err(failed)?;
            continue;
        };
        let bytes = segment.bytes();
        match recover(bytes) {
            Ok(recovered) => {
                let seq = recovered.next_seq;
                if given_up.durable_seq >= seq {
                    return corrupt(Corrupt::Lost { seq, durable_seq: given_up.durable_seq });
                }
                if continues(medium, &recovered, bytes)? {
                    last = Some(Last { number, segment, recovered });
                } else {
                    given_up.add(number, bytes);
                }
            }
            Err(_) if is_blank(bytes) => medium.remove(number).map_err(failed)?,
            Err(Corrupt::Header(HeaderFault::Blank | HeaderFault::Magic | HeaderFault::Checksum))
                if is_unfinished_header(bytes) =>
            {
                given_up.add(number, bytes);
            }
            Err(why) => return corrupt(why),
        }
    }
    if last.is_none() && given_up.durable_seq > 0 {
        let (seq, durable_seq) = (1, given_up.durable_seq);
        return Err(OpenError::Corrupt(medium.path(1), Corrupt::Lost { seq, durable_seq }));
    }
    for number in &given_up.numbers {
        medium.remove(*number).map_err(|error| OpenError::File(medium.path(*number), error))?;
    }
    Ok(End { last, given_up: given_up.bytes })
}

/// Whether the segment before this one is whole, and brings it to disk where no record of this one says that it is there; and so on.
/// False: a power cut took its end. One that is not there was moved or removed long after it was on disk.
fn continues<M: Medium>(medium: &M, recovered: &Recovered, bytes: &[u8]) -> Result<bool, OpenError> {
    let mut previous = recovered.header.previous.clone();
    let mut told = durable_seq(bytes);
    while previous.number > 0 && told < previous.last_seq() {
        let number = previous.number;
        let failed = |error| OpenError::File(medium.path(number), error);
        let corrupt = |why| OpenError::Corrupt(medium.path(number), why);
        let is_there = medium.numbers().map_err(failed)?.contains(&number);
        let Some(mut segment) = is_there.then(|| medium.open(number)).transpose().map_err(failed)?.flatten() else {
            return Ok(true);
        };
        let before = match recover(segment.bytes()) {
            Ok(before) => before,
            // It was begun after the one before it: what is said of that decides.
            Err(Corrupt::Header(_)) if is_unfinished_header(segment.bytes()) => return Ok(false),
            Err(why) => return Err(corrupt(why)),
        };
        match before.previous() {
            None => return Ok(false),
            Some(end) if end != previous => return Err(corrupt(Corrupt::Continuation)),
            Some(_) => {}
        }
        let kept = unsure(segment.bytes())..before.end;
        segment.store_anew(kept).map_err(failed)?;
        told = told.max(durable_seq(segment.bytes()));
        previous = before.header.previous;
    }
    Ok(true)
}

/// The folder of the record, and the shard whose segments are meant.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) directory: PathBuf,
    pub(crate) shard: u16,
}

impl Medium for Folder {
    type Segment = MappedSegment;
    type Target = SegmentFile;
    type Memory = MappedSegment;

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            if let Some((of, number)) = name.to_str().and_then(parse_file_name)
                && of == self.shard
            {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    fn open(&self, number: u64) -> io::Result<Option<MappedSegment>> {
        let path = self.path(number);
        if fs::metadata(&path)?.len() == 0 { Ok(None) } else { MappedSegment::open(&path).map(Some) }
    }

    fn create(&self, number: u64, len: usize) -> io::Result<MappedSegment> {
        MappedSegment::create(&self.path(number), len)
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.path(number))?;
        fs::File::open(&self.directory)?.sync_all()
    }

    fn target(&self, number: u64) -> io::Result<SegmentFile> {
        SegmentFile::open(&self.path(number))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(file_name(self.shard, number))
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        match fs::read(self.tail_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    fn new_tail(&self, len: usize) -> io::Result<MappedSegment> {
        let path = self.tail_path();
        self.remove_tail()?;
        MappedSegment::reserve(&path, len)
    }

    fn remove_tail(&self) -> io::Result<()> {
        match fs::remove_file(self.tail_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn tail_path(&self) -> PathBuf {
        self.directory.join(tail::file_name(self.shard))
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
