//! DataRow and FunctionCallResponse.

use super::*;
use pan::Whole::{KeepEnds, KeepNothing};

const BIG: i64 = 4_111_111_111_111_111;

/// One column: a value and what leaves of it.
#[track_caller]
fn field(columns: &Columns, before: &[u8], after: &[u8], cards: u32, sensitive: u32) {
    check(&BodyMask::row(), columns, &row(&[Some(before)]), &row(&[Some(after)]), cards, sensitive);
}

/// A card by content in a column of this type.
#[track_caller]
fn card(binary: bool, oid: u32, before: &[u8], after: &[u8]) {
    field(&columns(binary, &[oid]), before, after, 1, 0);
}

#[track_caller]
fn kept(binary: bool, oid: u32, value: &[u8]) {
    field(&columns(binary, &[oid]), value, value, 0, 0);
}

fn big() -> [u8; 8] {
    BIG.to_be_bytes()
}

fn big_masked() -> [u8; 8] {
    pan::mask_int8(BIG).expect("a card").to_be_bytes()
}

fn around(before: &[u8], middle: &[u8], after: &[u8]) -> Vec<u8> {
    [before, middle, after].concat()
}

#[test]
fn text_by_content() {
    card(false, 25, VISA, VISA_TEXT);
    card(false, 1043, &around(b"card ", VISA, b", thanks"), &around(b"card ", VISA_TEXT, b", thanks"));
    card(false, 99_999, VISA, VISA_TEXT); // a type of the user's
    card(false, 0, VISA, VISA_TEXT);
    for number in [20, 1700, 701] {
        card(false, number, VISA, VISA_NUMBER);
    }
    card(false, 1016, &around(b"{1,", VISA, b",NULL}"), &around(b"{1,", VISA_NUMBER, b",NULL}"));
    card(false, 1009, &around(b"{a,\"b ", VISA, b"\"}"), &around(b"{a,\"b ", VISA_TEXT, b"\"}"));
    card(false, 2249, &around(b"(1,", VISA, b")"), &around(b"(1,", VISA_TEXT, b")"));
    card(false, 3926, &around(b"[1,", VISA, b")"), &around(b"[1,", VISA_TEXT, b")"));
    for json in [114, 3802] {
        card(false, json, &around(b"{\"a\": ", VISA, b"}"), &around(b"{\"a\": ", VISA_NUMBER, b"}"));
        card(false, json, &around(b"{\"a\": \"", VISA, b"\"}"), &around(b"{\"a\": \"", VISA_TEXT, b"\"}"));
    }
    kept(false, 25, b"");
    kept(false, 25, b"2026-11-21 01:47:55.123456+00");
}

#[test]
fn text_of_bytea() {
    card(false, 17, &around(b"\\x", &hex(VISA), b"00"), &around(b"\\x", &hex(VISA_TEXT), b"00"));
    card(false, 17, &around(b"\\001", VISA, b"\\377"), &around(b"\\001", VISA_TEXT, b"\\377"));
    let (before, after) = (hex(VISA), hex(VISA_TEXT));
    card(false, 1001, &around(b"{\"\\\\x", &before, b"\",NULL}"), &around(b"{\"\\\\x", &after, b"\",NULL}"));
    for record in [2249, 50_000] {
        card(false, record, &around(b"(1,\"\\\\x", &before, b"\")"), &around(b"(1,\"\\\\x", &after, b"\")"));
    }
    kept(false, 17, b"\\");
    kept(false, 17, b"\\x");
    kept(false, 17, b"");
}

#[test]
fn text_of_json_arrays() {
    let (before, after) = (b"{\"{\\\"a\\\": \\\"\\\\n", b"\\\"}\"}");
    card(false, 199, &around(before, VISA, after), &around(before, VISA_TEXT, after));
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

#[test]
fn binary_numbers_by_content() {
    for oid in [20, 790, 5069] {
        card(true, oid, &big(), &big_masked());
    }
    card(true, 701, &(BIG as f64).to_be_bytes(), &(pan::mask_int8(BIG).expect("a card") as f64).to_be_bytes());
    card(true, 1700, &numeric(3, &[4111, 1111, 1111, 1111]), &numeric(3, &[4111, 1100, 0, 1111]));
    kept(true, 20, &17_i64.to_be_bytes());
    kept(true, 23, &2_147_483_647_i32.to_be_bytes());
    kept(true, 21, &[1, 2]);
    kept(true, 701, &41.5_f64.to_be_bytes());
    kept(true, 701, &f64::NAN.to_be_bytes());
    kept(true, 1114, &BIG.to_be_bytes()); // a timestamp is no number
    kept(true, 16, &[1]);
}

#[test]
fn numerics_that_cannot_be_held() {
    let tail = [7_u16; 4000];
    let (before, after) =
        ([&[4111, 1111, 1111, 1111][..], &tail].concat(), [&[4111, 1100, 0, 1111][..], &tail].concat());
    let columns = columns(true, &[1700]);
    let mask = BodyMask::row();
    check_some(&mask, &columns, &row(&[Some(&numeric(3, &before))]), &row(&[Some(&numeric(3, &after))]), 1, 0);
    for weight in [-1, 2, 5, 400, i16::MIN, i16::MAX] {
        let body = row(&[Some(&numeric(weight, &before))]);
        check_some(&mask, &columns, &body, &body, 0, 0);
    }
    let hidden = row(&[Some(&numeric(3, &vec![0; before.len()]))]);
    let mut negative = numeric(3, &before);
    negative[4] = 0x40;
    check_some(&mask, &sensitive(true, 1700, KeepEnds), &row(&[Some(&negative)]), &hidden, 0, 1);
    let mut wrong = numeric(3, &before);
    wrong[1] ^= 1;
    assert_eq!(feed(&mask, &columns, &[&row(&[Some(&wrong)])], |_| false), Err(Malformed::Value));
}

/// As `check`, for a body too long to be cut at every byte: cut at the places around the start.
#[track_caller]
fn check_some(mask: &BodyMask, columns: &Columns, body: &[u8], expected: &[u8], cards: u32, sensitive: u32) {
    let expected = Ok((expected.to_vec(), cards, sensitive));
    for step in [1, 2, 3, 7, 30, 600, usize::MAX] {
        let outcome = feed(mask, columns, &[body], |place| place % step == 0);
        assert!(outcome == expected, "pieces of {step}: {}", difference(&outcome, &expected));
    }
}

#[test]
fn binary_text_by_content() {
    for oid in [25, 1043, 1042, 19, 142, 17, 705, 1790, 99_999, 0, 114] {
        card(
            true,
            oid,
            &around(b" a ", VISA, b"!"),
            &around(b" a ", if oid == 114 { VISA_NUMBER } else { VISA_TEXT }, b"!"),
        );
    }
    card(true, 3802, &around(b"\x01{\"a\": ", VISA, b"}"), &around(b"\x01{\"a\": ", VISA_NUMBER, b"}"));
    card(true, 4072, &around(b"\x01$ ", VISA, b""), &around(b"\x01$ ", VISA_TEXT, b""));
    card(true, 1562, &around(&words(&[128]), VISA, b""), &around(&words(&[128]), VISA_TEXT, b""));
    card(true, 2950, VISA, VISA_TEXT); // a card cast to uuid
    kept(true, 3802, b"");
    kept(true, 2950, &[0xa5; 16]);
}

#[test]
fn binary_arrays() {
    let (big, masked) = (big(), big_masked());
    card(true, 1016, &array(20, &[Some(&big), None, Some(&[0; 8])]), &array(20, &[Some(&masked), None, Some(&[0; 8])]));
    card(true, 1009, &array(25, &[Some(b"x"), Some(VISA)]), &array(25, &[Some(b"x"), Some(VISA_TEXT)]));
    card(
        true,
        3807,
        &array(3802, &[Some(&around(b"\x01", VISA, b""))]),
        &array(3802, &[Some(&around(b"\x01", VISA_NUMBER, b""))]),
    );
    let square = |value: &[u8]| {
        let element = [&words(&[8])[..], value].concat();
        [words(&[2, 0, 20, 1, 1, 2, 1]), element.clone(), element].concat()
    };
    field(&columns(true, &[1016]), &square(&big), &square(&masked), 2, 0);
    kept(true, 1016, &words(&[0, 0, 20]));
    kept(true, 1006, &[words(&[1, 0, 21, 1, 0, 2]), vec![0, 7]].concat());
}

#[test]
fn binary_records_and_ranges() {
    let (big, masked) = (big(), big_masked());
    let fields = |big: &[u8], text: &[u8]| record(&[(20, Some(big)), (25, None), (25, Some(text))]);
    field(&columns(true, &[2249]), &fields(&big, VISA), &fields(&masked, VISA_TEXT), 2, 0);
    let deep = |big: &[u8], text: &[u8]| {
        array(2249, &[Some(&record(&[(1016, Some(&array(20, &[Some(big)]))), (25, Some(text))]))])
    };
    field(&columns(true, &[2287]), &deep(&big, VISA), &deep(&masked, VISA_TEXT), 2, 0);
    let range = |flags: u8, bounds: &[&[u8]]| {
        bounds.iter().fold(vec![flags], |range, bound| [range, value(Some(bound))].concat())
    };
    card(true, 3926, &range(2, &[&[0; 8], &big]), &range(2, &[&[0; 8], &masked]));
    card(true, 3926, &range(0x12, &[&big]), &range(0x12, &[&masked]));
    kept(true, 3926, &[1]);
    let ranges = |big: &[u8]| [words(&[2]), value(Some(&range(0x0a, &[big]))), value(Some(&[1]))].concat();
    card(true, 4536, &ranges(&big), &ranges(&masked));
    kept(true, 2249, &record(&[]));
}

#[test]
fn types_of_the_user() {
    let (big, masked) = (big(), big_masked());
    let oid = 50_000;
    card(true, oid, &record(&[(20, Some(&big))]), &record(&[(20, Some(&masked))]));
    card(true, oid, &array(20, &[Some(&big)]), &array(20, &[Some(&masked)]));
    card(
        true,
        oid,
        &array(60_000, &[Some(&record(&[(20, Some(&big))]))]),
        &array(60_000, &[Some(&record(&[(20, Some(&masked))]))]),
    );
    card(true, oid, &numeric(3, &[4111, 1111, 1111, 1111]), &numeric(3, &[4111, 1100, 0, 1111]));
    card(true, oid, &big, &masked);
    kept(true, oid, b"shipped");
    check_malformed(
        &BodyMask::row(),
        &columns(true, &[25, oid]),
        &row(&[None, Some(b"\x02\0\0\0\x08abcdefgh")]),
        Malformed::Opaque { column: 1 },
    );
    let mut declared = Columns::new();
    let types = UserTypes::new([(oid, Kind::Range(20)), (oid + 1, Kind::Hstore)]);
    declared.set_types(Some(std::sync::Arc::new(types)));
    declared.push(Column { type_oid: oid, binary: true, whole: None });
    let range = |big: &[u8]| [vec![0x12], value(Some(big))].concat();
    field(&declared, &range(&big), &range(&masked), 1, 0);
    declared.clear();
    declared.push(Column { type_oid: oid + 1, binary: true, whole: None });
    let pairs =
        |text: &[u8]| [words(&[2]), value(Some(b"0")), value(Some(text)), value(Some(b"k")), value(None)].concat();
    field(&declared, &pairs(VISA), &pairs(VISA_TEXT), 1, 0);
}

#[test]
fn sensitive_text() {
    let ends = |oid, before: &[u8], after: &[u8]| field(&sensitive(false, oid, KeepEnds), before, after, 0, 1);
    ends(25, b"4111111111111112", b"411111******1112"); // no card by content
    ends(20, b"4111111111111112", b"4111110000001112");
    ends(25, b"hello", b"*****");
    let nothing = |oid, before: &[u8], after: &[u8]| field(&sensitive(false, oid, KeepNothing), before, after, 0, 1);
    nothing(25, VISA, b"****************");
    nothing(20, VISA, b"0000000000000000");
    nothing(1082, b"2029-11-30", b"**********");
    nothing(1009, b"{a,\"b,}\\\"c\",NULL}", b"{*,\"******\",****}");
    nothing(1009, b"[0:1]={a,{b}}", b"[0:1]={*,{*}}");
    nothing(1016, b"{4111,-2,NULL}", b"{0000,-0,NULL}");
    nothing(1001, b"{\"\\\\x34\"}", b"{\"*****\"}");
    nothing(25, b"", b"");
    let null = row(&[None]);
    check(&BodyMask::row(), &sensitive(false, 25, KeepNothing), &null, &null, 0, 0);
}

#[test]
fn sensitive_text_that_cannot_be_held() {
    for len in [HOLD_MAX, HOLD_MAX + 1, 1500] {
        let mut text = VISA.repeat(len / 16 + 1);
        text.truncate(len);
        for whole in [KeepEnds, KeepNothing] {
            field(&sensitive(false, 25, whole), &text, &vec![b'*'; len], 0, 1);
            field(&sensitive(true, 25, whole), &text, &vec![b'*'; len], 0, 1);
            field(&sensitive(false, 1700, whole), &text, &vec![b'0'; len], 0, 1);
        }
    }
    let inner = 900;
    let string = |fill: u8| around(b"\"", &vec![fill; inner], b"\"");
    field(&sensitive(false, 114, KeepNothing), &string(b'7'), &string(b'*'), 0, 1);
    let bytes = around(b"\\x", &hex(&vec![b'7'; inner]), b"");
    field(&sensitive(false, 17, KeepNothing), &bytes, &around(b"\\x", &hex(&vec![b'*'; inner]), b""), 0, 1);
}

#[test]
fn sensitive_binary() {
    let ends = |oid, before: &[u8], after: &[u8]| field(&sensitive(true, oid, KeepEnds), before, after, 0, 1);
    let luhnless = 4_111_111_111_111_112_i64;
    let masked = pan::whole_int8(luhnless, KeepEnds).to_be_bytes();
    ends(20, &luhnless.to_be_bytes(), &masked);
    ends(21, &123_i16.to_be_bytes(), &[0, 0]);
    ends(23, &1234_i32.to_be_bytes(), &[0; 4]);
    ends(1700, &numeric(0, &[123]), &numeric(0, &[0]));
    ends(25, b"4111111111111112", b"411111******1112");
    ends(3802, b"\x01\"4111111111111112\"", b"\x01\"411111******1112\"");
    ends(1016, &array(20, &[Some(&luhnless.to_be_bytes()), None]), &array(20, &[Some(&masked), None]));
    ends(50_000, &record(&[(23, Some(&words(&[7])))]), &record(&[(23, Some(&words(&[0])))]));
}

#[test]
fn sensitive_types_without_a_fill() {
    for oid in [701, 1114, 1082, 2950, 16, 1562, 3614, 600, 1182, 2951, 3912, 4533] {
        assert_eq!(sensitive(true, oid, KeepNothing).unmaskable(), Some(0), "oid {oid}");
        assert_eq!(sensitive(false, oid, KeepNothing).unmaskable(), None, "oid {oid}");
        let mut columns = columns(true, &[oid, 25]);
        assert_eq!(columns.unmaskable(), None);
        columns.push(Column { type_oid: oid, binary: true, whole: Some(KeepNothing) });
        assert_eq!(columns.unmaskable(), Some(2));
    }
    for oid in [20, 21, 23, 25, 17, 1700, 3802, 1016, 1009, 2249, 50_000, 3904] {
        assert_eq!(sensitive(true, oid, KeepNothing).unmaskable(), None, "oid {oid}");
    }
    let inside = row(&[Some(&record(&[(25, Some(b"a")), (1114, Some(&[0; 8]))]))]);
    check_malformed(&BodyMask::row(), &sensitive(true, 2249, KeepEnds), &inside, Malformed::Unmaskable { column: 0 });
    let body = row(&[Some(&[0; 8])]);
    check_malformed(&BodyMask::row(), &sensitive(true, 1114, KeepEnds), &body, Malformed::Unmaskable { column: 0 });
}

#[test]
fn clear_columns() {
    for binary in [false, true] {
        let mut columns = Columns::new();
        columns.push_clear(25, binary);
        field(&columns, VISA, VISA, 0, 0);
    }
}

#[test]
fn rows_of_many() {
    let columns = columns(false, &[25, 20, 25]);
    let body = row(&[Some(VISA), None, Some(b"")]);
    check(&BodyMask::row(), &columns, &body, &row(&[Some(VISA_TEXT), None, Some(b"")]), 1, 0);
    // Digits of neighbours are not one number.
    let split = row(&[Some(b"41111111"), None, Some(b"11111111")]);
    check(&BodyMask::row(), &columns, &split, &split, 0, 0);
    // One masker, row after row.
    let masked = row(&[Some(VISA_TEXT), None, Some(b"")]);
    let twice = Ok(([masked.clone(), masked].concat(), 2, 0));
    check_frames(&BodyMask::row(), &columns, &[&body, &body], &twice);
    let none = Columns::new();
    check(&BodyMask::row(), &none, &[0, 0], &[0, 0], 0, 0);
}

#[test]
fn malformed_rows() {
    let text = columns(false, &[25]);
    let bad = |columns: &Columns, body: &[u8], fault| check_malformed(&BodyMask::row(), columns, body, fault);
    bad(&text, b"", Malformed::End);
    bad(&text, &[0], Malformed::End);
    bad(&text, &[0, 2, 0, 0, 0, 0], Malformed::Count);
    bad(&text, &[0, 0], Malformed::Count);
    bad(&text, &[0, 1, 0xff, 0xff, 0xff, 0xfe], Malformed::Length);
    bad(&text, &[0, 1, 0x80, 0, 0, 0], Malformed::Length);
    bad(&text, &[0, 1, 0x7f, 0xff, 0xff, 0xff, b'a'], Malformed::End);
    bad(&text, &[0, 1, 0, 0, 0, 1], Malformed::End);
    bad(&text, &[row(&[Some(b"a")]), vec![0]].concat(), Malformed::End);
    bad(&text, &[row(&[Some(b"a")]), row(&[Some(b"a")])].concat(), Malformed::End);
    let binary = |oid, value: &[u8], fault| bad(&columns(true, &[oid]), &row(&[Some(value)]), fault);
    binary(20, &[0; 7], Malformed::Length);
    binary(23, &[0; 8], Malformed::Length);
    binary(2950, &[0; 15], Malformed::Length);
    binary(16, &[], Malformed::Length);
    binary(1700, &[0, 1, 0, 0, 0, 0, 0, 0], Malformed::Value);
    binary(1016, &words(&[1, 0, 20]), Malformed::Length);
    binary(1016, &words(&[1, 0, 20, 1, 1, 16, 0, 0]), Malformed::Length);
    binary(1016, &words(&[1, 0, 20, i32::MAX, 1]), Malformed::Count);
    binary(1016, &words(&[2, 0, 20, i32::MAX, 1, i32::MAX, 1]), Malformed::Count);
    binary(1016, &words(&[1, 0, 20, 1, 1, -2]), Malformed::Length);
    binary(1016, &words(&[7, 0, 20, 0, 0]), Malformed::Value);
    binary(1016, &words(&[0, 0, 20, 0]), Malformed::Length);
    binary(2249, &words(&[2, 25, -1]), Malformed::Count);
    binary(2249, &words(&[1, 25, 4]), Malformed::Length);
    binary(3926, &[2, 0, 0, 0, 8], Malformed::Count);
    binary(3926, &[1, 0], Malformed::Length);
    binary(4536, &words(&[1]), Malformed::Count);
    let nested = (0..DEPTH_TESTED).fold(record(&[]), |inner, _| record(&[(2249, Some(&inner))]));
    binary(2249, &nested, Malformed::Depth);
}

const DEPTH_TESTED: usize = 6;

#[test]
fn function_results() {
    let mask = BodyMask::function();
    check(&mask, &columns(false, &[25]), &value(Some(VISA)), &value(Some(VISA_TEXT)), 1, 0);
    check(&mask, &columns(true, &[20]), &value(Some(&big())), &value(Some(&big_masked())), 1, 0);
    check(&mask, &columns(true, &[20]), &value(None), &value(None), 0, 0);
    check_malformed(&mask, &columns(true, &[20, 20]), &value(None), Malformed::Count);
    check_malformed(&mask, &columns(true, &[25]), &words(&[-2]), Malformed::Length);
    check_malformed(&mask, &columns(true, &[25]), &words(&[-1, -1]), Malformed::End);
}
