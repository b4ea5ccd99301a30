//! A kill or a power cut at any point leaves a valid beginning, and writing goes on from there.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::RecordType;
use audit::segment::{Appender, Corrupt, HEADER_LEN, Previous, Refused, SEGMENT_LEN_MIN, frames, recover};
use audit::verify::{Options, Verdict, Why};
use log::{IDENTITY, Parts, Writer, places, stamp, verify, verify_with};

/// A segment with a few records and roots, not stopped.
fn open_segment() -> Vec<u8> {
    let mut writer = Writer::new(0, 1, SEGMENT_LEN_MIN, 5);
    for (kind, payload) in Parts::new().payloads().iter().take(14) {
        writer.append(*kind, payload);
    }
    assert!(writer.files.is_empty());
    writer.memory
}

#[test]
fn cut_at_each_byte_recovers_exactly_the_whole_records() {
    let whole = open_segment();
    let places = places(&whole);
    let end = places.last().map(|(at, length)| at + length).expect("records");
    for cut in HEADER_LEN..=end {
        let mut segment = whole.clone();
        segment[cut..].fill(0);
        let found = recover(&segment).expect("no hole");
        // A cut within the padding takes nothing of the record; one in zeros of the payload's end neither.
        let kept = places.iter().filter(|(at, length)| segment[*at..at + length] == whole[*at..at + length]).count();
        assert_eq!(found.records, kept as u64, "cut at {cut}");
        assert_eq!(found.next_seq, kept as u64 + 1);
        let files = [("00000-0000000001.seg".to_owned(), segment)];
        assert!(!matches!(verify(&files), Verdict::Whole(_)), "cut at {cut}");
        assert!(!matches!(verify(&files), Verdict::CannotTell(_)), "cut at {cut}");
    }
}

#[test]
fn killed_between_any_two_stores_recovers_what_was_published() {
    let whole = open_segment();
    for (index, (at, length)) in places(&whole).into_iter().enumerate() {
        // The writer's order: payload, then the header behind the length word, then the length word.
        let order: Vec<usize> = (at + 44..at + length).chain(at + 4..at + 44).collect();
        for stored in 0..=order.len() {
            let mut segment = whole.clone();
            segment[at..].fill(0);
            order.iter().take(stored).for_each(|byte| segment[*byte] = whole[*byte]);
            let found = recover(&segment).expect("no hole");
            assert_eq!(found.records, index as u64);
            let files = [("00000-0000000001.seg".to_owned(), segment)];
            let verdict = verify(&files);
            assert!(matches!(verdict, Verdict::TornTail(..)), "record {index}, {stored} bytes: {verdict:?}");
        }
    }
}

#[test]
fn a_sector_that_never_reached_the_disk_is_a_torn_tail() {
    let mut whole = open_segment();
    let spans = |(at, length): &(usize, usize)| at % 512 + length > 512;
    let (at, length) = places(&whole).into_iter().rfind(spans).expect("a record that spans two sectors");
    let sector = (at / 512 + 1) * 512;
    whole[at + length..].fill(0);
    for range in [at..sector, sector..at + length] {
        let mut segment = whole.clone();
        segment[range].fill(0);
        let verdict = verify(&[("00000-0000000001.seg".to_owned(), segment)]);
        assert!(matches!(verdict, Verdict::TornTail(..)), "{verdict:?}");
    }
}

#[test]
fn writing_goes_on_after_a_kill_and_the_log_is_whole() {
    let whole = open_segment();
    let end = places(&whole).last().map(|(at, length)| at + length).expect("records");
    for cut in (HEADER_LEN..=end).step_by(7) {
        let mut memory = whole.clone();
        memory[cut..].fill(0);
        let found = recover(&memory).expect("no hole");
        let mut appender = Appender::resume(&mut memory, &found, stamp(99)).expect("resumes");
        assert_eq!(appender.next_seq(), found.next_seq + 1, "its record says that it resumed");
        appender.append(&mut memory, RecordType::ServiceStart.code(), 0, stamp(100), b"").expect("a record");
        appender.stop(&mut memory, stamp(101), 0).expect("a stop");
        let verdict = verify(&[("00000-0000000001.seg".to_owned(), memory.clone())]);
        assert!(matches!(verdict, Verdict::Whole(_)), "cut at {cut}: {verdict:?}");
        let resumed = frames(&memory).find(|frame| frame.seq == found.next_seq).expect("the record");
        assert_eq!(resumed.kind, RecordType::Recovered.code());
    }
}

#[test]
fn writing_goes_on_after_a_stop_without_a_word() {
    let mut memory = log::log(1, 5, SEGMENT_LEN_MIN, 3).remove(0).1;
    let found = recover(&memory).expect("whole");
    assert!(found.stopped && !found.sealed);
    let mut appender = Appender::resume(&mut memory, &found, stamp(99)).expect("resumes");
    assert_eq!(appender.next_seq(), found.next_seq);
    let previous = appender.seal(&mut memory, stamp(100), 0).expect("a seal");
    assert_eq!(recover(&memory).expect("whole").previous(), Some(previous.clone()));
    let sealed = recover(&memory).expect("whole");
    assert_eq!(Appender::resume(&mut memory, &sealed, stamp(0)).err(), Some(Refused::Sealed));
    let mut next = vec![0; SEGMENT_LEN_MIN];
    let mut appender = Appender::begin(&mut next, 0, IDENTITY, previous, stamp(101)).expect("a segment");
    appender.stop(&mut next, stamp(102), 0).expect("a stop");
    let files = [("00000-0000000001.seg".to_owned(), memory), ("00000-0000000002.seg".to_owned(), next)];
    assert!(matches!(verify(&files), Verdict::Whole(_)));
}

#[test]
fn a_hole_is_no_crash_and_may_be_accepted_only_by_name() {
    let mut memory = open_segment();
    let (at, _) = places(&memory)[4];
    memory[at + 50] ^= 1;
    let Err(Corrupt::Hole { offset, seq, next_seq, before, .. }) = recover(&memory) else { panic!("a hole") };
    assert_eq!((offset, seq, next_seq, before.records), (at, 5, 6, 4));
    let mut appender = Appender::resume(&mut memory, &before, stamp(99)).expect("resumes");
    appender.stop(&mut memory, stamp(100), 0).expect("a stop");
    assert!(matches!(verify(&[("00000-0000000001.seg".to_owned(), memory)]), Verdict::Whole(_)));
}

#[test]
fn a_running_log_is_whole_where_the_caller_says_that_it_runs() {
    let files = [
        ("00000-0000000001.seg".to_owned(), open_segment()),
        ("00000-0000000002.seg".to_owned(), vec![0; SEGMENT_LEN_MIN]),
    ];
    let Verdict::TornTail(_, finding) = verify(&files) else { panic!("no stop") };
    assert_eq!(finding.why, Why::NoStop);
    let Verdict::Whole(summary) = verify_with(&files, &Options { open: true, ..Options::default() }) else {
        panic!("whole")
    };
    assert_eq!(summary.series[0].last_seq, summary.records);
    assert!(summary.series[0].unrooted > 0);
}

#[test]
fn a_full_segment_still_closes_after_many_crashes() {
    let payload = [7; 100];
    let mut memory = vec![0; SEGMENT_LEN_MIN];
    let mut appender = Appender::begin(&mut memory, 0, IDENTITY, Previous::NONE, stamp(0)).expect("a segment");
    while appender.append(&mut memory, RecordType::Canary.code(), 0, stamp(1), &payload).is_ok() {}
    assert_eq!(appender.append(&mut memory, RecordType::Canary.code(), 0, stamp(1), &payload), Err(Refused::Full));
    assert!(appender.left() < payload.len());
    for _ in 0..20 {
        let found = recover(&memory).expect("whole");
        appender = Appender::resume(&mut memory, &found, stamp(2)).expect("room for a recovery's record");
    }
    appender.seal(&mut memory, stamp(3), 0).expect("room for the seal");
    assert_eq!(appender.append(&mut memory, RecordType::Canary.code(), 0, stamp(1), b""), Err(Refused::Sealed));
}

#[test]
fn what_is_no_record_is_refused() {
    let mut memory = vec![0; SEGMENT_LEN_MIN];
    let mut appender = Appender::begin(&mut memory, 0, IDENTITY, Previous::NONE, stamp(0)).expect("a segment");
    for kind in [RecordType::Root, RecordType::Stop, RecordType::Seal, RecordType::Recovered] {
        assert_eq!(appender.append(&mut memory, kind.code(), 0, stamp(1), b""), Err(Refused::Kind));
    }
    assert_eq!(appender.append(&mut memory, 99, 0, stamp(1), b""), Err(Refused::Kind));
    let long = vec![1; SEGMENT_LEN_MIN];
    assert_eq!(appender.append(&mut memory, 1, 0, stamp(1), &long), Err(Refused::TooLong));
    assert_eq!(appender.append(&mut memory[8..], 1, 0, stamp(1), b""), Err(Refused::Memory));
    assert_eq!(appender.append(&mut memory, 1, 0, stamp(1), b""), Ok(1));
    assert!(Appender::begin(&mut [0; 4096][..], 0, IDENTITY, Previous::NONE, stamp(0)).is_err());
}
