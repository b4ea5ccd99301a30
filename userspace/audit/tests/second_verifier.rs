//! `verify.py`, written from docs/AUDIT-FORMAT.md alone, and the verifier here give the same answer to the same files.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::segment::SEGMENT_LEN_MIN;
use audit::verify::Options;
use log::second::{Second, said};
use log::{Numbers, Writer, log, mend, places, verify_with};

type Files = Vec<(String, Vec<u8>)>;

/// Logs of every sort: whole, open, killed, changed by accident and on purpose, with files missing or misnamed.
fn cases() -> Vec<(String, Files)> {
    let whole = log(2, 100, SEGMENT_LEN_MIN, 7);
    let mut cases = vec![("whole".to_owned(), whole.clone()), ("nothing".to_owned(), Vec::new())];
    let mut change = |what: String, file: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = whole.clone();
        change(&mut files[file].1);
        cases.push((what, files));
    };
    let mut numbers = Numbers(0xc0ffee);
    let last = whole.len() - 1;
    for _ in 0..40 {
        let file = numbers.below(whole.len());
        let used = places(&whole[file].1).last().map_or(0, |(at, length)| at + length);
        let (at, bit) = (numbers.below(used + 200), numbers.below(8));
        change(format!("bit {bit} of byte {at} of file {file}"), file, &|bytes| bytes[at] ^= 1 << bit);
    }
    for (index, (at, length)) in places(&whole[last].1).into_iter().enumerate().step_by(4) {
        change(format!("record {index} changed and mended"), last, &|bytes| {
            bytes[at + 20] ^= 1;
            mend(bytes, at);
        });
        change(format!("cut after record {index}"), last, &|bytes| bytes[at + length..].fill(0));
        change(format!("cut within record {index}"), last, &|bytes| bytes[at + length / 2..].fill(0));
        change(format!("record {index} zeroed"), last, &|bytes| bytes[at..at + length].fill(0));
        change(format!("length of record {index} gone"), last, &|bytes| bytes[at..at + 4].fill(0));
        change(format!("truncated at record {index}"), last, &|bytes| bytes.truncate(at));
    }
    for index in 0..whole.len() {
        let mut files = whole.clone();
        files.remove(index);
        cases.push((format!("segment {index} missing"), files));
        let mut files = whole.clone();
        let next = (index + 1) % files.len();
        let (a, b) = (files[index].1.clone(), files[next].1.clone());
        files[index].1 = b;
        files[next].1 = a;
        cases.push((format!("segments {index} and {next} swapped"), files));
        let mut files = whole.clone();
        files[index].1.fill(0);
        cases.push((format!("segment {index} zeroed"), files));
    }
    let mut killed = Writer::new(0, 1, SEGMENT_LEN_MIN, 7);
    (0..40).for_each(|_| _ = killed.append(1, b""));
    let mut spare = killed.killed();
    cases.push(("killed".to_owned(), spare.clone()));
    spare.push(("00000-0000000002.seg".to_owned(), vec![0; SEGMENT_LEN_MIN]));
    cases.push(("killed, with a segment made in advance".to_owned(), spare));
    cases
}

#[test]
fn both_verifiers_agree() {
    let Some(mut second) = Second::start("agree") else { return };
    let mut statuses = Vec::new();
    for (index, (what, files)) in cases().into_iter().enumerate() {
        let open = index % 2 == 1;
        let first = verify_with(&files, &Options { open, ..Options::default() });
        let said = said(&first);
        assert_eq!(second.verify(&files, open, &[]), said, "{what}, open {open}: {first:?}");
        statuses.push(said.0);
    }
    for status in [0, 1, 4, 5] {
        assert!(statuses.contains(&status), "no case with {status}");
    }
}
