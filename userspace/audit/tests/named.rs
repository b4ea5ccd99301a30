//! What was done to a log is found, and the record where it shows is named: the same one by both verifiers.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::segment::{Appender, HEADER_LEN, Previous, SEGMENT_LEN_MIN, Stamp, frames};
use audit::verify::{Anchor, Options, Verdict};
use log::second::{Second, said};
use log::{IDENTITY, Parts, Writer, mend, places, stamp, verify, verify_with};

type Files = Vec<(String, Vec<u8>)>;

const TAMPERED: u8 = 1;
const TORN: u8 = 4;
/// Records of a batch, until its root.
const BATCH: u64 = 7;

/// One shard's series; the sessions 1 to 3 take turns. From record `fork` on it is another history.
fn series(shard: u16, shards: u16, fork: u64) -> Files {
    let payloads = Parts::new().payloads();
    let mut writer = Writer::new(shard, shards, SEGMENT_LEN_MIN, BATCH);
    for (kind, payload) in payloads.iter().cycle().take(100) {
        let seq = writer.appender.next_seq();
        let session = seq % 3 + if seq < fork { 1 } else { 4 };
        writer.append_of(session, *kind, payload);
    }
    writer.stop()
}

fn whole() -> Files {
    [series(0, 2, u64::MAX), series(1, 2, u64::MAX)].concat()
}

/// One thing that is done to a log.
struct Case {
    what: &'static str,
    files: Files,
    /// What a signed checkpoint or one that was kept elsewhere says.
    anchors: Vec<Anchor>,
    status: u8,
    /// The record that must be named.
    named: String,
}

/// Bytes `at..at + length` leave, and what follows closes up.
fn cut_out(segment: &mut [u8], at: usize, length: usize) {
    let end = segment.len() - length;
    segment.copy_within(at + length.., at);
    segment[end..].fill(0);
}

/// Numbers the frames anew from the first of the segment on, with checksums that fit.
fn renumber(segment: &mut [u8], first_seq: u64) {
    let mut at = HEADER_LEN;
    for seq in first_seq.. {
        let len = u32::from_le_bytes(segment[at..at + 4].try_into().expect("a length")) as usize;
        if len == 0 {
            return;
        }
        segment[at + 8..at + 16].copy_from_slice(&seq.to_le_bytes());
        mend(segment, at);
        at += len.next_multiple_of(8);
    }
}

fn root_of(files: &Files, shard: u16) -> Anchor {
    let Verdict::Whole(summary) = verify(files) else { panic!("whole") };
    let series = summary.series.iter().find(|series| series.shard == shard).expect("the shard");
    Anchor { shard, seq: series.last_seq, root: Some(series.root) }
}

fn first_seq(files: &Files, file: usize) -> u64 {
    frames(&files[file].1).next().expect("a record").seq
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let whole = whole();
    let last = whole.len() - 1;
    let of_second = whole.iter().position(|(name, _)| name.starts_with("00001")).expect("the second shard");
    let (first, end) = (places(&whole[0].1), places(&whole[last].1));
    let end_seq = |index: usize| frames(&whole[last].1).nth(index).expect("a record").seq;
    let signed = root_of(&whole, 0);
    let changed = |file: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = whole.clone();
        change(&mut files[file].1);
        files
    };
    let without = |file: usize| {
        let mut files = whole.clone();
        files.remove(file);
        files
    };
    let fork = |from: usize, to: usize| {
        let other = [series(0, 2, 20), series(1, 2, u64::MAX)].concat();
        let mut files = whole.clone();
        files[from..to].clone_from_slice(&other[from..to]);
        files
    };
    let case = |what, files, status, named: String| Case { what, files, anchors: Vec::new(), status, named };
    // The root that closes the batch of the records 1 to 7.
    let root = BATCH + 1;
    let mut cases = vec![
        case(
            "a file is truncated at a record",
            changed(0, &|bytes| bytes.truncate(first[4].0)),
            TAMPERED,
            "0-5".into(),
        ),
        case("records are zeroed", changed(0, &|bytes| bytes[first[4].0..first[6].0].fill(0)), TAMPERED, "0-5".into()),
        case(
            "a record is cut out",
            changed(0, &|bytes| cut_out(bytes, first[4].0, first[4].1)),
            TAMPERED,
            "0-5".into(),
        ),
        case(
            "the end is cut off",
            changed(last, &|bytes| bytes[end[2].0..].fill(0)),
            TORN,
            format!("1-{}", end_seq(2)),
        ),
        case(
            "two records change their places",
            changed(0, &|bytes| {
                let (at, length) = first[3];
                bytes[at..first[5].0].rotate_left(length);
            }),
            TAMPERED,
            "0-4".into(),
        ),
        case(
            "two records change their places and numbers",
            changed(0, &|bytes| {
                let (at, length) = first[3];
                bytes[at..first[5].0].rotate_left(length);
                renumber(bytes, 1);
            }),
            TAMPERED,
            format!("0-{root}"),
        ),
        case(
            "a record is there twice",
            changed(0, &|bytes| {
                let (at, length) = first[3];
                let until = bytes.len() - length;
                bytes.copy_within(at..until, at + length);
            }),
            TAMPERED,
            "0-5".into(),
        ),
        case("a record is changed", changed(0, &|bytes| bytes[first[4].0 + 50] ^= 1), TAMPERED, "0-5".into()),
        case(
            "a record is replaced, and its checksum fits",
            changed(0, &|bytes| {
                bytes[first[4].0 + 50] ^= 1;
                mend(bytes, first[4].0);
            }),
            TAMPERED,
            format!("0-{root}"),
        ),
        case("a segment is missing", without(1), TAMPERED, format!("0-{}", first_seq(&whole, 2))),
        case("the first segment is missing", without(0), TAMPERED, format!("0-{}", first_seq(&whole, 1))),
        case("the last segment is missing", without(last), TORN, format!("1-{}", first_seq(&whole, last))),
        case("a shard is missing", whole[..of_second].to_vec(), TAMPERED, "1-1".into()),
        case("the first shard is missing", whole[of_second..].to_vec(), TAMPERED, "0-1".into()),
        case(
            "one session's records are removed",
            changed(0, &|bytes| {
                for (at, _) in first.iter().rev().filter(|(at, _)| bytes_session(&whole[0].1, *at) == 2) {
                    let length = places(bytes).iter().find(|(place, _)| place == at).expect("it").1;
                    cut_out(bytes, *at, length);
                }
            }),
            TAMPERED,
            "0-1".into(),
        ),
        case(
            "one session's records are removed, and the others numbered anew",
            changed(0, &|bytes| {
                for (at, length) in first.iter().rev().filter(|(at, _)| bytes_session(&whole[0].1, *at) == 2) {
                    cut_out(bytes, *at, *length);
                }
                renumber(bytes, 1);
            }),
            TAMPERED,
            // The root of the first batch is the sixth now, or the fifth.
            String::new(),
        ),
        case("a segment of another history", fork(1, 2), TAMPERED, format!("0-{}", first_seq(&whole, 1))),
        case(
            "the last segment of another history",
            fork(of_second - 1, of_second),
            TAMPERED,
            format!("0-{}", first_seq(&whole, of_second - 1)),
        ),
    ];
    let named = format!("0-{}", signed.seq);
    let mut anchored = |what, files, anchors| {
        cases.push(Case { what, files, anchors, status: TAMPERED, named: named.clone() });
    };
    anchored("another history, whole in itself", fork(0, of_second), vec![signed]);
    anchored("the series is written anew without a session", unsaid(), vec![signed]);
    let other = Anchor { root: Some([9; 32]), ..signed };
    anchored("two histories were signed", whole.clone(), vec![signed, other]);
    cases
}

/// The session of the frame at this place.
fn bytes_session(segment: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(segment[at + 32..at + 40].try_into().expect("a number"))
}

/// The first shard's series as if session 2 had never been, with a tree that fits.
fn unsaid() -> Files {
    let files = whole();
    let mut writer = Writer::new(0, 2, SEGMENT_LEN_MIN, BATCH);
    for (_, bytes) in files.iter().filter(|(name, _)| name.starts_with("00000")) {
        for frame in frames(bytes).filter(|frame| frame.session != 2 && frame.kind < 240) {
            writer.append_of(frame.session, frame.kind, frame.payload());
        }
    }
    let second = files.into_iter().filter(|(name, _)| name.starts_with("00001"));
    writer.stop().into_iter().chain(second).collect()
}

#[test]
fn both_verifiers_name_the_same_record() {
    let mut second = Second::start("named");
    for Case { what, files, anchors, status, named } in cases() {
        let verdict = verify_with(&files, &Options { anchors: &anchors, ..Options::default() });
        let first = said(&verdict);
        let expected = (status, if named.is_empty() { first.1.clone() } else { Some(named) });
        assert_eq!(first, expected, "{what}: {verdict:?}");
        if let Some(second) = &mut second {
            assert_eq!(second.verify(&files, false, &anchors), first, "{what}: the second verifier");
        }
    }
}

#[test]
fn another_history_is_whole_without_an_anchor() {
    assert!(matches!(verify(&unsaid()), Verdict::Whole(_)), "or the cases above show nothing");
}

#[test]
fn a_clock_that_was_set_back_an_hour_changes_no_verdict() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let payloads = Parts::new().payloads();
    let mut memory = vec![0; 4 * SEGMENT_LEN_MIN];
    let mut appender = Appender::begin(&mut memory, 0, IDENTITY, Previous::NONE, stamp(0)).expect("a segment");
    for (kind, payload) in payloads.iter().take(20) {
        let seq = appender.next_seq();
        let Stamp { mono_ns, wall_ns } = stamp(seq);
        let wall_ns = if seq < 10 { wall_ns } else { wall_ns - HOUR_NS };
        appender.append(&mut memory, *kind, 5, Stamp { mono_ns, wall_ns }, payload).expect("a record");
    }
    appender.stop(&mut memory, stamp(21), 20).expect("a stop");
    let files = [("00000-0000000001.seg".to_owned(), memory)];
    let first = said(&verify(&files));
    assert_eq!(first, (0, None));
    if let Some(mut second) = Second::start("clock") {
        assert_eq!(second.verify(&files, false, &[]), first);
    }
}
