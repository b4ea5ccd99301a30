//! A series of the host's on disk: find its end, write one record and a stop, let go.
//!
//! A new segment is made under another name and gets its own when its first records are in it and on disk, and it is made
//! before the one before it is sealed: so a full disk or a kill leaves the series as it was. Only a kill between that seal and
//! the rename leaves a series that `audit verify` calls a torn tail, until the next verb goes on with it.
//!
//! What a verb finds is what was stored, and the fsync of the verb before may have failed: the kernel said so once and takes those pages for
//! written since. So all that no record tells to be on disk is stored anew first, as shards do ([`proxy::settle`]). So with a new segment's
//! name: the second verb in a segment has the folder written before it stores anything, so where there are records of two, the name is on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use audit::chain::Tree;
use audit::segment::{
    Appender, Corrupt, HeaderFault, Identity, NODE_SHARD, Previous, Recovered, Refused, SEGMENT_LEN_MAX, Stamp,
    file_name, parse_file_name, recover,
};
use audit::{Head, RecordId};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use proxy::Segment;
use uring::MappedSegment;

use super::Error;
use crate::root_key;

/// Bytes of one segment: some thousand records of these verbs, and made anew in a few milliseconds.
const SEGMENT_BYTES: usize = 1 << 20;
/// How long another process may hold the lock: it writes one record.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the verb leaves that makes a segment: its record and a stop.
const RECORDS_OF_ONE: u64 = 2;
/// How often the lock is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(5);

/// Which series, and in which folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The folder of its segments.
    pub(crate) folder: &'a Path,
    /// The shard number that it has.
    pub(crate) shard: u16,
}

impl Place<'_> {
    /// The lock's file; it stays.
    fn lock(&self) -> PathBuf {
        self.folder.join(format!("{:05}.lock", self.shard))
    }

    /// What the next segment is called until its first records are on disk.
    fn unfinished(&self) -> PathBuf {
        self.folder.join(format!("{:05}.new", self.shard))
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.folder.join(file_name(self.shard, number))
    }
}

/// A record that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    /// Which.
    pub(crate) record: RecordId,
    /// How far the series is, the stop behind the record included.
    pub(crate) head: Head,
    /// The segment that it stands in.
    pub(crate) segment: u64,
}

/// Writes one record at the end of the series, and an orderly stop behind it; all is on disk when this returns.
pub(crate) fn append(place: &Place<'_>, kind: u8, payload: &[u8]) -> Result<Appended, Error> {
    append_by(place, kind, payload, sync_names)
}

/// The names in a folder are on disk when this returns.
pub(super) fn sync_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The same as [`append`] with another way to bring names to disk.
fn append_by(
    place: &Place<'_>,
    kind: u8,
    payload: &[u8],
    sync_names: impl Fn(&Path) -> io::Result<()>,
) -> Result<Appended, Error> {
    let _lock = lock(place)?;
    let mut tail = Tail::open(place, &sync_names)?;
    let seq = match tail.store(kind, payload) {
        Err(Refused::Full) => {
            tail = tail.next(place)?;
            tail.store(kind, payload)
        }
        other => other,
    };
    let seq = seq.map_err(|why| Error::Segment(tail.path.clone(), why))?;
    let segment = tail.appender.header().number();
    tail.stop()?;
    tail.named(place, &sync_names)?;
    let head = tail.head(place.shard);
    Ok(Appended { record: RecordId { shard: place.shard, seq }, head, segment })
}

/// How far a series is, for whoever does not write it. The folder may be somebody else's: no link is followed.
pub(crate) fn head(place: &Place<'_>) -> Result<Head, Error> {
    let number = last_number(place).map_err(|why| Error::File(place.folder.to_path_buf(), why))?;
    let Some(number) = number else {
        return Ok(Head { shard: place.shard, size: 0, root: Tree::EMPTY.root() });
    };
    let path = place.segment(number);
    let mut bytes = Vec::new();
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path);
    let read = opened.and_then(|file| file.take(SEGMENT_LEN_MAX as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|why| Error::File(path.clone(), why))?;
    let tree = recover(&bytes).map_err(|why| Error::Corrupt(path, why))?.tree;
    Ok(Head { shard: place.shard, size: tree.size(), root: tree.root() })
}

/// The boot of this host; zeros where the kernel does not show it.
pub(crate) fn boot_id() -> [u8; 16] {
    id_in("/proc/sys/kernel/random/boot_id")
}

/// One writer at a time; let go when dropped, or with the process. Without a bound a process that stands still would keep a
/// detach waiting for good.
fn lock(place: &Place<'_>) -> Result<Flock<File>, Error> {
    let path = place.lock();
    let failed = |why: io::Error| Error::File(path.clone(), why);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(&path).map_err(failed)?;
    let start = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((same, Errno::EAGAIN | Errno::EINTR)) if start.elapsed() < PATIENCE => file = same,
            Err((_, Errno::EAGAIN | Errno::EINTR)) => return Err(Error::Busy(path)),
            Err((_, why)) => return Err(failed(why.into())),
        }
        sleep(TRY_EVERY);
    }
}

/// The segment that is written on, and the state of its writing.
struct Tail<S> {
    path: PathBuf,
    segment: S,
    appender: Appender,
    /// The last record that is known to be on disk.
    durable_seq: u64,
    /// It has the name of one that is being made.
    new: bool,
}

impl Tail<MappedSegment> {
    /// The end of the series: its last segment, where that is of this boot and host and not sealed, else a new one.
    fn open(place: &Place<'_>, sync_names: impl Fn(&Path) -> io::Result<()>) -> Result<Tail<MappedSegment>, Error> {
        let Some((path, mut segment, recovered)) = last(place)? else {
            return Tail::begin(place, make(place)?, Previous::NONE);
        };
        if recovered.records <= RECORDS_OF_ONE {
            sync_names(place.folder).map_err(|why| Error::File(place.folder.to_path_buf(), why))?;
        }
        if let Some(previous) = recovered.previous() {
            settle(&path, &mut segment, &recovered)?;
            return Tail::begin(place, make(place)?, previous);
        }
        let tail = Tail::resume(path, segment, &recovered)?;
        if recovered.header.identity == identity(place) { Ok(tail) } else { tail.next(place) }
    }

    /// Seals this segment and begins the next.
    fn next(mut self, place: &Place<'_>) -> Result<Tail<MappedSegment>, Error> {
        let segment = make(place)?;
        let sealed = self.appender.seal(self.segment.bytes(), stamp(), self.durable_seq);
        let previous = sealed.map_err(|why| Error::Segment(self.path.clone(), why))?;
        self.sync()?;
        Tail::begin(place, segment, previous)
    }

    /// It has its own name from here on.
    fn named(&self, place: &Place<'_>, sync_names: impl Fn(&Path) -> io::Result<()>) -> Result<(), Error> {
        if !self.new {
            return Ok(());
        }
        let own = place.segment(self.appender.header().number());
        let named = fs::rename(&self.path, &own).and_then(|()| sync_names(place.folder));
        named.map_err(|why| Error::File(own, why))
    }
}

impl<S: Segment> Tail<S> {
    fn begin(place: &Place<'_>, mut segment: S, previous: Previous) -> Result<Tail<S>, Error> {
        let path = place.unfinished();
        // The one before was brought to disk before this one is begun.
        let durable_seq = previous.last_seq();
        match Appender::begin(segment.bytes(), place.shard, identity(place), previous, stamp()) {
            Ok(appender) => Ok(Tail { path, segment, appender, durable_seq, new: true }),
            Err(why) => Err(Error::Segment(path, why)),
        }
    }

    fn resume(path: PathBuf, mut segment: S, recovered: &Recovered) -> Result<Tail<S>, Error> {
        settle(&path, &mut segment, recovered)?;
        match Appender::resume(segment.bytes(), recovered, stamp()) {
            Ok(appender) => Ok(Tail { path, segment, appender, durable_seq: recovered.next_seq - 1, new: false }),
            Err(why) => Err(Error::Segment(path, why)),
        }
    }

    fn store(&mut self, kind: u8, payload: &[u8]) -> Result<u64, Refused> {
        self.appender.append(self.segment.bytes(), kind, 0, stamp(), payload)
    }

    /// The last record of a verb; from here on it is on disk.
    fn stop(&mut self) -> Result<(), Error> {
        let stopped = self.appender.stop(self.segment.bytes(), stamp(), self.durable_seq);
        stopped.map_err(|why| Error::Segment(self.path.clone(), why))?;
        self.sync()
    }

    fn head(mut self, shard: u16) -> Head {
        self.appender.hash(self.segment.bytes(), 1);
        let tree = self.appender.tree();
        Head { shard, size: tree.size(), root: tree.root() }
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.segment.store_anew(0..0).map_err(|why| Error::File(self.path.clone(), why))?;
        if self.segment.broken() { Err(Error::Broken(self.path.clone())) } else { Ok(()) }
    }
}

fn settle(path: &Path, segment: &mut impl Segment, recovered: &Recovered) -> Result<(), Error> {
    proxy::settle(segment, recovered).map_err(|why| Error::File(path.to_path_buf(), why))
}

/// The next segment, all its blocks taken; what an earlier verb left half made goes.
fn make(place: &Place<'_>) -> Result<MappedSegment, Error> {
    let path = place.unfinished();
    let failed = |why| Error::File(path.clone(), why);
    match fs::remove_file(&path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(failed(why)),
        _ => {}
    }
    MappedSegment::create(&path, SEGMENT_BYTES).map_err(failed)
}

/// The last segment that was begun. One without a header is no work of ours, and is not passed over.
fn last(place: &Place<'_>) -> Result<Option<(PathBuf, MappedSegment, Recovered)>, Error> {
    let Some(number) = last_number(place).map_err(|why| Error::File(place.folder.to_path_buf(), why))? else {
        return Ok(None);
    };
    let path = place.segment(number);
    let mut segment = MappedSegment::open(&path).map_err(|why| Error::File(path.clone(), why))?;
    match recover(segment.bytes()) {
        // Its name is not in what it says of itself: somebody moved it here.
        Ok(recovered) if (recovered.header.shard, recovered.header.number()) != (place.shard, number) => {
            Err(Error::Corrupt(path, Corrupt::Header(HeaderFault::Range)))
        }
        Ok(recovered) => Ok(Some((path, segment, recovered))),
        Err(corrupt) => Err(Error::Corrupt(path, corrupt)),
    }
}

fn last_number(place: &Place<'_>) -> io::Result<Option<u64>> {
    let mut last = None;
    for entry in fs::read_dir(place.folder)? {
        let name = entry?.file_name();
        if let Some((shard, number)) = name.to_str().and_then(parse_file_name)
            && shard == place.shard
        {
            last = last.max(Some(number));
        }
    }
    Ok(last)
}

/// Whose record it is. It tells of no shards: the service may never have run, and its own series say how many there are.
/// A host without these files has zeros in their place, as in the shards' headers.
/// The service, to which the kernel may not show the boot, has it from the certificate of its run.
fn identity(place: &Place<'_>) -> Identity {
    let boot_id = match place.shard {
        NODE_SHARD => root_key::boot(place.folder).unwrap_or_default(),
        _ => boot_id(),
    };
    Identity { shards: 0, boot_id, host_id: id_in("/etc/machine-id"), config: [0; 32] }
}

/// The hexadecimal number in a file; zeros where it cannot be read.
fn id_in(path: &str) -> [u8; 16] {
    let text = fs::read_to_string(path).unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
}

fn stamp() -> Stamp {
    Stamp { mono_ns: uring::mono_ns(), wall_ns: uring::wall_ns() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::RecordType;
    use audit::segment::SERVICE_SHARD;
    use audit::verify::{Options, Verdict, verify};

    const ATTACH: u8 = RecordType::Attach.code();

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("host-record-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Scratch(path)
        }

        fn append(&self, payload: &[u8]) -> u64 {
            append(&self.place(), ATTACH, payload).unwrap().record.seq
        }

        fn place(&self) -> Place<'_> {
            Place { folder: &self.0, shard: SERVICE_SHARD }
        }

        fn segment(&self, number: u64) -> PathBuf {
            self.0.join(file_name(SERVICE_SHARD, number))
        }

        /// The verifier's exit status, and how many records and segments it saw.
        fn verdict(&self) -> (u8, u64, u64) {
            let mut files: Vec<PathBuf> = fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|e| e == "seg"));
            files.sort();
            let opened = files.iter().map(|path| (path.display().to_string(), File::open(path)));
            let verdict = verify(opened, &Options::default());
            match &verdict {
                Verdict::Whole(found) | Verdict::TornTail(found, _) => {
                    (verdict.exit_status(), found.records, found.series[0].segments)
                }
                Verdict::Tampered(_) | Verdict::CannotTell(_) => (verdict.exit_status(), 0, 0),
            }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A page cache and what is behind it: a failed fsync writes nothing, and the pages count as clean from then on.
    struct Kernel {
        cache: Vec<u8>,
        clean: Vec<u8>,
        disk: Vec<u8>,
        fails: bool,
    }

    impl Segment for Kernel {
        fn bytes(&mut self) -> &mut [u8] {
            &mut self.cache
        }

        fn broken(&self) -> bool {
            false
        }

        fn store_anew(&mut self, range: std::ops::Range<usize>) -> io::Result<()> {
            for page in 0..self.cache.len() / 4096 {
                let bytes = page * 4096..(page + 1) * 4096;
                let is_stored = range.start < bytes.end && bytes.start < range.end;
                if !self.fails && (is_stored || self.cache[bytes.clone()] != self.clean[bytes.clone()]) {
                    self.disk[bytes.clone()].copy_from_slice(&self.cache[bytes]);
                }
            }
            self.clean.clone_from(&self.cache);
            if std::mem::take(&mut self.fails) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        }
    }

    /// A verb that goes on where the last one left off; what the disk has of the series then.
    fn verb(kernel: Kernel, payload: &[u8]) -> (Result<(), Error>, Kernel) {
        let recovered = recover(&kernel.cache).unwrap();
        let mut tail = Tail::resume(PathBuf::new(), kernel, &recovered).unwrap();
        tail.store(ATTACH, payload).unwrap();
        (tail.stop(), tail.segment)
    }

    #[test]
    fn what_a_failed_fsync_left_is_stored_anew_by_the_next_verb() {
        let place = Place { folder: Path::new("/nonexistent"), shard: SERVICE_SHARD };
        let zeros = vec![0; 64 << 10];
        let kernel = Kernel { cache: zeros.clone(), clean: zeros.clone(), disk: zeros, fails: false };
        let mut tail = Tail::begin(&place, kernel, Previous::NONE).unwrap();
        tail.store(ATTACH, &[1; 5000]).unwrap();
        tail.stop().unwrap();
        let (done, kernel) = verb(tail.segment, &[2; 5000]);
        assert!(done.is_ok());
        let recovered = recover(&kernel.cache).unwrap();
        let mut tail = Tail::resume(PathBuf::new(), kernel, &recovered).unwrap();
        tail.segment.fails = true;
        tail.store(ATTACH, &[3; 9000]).unwrap();
        assert!(tail.stop().is_err());
        let (done, mut kernel) = verb(tail.segment, &[4; 10]);
        assert!(done.is_ok());
        assert_eq!(recover(&kernel.disk).unwrap().next_seq, recover(&kernel.cache).unwrap().next_seq);
        // And what is on disk is told: the next verb needs not store it anew.
        assert_eq!(audit::segment::durable_seq(kernel.bytes()), 6);
    }

    /// The verb before failed since the name of its segment may not be on disk; the next one finds the name all the same.
    #[test]
    fn a_name_whose_fsync_failed_is_brought_to_disk_by_the_next_verb() {
        let scratch = Scratch::new("name");
        let (calls, fails) = (std::cell::Cell::new(0), std::cell::Cell::new(true));
        let verb = || {
            append_by(&scratch.place(), ATTACH, b"", |_| {
                calls.set(calls.get() + 1);
                if fails.get() { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
            })
        };
        for failed in 1..=2 {
            assert!(matches!(verb(), Err(Error::File(..))) && calls.get() == failed && scratch.segment(1).exists());
            // The second one stored nothing.
            assert_eq!(scratch.verdict(), (0, 2, 1));
        }
        fails.set(false);
        assert_eq!((verb().unwrap().record.seq, calls.get()), (3, 3));
        // It is known from here on.
        assert_eq!((verb().unwrap().record.seq, calls.get()), (5, 3));
    }

    #[test]
    fn each_record_leaves_the_series_whole() {
        let scratch = Scratch::new("each");
        for round in 1..=5 {
            // A stop follows each.
            assert_eq!(scratch.append(b"\x01\x01\x01"), 2 * round - 1);
            assert_eq!(scratch.verdict(), (0, 2 * round, 1));
        }
    }

    #[test]
    fn a_full_segment_is_sealed_and_the_next_one_continues_it() {
        let scratch = Scratch::new("full");
        (0..10).for_each(|_| _ = scratch.append(&[7; 200_000]));
        let (status, records, segments) = scratch.verdict();
        // Each record and its stop, and the seals of all segments but the last.
        assert_eq!((status, records), (0, 20 + segments - 1));
        assert!(segments > 1 && !scratch.place().unfinished().exists());
    }

    #[test]
    fn what_a_kill_leaves_is_cleared_and_said() {
        let scratch = Scratch::new("kill");
        scratch.append(b"");
        let mut bytes = fs::read(scratch.segment(1)).unwrap();
        let end = recover(&bytes).unwrap().end;
        // A frame without its length.
        bytes[end + 4..end + 20].fill(9);
        fs::write(scratch.segment(1), bytes).unwrap();
        fs::write(scratch.place().unfinished(), b"half").unwrap();
        assert_eq!(scratch.verdict(), (4, 2, 1));
        scratch.append(b"");
        assert_eq!(scratch.verdict(), (0, 5, 1));
    }

    #[test]
    fn a_damaged_series_takes_no_record() {
        let scratch = Scratch::new("damaged");
        (0..2).for_each(|_| _ = scratch.append(&[3; 100]));
        let mut bytes = fs::read(scratch.segment(1)).unwrap();
        bytes[audit::segment::HEADER_LEN + 50] ^= 1;
        fs::write(scratch.segment(1), &bytes).unwrap();
        assert!(matches!(append(&scratch.place(), ATTACH, b""), Err(Error::Corrupt(..))));
        assert!(fs::read(scratch.segment(1)).unwrap() == bytes, "the evidence was changed");
    }

    #[test]
    fn another_boot_begins_a_segment_of_its_own() {
        let scratch = Scratch::new("boot");
        let before = Identity { boot_id: [1; 16], ..identity(&scratch.place()) };
        let mut segment = MappedSegment::create(&scratch.segment(1), SEGMENT_BYTES).unwrap();
        let begun = Appender::begin(segment.bytes(), SERVICE_SHARD, before, Previous::NONE, stamp());
        begun.unwrap().stop(segment.bytes(), stamp(), 0).unwrap();
        scratch.append(b"");
        assert_eq!(scratch.verdict(), (0, 4, 2));
    }

    #[test]
    fn many_at_once_do_not_tear_it() {
        let scratch = Scratch::new("many");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..8).for_each(|_| _ = scratch.append(&[5; 20_000])));
            }
        });
        let (status, records, segments) = scratch.verdict();
        assert_eq!((status, records), (0, 64 + segments - 1));
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let scratch = Scratch::new("link");
        std::os::unix::fs::symlink("elsewhere", scratch.place().lock()).unwrap();
        assert!(matches!(append(&scratch.place(), ATTACH, b""), Err(Error::File(..))));
        assert!(!scratch.0.join("elsewhere").exists());
    }
}
