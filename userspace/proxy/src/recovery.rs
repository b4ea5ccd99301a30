//! Where a shard's record goes on after a start: at the end of its last segment, or in a new one.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use audit::segment::{
    Appender, Corrupt, HeaderFault, Identity, Previous, Refused, file_name, parse_file_name, recover,
};
use uring::MappedSegment;

use crate::journal::{Journal, stamp};
use crate::settings::RecordSettings;
use crate::supply::FileSupply;

/// Why the record of a shard cannot be continued. The shard does not start: the operator must look.
#[derive(Debug)]
pub enum OpenError {
    /// A file or directory cannot be used.
    File(PathBuf, io::Error),
    /// The last segment is damaged before its end.
    Corrupt(PathBuf, Corrupt),
    /// The settings allow no segment, or the last one cannot be closed.
    Segment(PathBuf, Refused),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::File(path, error) => write!(f, "the record: {}: {error}", path.display()),
            OpenError::Corrupt(path, corrupt) => write!(
                f,
                "the record: {}: {corrupt}; run `interceptor audit verify`, then move the damaged series away",
                path.display()
            ),
            OpenError::Segment(path, refused) => write!(f, "the record: {}: {refused}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Continues the record of a shard, and starts the helper that makes its next segments.
pub(crate) fn open(
    settings: &RecordSettings,
    identity: Identity,
    shard: u16,
) -> Result<Journal<MappedSegment>, OpenError> {
    let directory = &settings.directory;
    make_directory(directory).map_err(|error| OpenError::File(directory.clone(), error))?;
    let last = last_used(directory, shard)?;
    let last_number = last.as_ref().map_or(0, |last| last.number);
    let (segment, appender) = match last {
        Some(last) => go_on(settings, identity, shard, last)?,
        None => begin(settings, identity, shard, Previous::NONE)?,
    };
    let first = appender.header().number().max(last_number) + 1;
    let (named, len) = (directory.clone(), settings.segment_bytes);
    let supply = FileSupply::start(shard, first, len, move |number| named.join(file_name(shard, number)))
        .map_err(|error| OpenError::File(directory.clone(), error))?;
    Ok(Journal::resume(shard, identity, segment, appender, Box::new(supply)))
}

struct Last {
    path: PathBuf,
    number: u64,
    segment: MappedSegment,
    recovered: audit::segment::Recovered,
}

/// The last segment of the shard that was begun. Those made in advance and never begun are removed.
fn last_used(directory: &Path, shard: u16) -> Result<Option<Last>, OpenError> {
    for number in numbers(directory, shard).map_err(|error| OpenError::File(directory.to_path_buf(), error))? {
        let path = directory.join(file_name(shard, number));
        let file = |error| OpenError::File(path.clone(), error);
        if fs::metadata(&path).map_err(file)?.len() == 0 {
            fs::remove_file(&path).map_err(file)?;
            continue;
        }
        let mut segment = MappedSegment::open(&path).map_err(file)?;
        match recover(segment.bytes()) {
            Ok(recovered) => return Ok(Some(Last { path, number, segment, recovered })),
            Err(Corrupt::Header(HeaderFault::Blank)) if is_blank(segment.bytes()) => {
                fs::remove_file(&path).map_err(file)?;
            }
            Err(corrupt) => return Err(OpenError::Corrupt(path, corrupt)),
        }
    }
    Ok(None)
}

/// The numbers of the shard's segments, the last first.
fn numbers(directory: &Path, shard: u16) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some((of, number)) = name.to_str().and_then(parse_file_name)
            && of == shard
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// Goes on in the last segment where it is of this very service, boot and size; else seals it and begins the next.
fn go_on(
    settings: &RecordSettings,
    identity: Identity,
    shard: u16,
    last: Last,
) -> Result<(MappedSegment, Appender), OpenError> {
    let Last { path, mut segment, recovered, .. } = last;
    if let Some(previous) = recovered.previous() {
        return begin(settings, identity, shard, previous);
    }
    let refused = |refused| OpenError::Segment(path.clone(), refused);
    let now = stamp(now());
    let mut appender = Appender::resume(segment.bytes(), &recovered, now).map_err(refused)?;
    let same = recovered.header.identity == identity && recovered.header.size == settings.segment_bytes as u64;
    if same {
        return Ok((segment, appender));
    }
    let previous = appender.seal(segment.bytes(), now, recovered.header.previous.last_seq()).map_err(refused)?;
    segment.sync().map_err(|error| OpenError::File(path.clone(), error))?;
    begin(settings, identity, shard, previous)
}

fn begin(
    settings: &RecordSettings,
    identity: Identity,
    shard: u16,
    previous: Previous,
) -> Result<(MappedSegment, Appender), OpenError> {
    let path = settings.directory.join(file_name(shard, previous.number + 1));
    let mut segment =
        MappedSegment::create(&path, settings.segment_bytes).map_err(|error| OpenError::File(path.clone(), error))?;
    let appender = Appender::begin(segment.bytes(), shard, identity, previous, stamp(now()))
        .map_err(|refused| OpenError::Segment(path, refused))?;
    Ok((segment, appender))
}

fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn now() -> session::Now {
    session::Now { mono_ns: uring::mono_ns(), wall_ns: uring::wall_ns() }
}
