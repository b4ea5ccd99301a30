//! One value of each type, in both formats and in COPY, as a real server sent it (`types15.txt`): nothing of a card leaves.

use super::server::{count, mask_of, unhex};
use super::*;
use std::sync::Arc;

/// Two cards as text, as the hex text of a bytea, as an int8, and as a numeric's words.
const FORMS: [&[u8]; 8] = [
    VISA,
    b"34313131313131313131313131313131",
    &4_111_111_111_111_111_i64.to_be_bytes(),
    &[0x10, 0x0f, 0x04, 0x57, 0x04, 0x57, 0x04, 0x57],
    b"5555555555554444",
    b"35353535353535353535353534343434",
    &5_555_555_555_554_444_i64.to_be_bytes(),
    &[0x15, 0xb3, 0x15, 0xb3, 0x15, 0xb2, 0x11, 0x5c],
];

struct Sent {
    name: &'static str,
    kind: &'static str,
    binary: bool,
    oids: Vec<u32>,
    frames: Vec<Vec<u8>>,
}

fn sent() -> Vec<Sent> {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a name, a kind, a format, OIDs, bodies");
        let (name, kind, binary) = (word(), word(), word() == "1");
        let oids = word().split(',').map(|oid| oid.parse().expect("an OID")).collect();
        Sent { name, kind, binary, oids, frames: words.map(unhex).collect() }
    };
    include_str!("types15.txt").lines().skip(1).map(line).collect()
}

/// With the types that are not built in, or without, as in the moment before the catalog is asked.
fn columns_of(sent: &Sent, known: bool, mode: pan::Mode) -> Columns {
    let mut columns = Columns::new();
    let user = [(16_385, Kind::Hstore), (16_514, Kind::Record), (16_513, Kind::Array)];
    columns.set_types(known.then(|| Arc::new(UserTypes::new(user))));
    columns.set_sought(Sought { mode, patterns: 0 }, None);
    for &type_oid in &sent.oids {
        columns.push(Column { type_oid, binary: sent.binary, whole: None });
    }
    columns
}

#[test]
fn every_type_is_there_in_every_form() {
    let all = sent();
    for name in [
        "int8",
        "numeric",
        "bytea",
        "json",
        "jsonb",
        "int8a",
        "numa",
        "texta",
        "bytea_a",
        "jsonb_a",
        "int8range",
        "int8range_upper",
        "int8range_inf",
        "numrange",
        "numrange_one",
        "int8multi",
        "nummulti",
        "range_a",
        "pair",
        "pair_a",
        "hstore",
        "xml",
        "tsvector",
        "tsvector_raw",
    ] {
        for (kind, binary) in [("row", false), ("row", true), ("binary", true), ("text", false), ("csv", false)] {
            let there = all.iter().any(|sent| sent.name == name && sent.kind == kind && sent.binary == binary);
            assert!(there, "{name} {kind} {binary}");
        }
    }
    assert!(all.iter().any(|sent| sent.name == "bytea_escape" && !sent.binary));
}

#[test]
fn nothing_leaves_by_content() {
    for sent in sent() {
        let frames: Vec<&[u8]> = sent.frames.iter().map(Vec::as_slice).collect();
        for (known, mode) in [(true, pan::Mode::Balanced), (true, pan::Mode::Strict), (false, pan::Mode::Balanced)] {
            let columns = columns_of(&sent, known, mode);
            let outcome = feed(&mask_of(sent.kind), &columns, &frames, |_| false);
            if !known && outcome.is_err() {
                continue; // a layout that nobody declared is refused
            }
            let what = format!("{} {} binary {} known {known} {mode:?}", sent.name, sent.kind, sent.binary);
            let (out, cards, _) = outcome.clone().unwrap_or_else(|fault| panic!("{what}: {fault:?}"));
            let before: usize = FORMS.iter().map(|form| count(&frames.concat(), form)).sum();
            for (form, bytes) in FORMS.iter().enumerate() {
                assert_eq!(count(&out, bytes), 0, "{what}: a card left in form {form}");
            }
            assert!(cards > 0 && before > 0, "{what}: {cards} masked of {before}");
            check_frames(&mask_of(sent.kind), &columns, &frames, &outcome);
        }
    }
}

/// A number of eighteen digits with a card in it: no whole run is one, a window is.
#[test]
fn strict_numbers_are_searched_in_either_format() {
    let number: i64 = 774_111_111_111_111_111;
    let words = numeric(4, &[77, 4111, 1111, 1111, 1111]);
    for (mode, hit) in [(pan::Mode::Balanced, false), (pan::Mode::Strict, true)] {
        let mut columns = Columns::new();
        columns.set_sought(Sought { mode, patterns: 0 }, None);
        columns.push(Column { type_oid: 20, binary: false, whole: None });
        columns.push(Column { type_oid: 20, binary: true, whole: None });
        columns.push(Column { type_oid: 1700, binary: true, whole: None });
        let text = number.to_string();
        let sent = row(&[Some(text.as_bytes()), Some(&number.to_be_bytes()), Some(&words)]);
        let (out, cards, _) = feed(&BodyMask::row(), &columns, &[&sent], |_| false).expect("well formed");
        assert_eq!((out != sent, cards >= 3), (hit, hit), "{mode:?}");
        let same = |form: &[u8]| count(&out, form) > 0;
        assert_eq!((same(text.as_bytes()), same(&number.to_be_bytes()), same(&words)), (!hit, !hit, !hit), "{mode:?}");
    }
}
