//! What an earlier process stored last and did not write: its tail is taken into the segments before anything else reads or goes on with them.
//!
//! A killed process leaves all that it stored. After a power cut a tail may be older than the segments, or in pieces of several times. So it is
//! judged by what it holds and not by how the process ended: a record is taken where it continues what the segment has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::Path;
use std::{fs, io};

use audit::segment::{Corrupt, HEADER_LEN, Header, file_name, frames_from, is_unfinished_header, recover};

use crate::driver::{Medium, Segment};
use crate::recovery::{Folder, OpenError, is_blank, lock, stored};
use crate::tail::{self, Held};

/// Where a segment has new records, and the segment with them.
type Continued = (Range<usize>, Vec<u8>);

/// Takes the tails of all shards in, also of those that the service has no more. For a start, before anybody reads the record's end.
pub fn take_in_all(directory: &Path) -> Result<(), OpenError> {
    let _held = lock(directory)?;
    take_in_locked(directory)
}

/// The same where the lock is held.
pub(crate) fn take_in_locked(directory: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::File(directory.to_owned(), error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(shard) = name.to_str().and_then(tail::parse_file_name) else { continue };
        take_in(&Folder { directory: directory.to_owned(), shard })?;
    }
    Ok(())
}

/// Takes one series' tail in. Then it is gone: what it had is in the segments, and on disk.
pub(crate) fn take_in<M: Medium>(medium: &M) -> Result<(), OpenError> {
    let failed = |error: io::Error| OpenError::File(medium.tail_path(), error);
    let memory = medium.tail().map_err(failed)?;
    tail::held(&memory).iter().try_for_each(|held| take_region(medium, held))?;
    medium.remove_tail().map_err(failed)
}

/// Records in the tails of a folder that are in no segment yet: after a kill, until a start takes them in. Changes nothing.
pub fn waiting(directory: &Path) -> io::Result<u64> {
    let mut records = 0;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some(shard) = name.to_str().and_then(tail::parse_file_name) else { continue };
        let memory = fs::read(directory.join(&name))?;
        let mut segments = BTreeMap::new();
        for held in tail::held(&memory) {
            if let Entry::Vacant(place) = segments.entry(held.segment) {
                match fs::read(directory.join(file_name(shard, held.segment))) {
                    // What is missing is told by whoever reads the segments.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    read => _ = place.insert(read?),
                }
            }
            let Some(segment) = segments.get_mut(&held.segment) else { continue };
            // What is damaged is told by them too.
            if let Ok(Some((range, continued))) = continuation(segment, &held) {
                let taken = frames_from(&continued, range.start.max(HEADER_LEN));
                records += taken.take_while(|(at, _)| *at < range.end).count() as u64;
                segment[range.clone()].copy_from_slice(&continued[range]);
            }
        }
    }
    Ok(records)
}

/// Takes the records of a region into their segment, as far as they continue what it has.
fn take_region<M: Medium>(medium: &M, held: &Held<'_>) -> Result<(), OpenError> {
    let failed = |error| OpenError::File(medium.path(held.segment), error);
    if is_blank(held.bytes) {
        return Ok(());
    }
    let missing = || OpenError::Tail(medium.tail_path(), medium.path(held.segment));
    if !medium.numbers().map_err(failed)?.contains(&held.segment) {
        return Err(missing());
    }
    // What was stored of a segment was stored after its file was made.
    let mut segment = medium.open(held.segment).map_err(failed)?.ok_or_else(missing)?;
    let found = continuation(segment.bytes(), held);
    let found = found.map_err(|why| OpenError::Corrupt(medium.path(held.segment), why))?;
    let Some((range, continued)) = found else { return Ok(()) };
    segment.bytes()[range.clone()].copy_from_slice(&continued[range.clone()]);
    segment.store_anew(range).map_err(failed)?;
    stored(&segment, &medium.path(held.segment))
}

/// The segment with those records of the region that continue it, and where they stand in it; `None`: there are none. What a damaged
/// segment is continued by nobody can tell.
fn continuation(segment: &[u8], held: &Held<'_>) -> Result<Option<Continued>, Corrupt> {
    let (end, mut seq) = match recover(segment) {
        Ok(recovered) => (recovered.end, Some(recovered.next_seq)),
        Err(Corrupt::Header(_)) if is_blank(segment) || is_unfinished_header(segment) => (0, None),
        Err(why) => return Err(why),
    };
    let Some(known) = segment.get(held.at..end) else { return Ok(None) };
    let room = held.bytes.len().min(segment.len() - held.at);
    let mut whole = segment.to_vec();
    whole[held.at..held.at + room].copy_from_slice(&held.bytes[..room]);
    if !whole[held.at..].starts_with(known) {
        return Ok(None);
    }
    let mut new_end = end;
    if end == 0 {
        let header = Header::read(&whole).ok().filter(|header| header.size == segment.len() as u64);
        let Some(header) = header else { return Ok(None) };
        (new_end, seq) = (HEADER_LEN, Some(header.first_seq()));
    }
    for (at, frame) in frames_from(&whole, new_end) {
        if Some(frame.seq) != seq {
            break;
        }
        (new_end, seq) = (at + frame.room(), Some(frame.seq + 1));
    }
    Ok((new_end > end).then_some((end..new_end, whole)))
}

#[cfg(test)]
mod tests {
    use audit::RecordType;
    use audit::segment::{Appender, Identity, Previous, SEGMENT_LEN_MIN, Stamp};
    use uring::SegmentFile;

    use super::*;
    use crate::tail::{PAGE, Tail};

    const BOTH: Stamp = Stamp { mono_ns: 1, wall_ns: 1 };

    struct Scratch(std::path::PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn scratch(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("proxy-left-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    /// A process that stored so many records of a shard, wrote none, and was killed; the memory that it left.
    fn killed(directory: &Path, shard: u16, records: u8) -> Vec<u8> {
        killed_with(directory, shard, records, 0)
    }

    fn killed_with(directory: &Path, shard: u16, records: u8, other: u8) -> Vec<u8> {
        let (path, size) = (directory.join(file_name(shard, 1)), SEGMENT_LEN_MIN);
        let _ = fs::remove_file(&path);
        assert!(SegmentFile::create(&path, size).unwrap().file().0 >= 0);
        let mut tail = Tail::new(vec![0; tail::len(size)], size, 1, 0, &[]);
        let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
        let mut appender = Appender::begin_of(size, tail.window(), shard, identity, Previous::NONE, BOTH).unwrap();
        for record in 0..records {
            appender.append(tail.window(), RecordType::Canary.code(), 0, BOTH, &[record ^ other; 300]).unwrap();
            // Regions change under the records.
            if record % 4 == 3 {
                appender.hash(tail.window(), u64::MAX);
                let _ = tail.turn(appender.end(), appender.last_seq());
            }
        }
        let memory = tail.into_memory();
        fs::write(directory.join(tail::file_name(shard)), &memory).unwrap();
        memory
    }

    fn records(directory: &Path, shard: u16) -> usize {
        audit::segment::frames(&fs::read(directory.join(file_name(shard, 1))).unwrap()).count()
    }

    #[test]
    fn what_a_killed_process_stored_is_in_the_segments_of_all_shards() {
        let Scratch(directory) = &scratch("killed");
        for (shard, stored) in [(0, 7), (3, 1), (5, 0)] {
            killed(directory, shard, stored);
            assert_eq!(records(directory, shard), 0);
        }
        assert_eq!((waiting(directory).unwrap(), records(directory, 0)), (8, 0));
        for _ in 0..2 {
            take_in_all(directory).unwrap();
            assert_eq!(waiting(directory).unwrap(), 0);
            assert_eq!([0, 3, 5].map(|shard| records(directory, shard)), [7, 1, 0]);
            assert!([0, 3, 5].iter().all(|shard| !directory.join(tail::file_name(*shard)).exists()));
        }
    }

    #[test]
    fn what_does_not_continue_the_segment_is_not_taken() {
        let Scratch(directory) = &scratch("stale");
        let (segment, tail) = (directory.join(file_name(0, 1)), directory.join(tail::file_name(0)));
        let older = killed(directory, 0, 3);
        killed(directory, 0, 7);
        take_in_all(directory).unwrap();
        let whole = fs::read(&segment).unwrap();
        // Each page of the tail as it was, older, or never written, in front of a segment that is further.
        for pages in 0_usize..16 {
            let mut memory = older.clone();
            for (number, page) in memory.chunks_mut(PAGE).take(4).enumerate().filter(|(page, _)| pages >> page & 1 == 1)
            {
                page.fill(if number == 0 { 0 } else { 9 });
            }
            fs::write(&tail, &memory).unwrap();
            take_in_all(directory).unwrap();
            assert!(fs::read(&segment).unwrap() == whole, "pages {pages:04b}");
        }
    }

    #[test]
    fn what_continues_another_segment_of_that_number_is_not_taken() {
        let (Scratch(directory), Scratch(elsewhere)) = (&scratch("here"), &scratch("elsewhere"));
        // Records of the same length and numbers, further than here.
        let other = killed_with(elsewhere, 0, 7, 0xFF);
        killed(directory, 0, 3);
        take_in_all(directory).unwrap();
        fs::write(directory.join(tail::file_name(0)), other).unwrap();
        assert_eq!(waiting(directory).unwrap(), 0);
        take_in_all(directory).unwrap();
        assert_eq!(records(directory, 0), 3);
    }

    #[test]
    fn the_tail_of_a_damaged_segment_stays_until_somebody_looked() {
        let Scratch(directory) = &scratch("damaged");
        let (segment, tail) = (directory.join(file_name(0, 1)), directory.join(tail::file_name(0)));
        killed(directory, 0, 3);
        take_in_all(directory).unwrap();
        let (three, seven) = (fs::read(&segment).unwrap(), killed(directory, 0, 7));
        // A bad byte in the first record, and good ones behind it.
        let mut damaged = three.clone();
        damaged[HEADER_LEN + 100] ^= 1;
        fs::write(&segment, &damaged).unwrap();
        let told = take_in_all(directory).unwrap_err().to_string();
        assert!(told.contains("00000-0000000001.seg: ") && told.contains("with its .tail"), "{told}");
        assert_eq!((fs::read(&tail).unwrap() == seven, waiting(directory).unwrap()), (true, 0));
        assert!(fs::read(&segment).unwrap() == damaged);
        fs::write(&segment, three).unwrap();
        take_in_all(directory).unwrap();
        assert_eq!((records(directory, 0), tail.exists()), (7, false));
    }

    #[test]
    fn a_tail_without_its_segment_is_told() {
        let Scratch(directory) = &scratch("missing");
        killed(directory, 2, 1);
        fs::remove_file(directory.join(file_name(2, 1))).unwrap();
        let told = take_in_all(directory).unwrap_err().to_string();
        assert!(told.contains("00002.tail has the last records of") && told.contains("00002-0000000001.seg"), "{told}");
        assert!(directory.join(tail::file_name(2)).exists());
        fs::write(directory.join(file_name(2, 1)), []).unwrap();
        assert!(take_in_all(directory).is_err() && directory.join(tail::file_name(2)).exists());
        killed(directory, 2, 0);
        fs::remove_file(directory.join(file_name(2, 1))).unwrap();
        // A header without a record is nothing that can be lost, but it was begun.
        assert!(take_in_all(directory).is_err());
        fs::write(directory.join(tail::file_name(2)), []).unwrap();
        take_in_all(directory).unwrap();
    }
}
