//! An operator's patterns: what leaves is what matching on the whole value says, for every way of cutting it.

use super::*;
use std::sync::Arc;

fn patterns(regexes: &[&str]) -> Option<Arc<Patterns>> {
    let text: String =
        (0..).zip(regexes).map(|(n, regex)| format!("[[pattern]]\nname = \"{n}\"\nregex = '{regex}'\n")).collect();
    let policy = policy::Policy::parse(&text, &policy::Names::default()).expect("a policy");
    Patterns::new(policy.patterns("")).map(Arc::new)
}

/// Columns of these types, searched for all of the patterns.
fn searched(regexes: &[&str], binary: bool, oids: &[u32]) -> Columns {
    let mut columns = Columns::new();
    columns.set_sought(Sought { mode: pan::Mode::Balanced, patterns: u16::MAX }, patterns(regexes));
    for &type_oid in oids {
        columns.push(Column { type_oid, binary, whole: None });
    }
    columns
}

#[track_caller]
fn check_value(regexes: &[&str], type_oid: u32, sent: &str, left: &str, cards: u32) {
    let columns = searched(regexes, false, &[type_oid]);
    let (sent, left) = (row(&[Some(sent.as_bytes())]), row(&[Some(left.as_bytes())]));
    check(&BodyMask::row(), &columns, &sent, &left, cards, 0);
}

const STAFF: &str = r"\bEMP-\d{6}\b";

#[test]
fn the_whole_match_goes() {
    check_value(&[STAFF], 25, "EMP-123456 and xEMP-123456, EMP-1234567", "********** and xEMP-123456, EMP-1234567", 0);
    check_value(&[r"^\d{4}$"], 25, "1234", "****", 0);
    check_value(&[r"^\d{4}$"], 25, "1234 1234", "1234 1234", 0);
    check_value(&[r"(?i)abc|abcd"], 25, "xABCD", "x***D", 0); // leftmost first, not longest
    check_value(&[r"\d{3}-\d{3}", r"\d{3}x"], 25, "123-456x", "********", 0); // each on its own
    check_value(&[r"(?i)[a-z]{3}."], 25, "abcé abcé", "***é ***é", 0); // never half a character
}

#[test]
fn cards_and_patterns_do_not_hinder_each_other() {
    check_value(&[STAFF], 25, "EMP-123456 4111111111111111", "********** 411111******1111", 1);
    check_value(&[r"ID \d{8}"], 25, "ID 4111111111111111", "***************1111", 1);
    check_value(&[r"\d{16}"], 25, "4111111111111111", "****************", 1);
}

#[test]
fn every_type_keeps_its_form() {
    check_value(&[r"\d{6}"], 23, "123456", "000000", 0);
    check_value(&[r"\d{6}"], 1016, "{123456,1}", "{000000,1}", 0);
    check_value(
        &[STAFF, r"\b\d{6}\b"],
        3802,
        r#"{"a": "EMP-123456", "b": 123456}"#,
        r#"{"a": "**********", "b": 100000}"#,
        0,
    );
    check_value(&[STAFF], 1009, r#"{"EMP-123456",x}"#, r#"{"**********",x}"#, 0);
    check_value(&[STAFF], 2249, r#"(1,"EMP-123456")"#, r#"(1,"**********")"#, 0);
    check_value(&[r"3[0-9]{5}"], 17, "\\x313233343536", "\\x313233343536", 0); // hex text is no text
}

#[test]
fn binary_values_of_text_are_searched_and_numbers_are_not() {
    let columns = searched(&[r"\d{6}"], true, &[25, 3802, 20, 1009]);
    let jsonb = |text: &[u8]| [&[1][..], text].concat();
    let int8 = i64::from_be_bytes(*b"12345678").to_be_bytes(); // its bytes read as digits
    let sent = row(&[Some(b"a 123456"), Some(&jsonb(b"[123456]")), Some(&int8), Some(&array(25, &[Some(b"123456")]))]);
    let left = row(&[Some(b"a ******"), Some(&jsonb(b"[100000]")), Some(&int8), Some(&array(25, &[Some(b"******")]))]);
    check(&BodyMask::row(), &columns, &sent, &left, 0, 0);
}

#[test]
fn copy_in_text_and_csv() {
    let columns = searched(&[STAFF], false, &[25, 23]);
    let text = BodyMask::copy_text(CopyFormat::new(&CopyOptions::default()).expect("fit"));
    check(&text, &columns, b"EMP-123456\\tEMP-654321\t7\n", b"**********\\t**********\t7\n", 0, 0);
    let csv = BodyMask::copy_text(CopyFormat::new(&CopyOptions { csv: true, ..CopyOptions::default() }).expect("fit"));
    check(&csv, &columns, b"\"a, EMP-123456\",7\n", b"\"a, **********\",7\n", 0, 0);
}

#[test]
fn strings_outside_results() {
    let columns = searched(&["[A-Z]{5}", r"\d{6}"], false, &[]);
    let error = b"SERROR\0VERROR\0C22P02\0MALPHA 123456\0\0";
    let left = b"SERROR\0VERROR\0C22P02\0M***** ******\0\0";
    check(&BodyMask::strings(Message::Error, Strip::Nothing), &columns, error, left, 0, 0);
    let tag = b"SELECT 123456\0";
    check(&BodyMask::strings(Message::CommandComplete, Strip::Nothing), &columns, tag, tag, 0, 0);
    let status = (b"HELLO\0a 123456\0", b"HELLO\0a ******\0");
    check(&BodyMask::strings(Message::ParameterStatus, Strip::Nothing), &columns, status.0, status.1, 0, 0);
}

/// What is left of a whole value: cards by the engine, matches by `find_at`, each on the bytes that were sent.
fn whole(regexes: &[&str], value: &[u8]) -> Vec<u8> {
    let mut left = value.to_vec();
    pan::mask_text(&mut left, pan::Fill::Text);
    for regex in regexes {
        let text = format!("[[pattern]]\nname = \"p\"\nregex = '{regex}'\n");
        let policy = policy::Policy::parse(&text, &policy::Names::default()).expect("a policy");
        let pattern = policy.patterns("").next().expect("one pattern");
        let mut from = 0;
        while let Some(range) = pattern.find_at(value, from) {
            left[range.clone()].fill(b'*');
            from = range.end;
        }
    }
    left
}

#[test]
fn a_strict_column_beside_a_balanced_one() {
    let mut columns = searched(&[STAFF], false, &[25]);
    columns.push_sought(25, false, Sought { mode: pan::Mode::Strict, patterns: 1 });
    let value = [b"EMP-123456 x", VISA].concat();
    let sent = row(&[Some(&value), Some(&value)]);
    let (out, ..) = feed(&BodyMask::row(), &columns, &[&sent], |_| true).expect("well formed");
    let (balanced, strict) = out.split_at(out.len() / 2 + 1);
    assert_eq!(balanced.windows(VISA.len()).filter(|window| *window == VISA).count(), 1, "a letter stands beside it");
    assert_eq!(strict.windows(VISA.len()).filter(|window| *window == VISA).count(), 0);
    assert_eq!(out.windows(12).filter(|window| *window == b"********** x").count(), 2);
}

#[test]
fn any_value_in_any_pieces() {
    const REGEXES: [&str; 4] = [r"\b[0-9]{4,6}\b", r"(?i)ab{1,60}c|ab", r"^x|y$|\Bz", r"[0-9 ]{1,40}4"];
    let columns = searched(&REGEXES, false, &[25]);
    let mut noise = Noise(7);
    for round in 0..400 {
        let len = if round % 50 == 0 { 9000 } else { noise.below(700) };
        let mut value: Vec<u8> = (0..len).map(|_| b"0123456789 abbcxyz.-"[noise.below(20)]).collect();
        if value.len() > 40 {
            let at = noise.below(value.len() - 16);
            value[at..at + 16].copy_from_slice(VISA);
        }
        let (sent, left) = (row(&[Some(&value)]), row(&[Some(&whole(&REGEXES, &value))]));
        for _ in 0..4 {
            let step = 1 + noise.below(60);
            let mut places: Vec<bool> = (0..sent.len()).map(|_| noise.below(step) == 0).collect();
            places.push(false);
            let (out, ..) = feed(&BodyMask::row(), &columns, &[&sent], |place| places[place]).expect("well formed");
            assert!(out == left, "round {round}: differs at {:?}", out.iter().zip(&left).position(|(a, b)| a != b));
        }
    }
}
