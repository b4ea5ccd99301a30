//! Every byte of a sealed segment, changed in turn: both verifiers find each, and name the same record.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::segment::{Appender, HEADER_LEN, Previous, SEGMENT_LEN_MIN};
use log::second::{Second, said};
use log::{IDENTITY, Parts, places, stamp, verify};

/// All bits of a byte.
const MASK: u8 = 0xff;

type Files = Vec<(String, Vec<u8>)>;

/// A sealed segment with a record of every other kind, and the one that continues it.
fn two_segments() -> Files {
    let mut first = vec![0; SEGMENT_LEN_MIN];
    let mut appender = Appender::begin(&mut first, 0, IDENTITY, Previous::NONE, stamp(0)).expect("a segment");
    for (kind, payload) in Parts::new().payloads().iter().step_by(2) {
        let at = stamp(appender.next_seq());
        if appender.append(&mut first, *kind, 5, at, payload).is_err() {
            break;
        }
    }
    appender.root(&mut first, stamp(50), 1).expect("a root");
    let previous = appender.seal(&mut first, stamp(51), 2).expect("a seal");
    let mut next = vec![0; SEGMENT_LEN_MIN];
    let mut appender = Appender::begin(&mut next, 0, IDENTITY, previous, stamp(52)).expect("a segment");
    appender.stop(&mut next, stamp(53), 52).expect("a stop");
    vec![("00000-0000000001.seg".to_owned(), first), ("00000-0000000002.seg".to_owned(), next)]
}

#[test]
fn every_byte_of_a_segment_flipped_in_turn_is_found_by_both() {
    let whole = two_segments();
    assert_eq!(verify(&whole).exit_status(), 0);
    let frames = places(&whole[0].1);
    let used = frames.last().map(|(at, length)| at + length).expect("records");
    let mut second = Second::start("flips");
    let mut files = whole.clone();
    let first: Vec<_> = (0..SEGMENT_LEN_MIN)
        .map(|at| {
            files[0].1[at] ^= MASK;
            let found = said(&verify(&files));
            files[0].1[at] ^= MASK;
            found
        })
        .collect();
    for (at, (status, named)) in first.iter().enumerate() {
        assert_eq!(*status, 1, "byte {at}");
        // A byte of a record's, of its padding too: that one is named.
        if (HEADER_LEN..used).contains(&at) {
            let flipped = frames.iter().filter(|(begins, _)| *begins <= at).count() as u64;
            let named = named.as_deref().and_then(|named| named.strip_prefix("0-")).expect("a record");
            assert!(named.parse::<u64>().is_ok_and(|named| named == flipped), "byte {at} of {flipped}: {named}");
        }
    }
    if let Some(second) = &mut second {
        let said = second.flips(&whole, MASK);
        let other = first.iter().zip(&said).position(|(first, second)| first != second);
        assert_eq!(other, None, "{:?}", other.map(|at| (&first[at], &said[at])));
    }
}
