//! Whatever is done to a log afterwards, the verifier finds it: every mutation here must end in something other than `Whole`.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::segment::{HEADER_LEN, Header, SEGMENT_LEN_MIN};
use audit::verify::{Anchor, Options, Verdict, Why};
use log::{Numbers, log, mend, places, verify, verify_with};

type Files = Vec<(String, Vec<u8>)>;

/// Two shards of several small segments each.
fn whole() -> Files {
    let files = log(2, 100, SEGMENT_LEN_MIN, 7);
    let Verdict::Whole(summary) = verify(&files) else { panic!("{:?}", verify(&files)) };
    assert_eq!(summary.series.len(), 2);
    assert!(summary.series.iter().all(|series| series.segments > 2 && series.unrooted == 1 && series.first_seq == 1));
    files
}

#[track_caller]
fn found(files: &[(String, Vec<u8>)], what: &str) -> Verdict {
    let verdict = verify(files);
    assert!(!matches!(verdict, Verdict::Whole(_)), "not found: {what}");
    verdict
}

#[track_caller]
fn tampered(files: &[(String, Vec<u8>)], what: &str) {
    assert!(matches!(found(files, what), Verdict::Tampered(_)), "{what}: {:?}", verify(files));
}

#[test]
fn one_flipped_bit_anywhere() {
    let mut files = whole();
    let mut numbers = Numbers(0x5eed);
    for file in [0, 1, files.len() - 1] {
        let used = places(&files[file].1).last().map_or(0, |(at, length)| at + length);
        // Every byte of one segment's records, and a sample of the rest.
        let bytes: Vec<usize> = if file == 0 {
            (0..used).step_by(3).collect()
        } else {
            (0..600).map(|_| numbers.below(files[file].1.len())).collect()
        };
        for at in bytes {
            let bit = 1 << numbers.below(8);
            files[file].1[at] ^= bit;
            let verdict = found(&files, &format!("a bit of byte {at} of file {file}"));
            if at < used {
                // The last record of a series, changed so that it seems longer than it is, reads as one that was never finished.
                let last = file > 1 && places(&files[file].1).last().is_none_or(|(start, length)| at >= start + length);
                let told = matches!(verdict, Verdict::Tampered(_) | Verdict::CannotTell(_))
                    || (last && matches!(verdict, Verdict::TornTail(..)));
                assert!(told, "byte {at}: {verdict:?}");
            }
            if let (Verdict::Tampered(finding), true) = (verdict, (HEADER_LEN..used).contains(&at)) {
                let places = places(&files[file].1);
                let place = finding.offset as usize;
                assert!(place <= at && places.iter().all(|(start, _)| *start < place || place <= *start), "byte {at}");
                assert_eq!(finding.file, files[file].0);
            }
            files[file].1[at] ^= bit;
        }
    }
    assert!(matches!(verify(&files), Verdict::Whole(_)));
}

#[test]
fn a_changed_record_whose_checksum_was_mended() {
    let files = whole();
    for (at, length) in places(&files[0].1) {
        for byte in [4, 16, 24, 32, 44, length - 9] {
            if byte >= length || (40..44).contains(&byte) {
                continue;
            }
            let mut changed = files.clone();
            changed[0].1[at + byte] ^= 0x10;
            mend(&mut changed[0].1, at);
            tampered(&changed, &format!("byte {byte} of the record at {at}"));
        }
    }
}

#[test]
fn deleted_doubled_and_swapped_records() {
    let files = whole();
    for file in [0, files.len() - 1] {
        let places = places(&files[file].1);
        let end = places.last().map(|(at, length)| at + length).expect("records");
        for (index, (at, length)) in places.iter().copied().enumerate() {
            let mut deleted = files.clone();
            deleted[file].1.copy_within(at + length..end, at);
            deleted[file].1[end - length..end].fill(0);
            let verdict = found(&deleted, &format!("record {index} of file {file} deleted"));
            if index + 1 < places.len() {
                assert!(matches!(verdict, Verdict::Tampered(_)), "record {index}");
            }
            let mut zeroed = files.clone();
            zeroed[file].1[at..at + length].fill(0);
            found(&zeroed, &format!("record {index} of file {file} zeroed"));

            let mut doubled = files.clone();
            let room = doubled[file].1.len();
            doubled[file].1.copy_within(at..room - length, at + length);
            tampered(&doubled, &format!("record {index} of file {file} doubled"));

            let Some((next, next_length)) = places.get(index + 1).copied() else { continue };
            let mut swapped = files.clone();
            swapped[file].1.copy_within(next..next + next_length, at);
            swapped[file].1[at + next_length..next + next_length].copy_from_slice(&files[file].1[at..at + length]);
            tampered(&swapped, &format!("record {index} of file {file} swapped with the next"));
        }
    }
}

#[test]
fn a_deleted_record_whose_followers_were_renumbered() {
    let files = whole();
    let places = places(&files[0].1);
    let end = places.last().map(|(at, length)| at + length).expect("records");
    for (at, length) in places.iter().copied().take(places.len() - 1) {
        let mut changed = files.clone();
        let segment = &mut changed[0].1;
        segment.copy_within(at + length..end, at);
        segment[end - length..end].fill(0);
        let mut place = at;
        while place < end - length {
            let seq = u64::from_le_bytes(segment[place + 8..place + 16].try_into().expect("a number"));
            segment[place + 8..place + 16].copy_from_slice(&(seq - 1).to_le_bytes());
            let len = u32::from_le_bytes(segment[place..place + 4].try_into().expect("a length")) as usize;
            mend(segment, place);
            place += len.next_multiple_of(8);
        }
        tampered(&changed, &format!("the record at {at}"));
    }
}

#[test]
fn truncated_at_every_record_and_in_every_file() {
    let files = whole();
    for file in 0..files.len() {
        for (at, length) in places(&files[file].1) {
            for cut in [at, at + length / 2] {
                let mut shorter = files.clone();
                shorter[file].1.truncate(cut);
                tampered(&shorter, &format!("file {file} cut at {cut}"));
                let mut zeroed = files.clone();
                zeroed[file].1[cut..].fill(0);
                found(&zeroed, &format!("file {file} zeroed from {cut}"));
            }
        }
        for length in [1, HEADER_LEN - 1, HEADER_LEN, files[file].1.len() - 1] {
            let mut shorter = files.clone();
            shorter[file].1.truncate(length);
            tampered(&shorter, &format!("file {file} cut to {length}"));
        }
        let mut empty = files.clone();
        empty[file].1.clear();
        // As one that was being made when the power was cut.
        found(&empty, &format!("file {file} emptied"));
        let mut longer = files.clone();
        longer[file].1.extend_from_slice(&[0; 8]);
        tampered(&longer, &format!("file {file} made longer"));
        let mut zeroed = files.clone();
        zeroed[file].1.fill(0);
        found(&zeroed, &format!("file {file} zeroed"));
    }
}

#[test]
fn deleted_doubled_and_swapped_segments() {
    let files = whole();
    for index in 0..files.len() {
        let mut deleted = files.clone();
        deleted.remove(index);
        found(&deleted, &format!("segment {index} deleted"));

        let mut doubled = files.clone();
        doubled.insert(index, files[index].clone());
        tampered(&doubled, &format!("segment {index} doubled"));

        for other in index + 1..files.len() {
            let mut swapped = files.clone();
            swapped.swap(index, other);
            tampered(&swapped, &format!("segments {index} and {other} swapped"));
            let mut renamed = files.clone();
            renamed[index].1.clone_from(&files[other].1);
            renamed[other].1.clone_from(&files[index].1);
            tampered(&renamed, &format!("the contents of {index} and {other} swapped"));
        }
    }
}

#[test]
fn a_missing_shard() {
    let files = whole();
    for shard in ["00000", "00001"] {
        let rest: Files = files.iter().filter(|(name, _)| !name.starts_with(shard)).cloned().collect();
        tampered(&rest, "a shard's segments deleted");
    }
    assert!(matches!(verify(&[]), Verdict::CannotTell(_)));
}

#[test]
fn a_header_that_was_mended() {
    let files = whole();
    for file in 0..files.len() {
        for at in (8..300).step_by(5) {
            let mut changed = files.clone();
            let header = &mut changed[file].1[..HEADER_LEN];
            header[at] ^= 1;
            let crc = crc32c::crc32c(&header[..HEADER_LEN - 4]);
            header[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
            found(&changed, &format!("byte {at} of the header of file {file}"));
        }
    }
}

#[test]
fn an_end_that_was_cut_off_needs_an_anchor() {
    let mut files = whole();
    let last = files.len() - 1;
    let Verdict::Whole(summary) = verify(&files) else { panic!("whole") };
    let series = &summary.series[1];
    let (seq, root) = (series.last_seq, Some(series.root));
    let anchors = [Anchor { shard: 1, seq: 3, root: None }, Anchor { shard: 1, seq, root }];
    let options = Options { anchors: &anchors, open: true, keys: None };
    assert!(matches!(verify_with(&files, &options), Verdict::Whole(_)));

    let other = [Anchor { shard: 1, seq, root: Some([9; 32]) }];
    assert!(matches!(verify_with(&files, &Options { anchors: &other, open: true, keys: None }), Verdict::Tampered(_)));

    let (at, _) = *places(&files[last].1).last().expect("records");
    files[last].1[at..].fill(0);
    let Verdict::TornTail(_, finding) = verify(&files) else { panic!("no stop") };
    assert_eq!(finding.why, Why::NoStop);
    let Verdict::Tampered(finding) = verify_with(&files, &options) else { panic!("the anchor is not met") };
    assert_eq!((finding.why, finding.shard, finding.seq), (Why::Anchor, 1, seq));
}

#[test]
fn a_file_that_cannot_be_read_or_is_of_a_later_version() {
    let files = whole();
    let broken = files.iter().map(|(name, bytes)| {
        let reader = if name.contains("-0000000002") {
            Err(std::io::ErrorKind::PermissionDenied.into())
        } else {
            Ok(bytes.as_slice())
        };
        (name.clone(), reader)
    });
    let verdict = audit::verify::verify(broken, &Options::default());
    assert_eq!(verdict.exit_status(), 5);
    let mut later = files.clone();
    let header = &mut later[0].1[..HEADER_LEN];
    header[8] = 3;
    let crc = crc32c::crc32c(&header[..HEADER_LEN - 4]);
    header[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(verify(&later).exit_status(), 5);
}

#[test]
fn a_header_is_read_as_it_was_written() {
    let files = whole();
    for (_, bytes) in &files {
        let header = Header::read(bytes).expect("a header");
        assert_eq!(header.encode()[..], bytes[..HEADER_LEN]);
    }
}
