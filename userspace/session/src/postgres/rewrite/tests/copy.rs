//! CopyData, in its three formats.

use super::*;
use pan::Whole::{KeepEnds, KeepNothing};

fn text(options: &CopyOptions<'_>) -> BodyMask {
    BodyMask::copy_text(CopyFormat::new(options).expect("fit options"))
}

fn csv() -> CopyOptions<'static> {
    CopyOptions { csv: true, ..CopyOptions::default() }
}

/// A line as people read it: V for the card, T for its masked text, D for its masked number.
fn line(pattern: &str) -> Vec<u8> {
    let mut line = Vec::new();
    for byte in pattern.bytes() {
        match byte {
            b'V' => line.extend(VISA),
            b'T' => line.extend(VISA_TEXT),
            b'D' => line.extend(VISA_NUMBER),
            byte => line.push(byte),
        }
    }
    line
}

#[track_caller]
fn lines(mask: &BodyMask, columns: &Columns, before: &str, after: &str, cards: u32, sensitive: u32) {
    check(mask, columns, &line(before), &line(after), cards, sensitive);
}

#[test]
fn text_by_content() {
    let mask = text(&CopyOptions::default());
    let of = |oids: &[u32]| columns(false, oids);
    lines(&mask, &of(&[25, 20]), "V\tV\n", "T\tD\n", 2, 0);
    lines(&mask, &of(&[25, 25]), "a V b\t\\N\n", "a T b\t\\N\n", 1, 0);
    lines(&mask, &of(&[25]), "41111111\n", "41111111\n", 0, 0);
    lines(&mask, &of(&[25, 25]), "41111111\t11111111\n", "41111111\t11111111\n", 0, 0);
    // What the server writes for a line feed, a tab, a backslash is no letter beside the number.
    lines(&mask, &of(&[25]), "x\\nV\\tV\\\\V\\\\nV\n", "x\\nT\\tT\\\\T\\\\nT\n", 4, 0);
    lines(&mask, &of(&[114]), "{\"a\": V, \"b\": \"V\"}\n", "{\"a\": D, \"b\": \"D\"}\n", 2, 0);
    lines(&mask, &of(&[25]), "V\nV\n", "T\nT\n", 2, 0);
    lines(&mask, &of(&[25]), "\n", "\n", 0, 0);
    lines(&mask, &of(&[]), "\n\n", "\n\n", 0, 0);
    lines(&mask, &of(&[25]), "", "", 0, 0);
}

#[test]
fn bytea() {
    let (before, after) = (hex("V"), hex("T"));
    let of = |oid| columns(false, &[oid, 25]);
    let (mask, quoted) = (text(&CopyOptions::default()), text(&csv()));
    lines(&mask, &of(17), &format!("\\\\x{before}\tV\n"), &format!("\\\\x{after}\tT\n"), 2, 0);
    lines(&quoted, &of(17), &format!("\\x{before},V\n"), &format!("\\x{after},T\n"), 2, 0);
    lines(
        &mask,
        &of(1001),
        &format!("{{\"\\\\\\\\x{before}\"}}\tV\n"),
        &format!("{{\"\\\\\\\\x{after}\"}}\tT\n"),
        2,
        0,
    );
    lines(
        &quoted,
        &of(1001),
        &format!("\"{{\"\"\\\\x{before}\"\"}}\",V\n"),
        &format!("\"{{\"\"\\\\x{after}\"\"}}\",T\n"),
        2,
        0,
    );
    lines(&mask, &of(17), "\\\\001V\\\\377\\\\\\\\V\t\\\\\n", "\\\\001T\\\\377\\\\\\\\T\t\\\\\n", 2, 0);
    lines(&quoted, &of(17), "\\001V\\377\\\\V,\n", "\\001T\\377\\\\T,\n", 2, 0);
    lines(&mask, &of(17), "\\N\t\n", "\\N\t\n", 0, 0);
}

fn hex(pattern: &str) -> String {
    line(pattern).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn csv_by_content() {
    let mask = text(&csv());
    let of = |oids: &[u32]| columns(false, oids);
    lines(&mask, &of(&[25, 20]), "V,V\n", "T,D\n", 2, 0);
    lines(&mask, &of(&[25, 25]), "\"a, V\n\"\"V\"\"\",\n", "\"a, T\n\"\"T\"\"\",\n", 2, 0);
    lines(&mask, &of(&[114]), "\"{\"\"a\"\": \"\"\\nV\"\"}\"\n", "\"{\"\"a\"\": \"\"\\nD\"\"}\"\n", 1, 0);
    let other = text(&CopyOptions { delimiter: Some(b';'), quote: Some(b'\''), escape: Some(b'\\'), ..csv() });
    lines(&other, &of(&[25, 25]), "'a\\';V';V\n", "'a\\';T';T\n", 2, 0);
}

#[test]
fn headers() {
    let mask = text(&CopyOptions { header: true, ..csv() });
    let mut columns = sensitive(false, 20, KeepNothing);
    columns.push(Column { type_oid: 25, binary: false, whole: None });
    lines(&mask, &columns, "pan,V\n12,V\n", "pan,T\n00,T\n", 2, 1);
    let frames = [&line("pan,note\n")[..], &line("12,V\n")];
    check_frames(&mask, &columns, &frames, &Ok((line("pan,note\n00,T\n"), 1, 1)));
}

#[test]
fn sensitive_fields() {
    let mask = text(&CopyOptions::default());
    let of = |whole, oid| {
        let mut columns = sensitive(false, oid, whole);
        columns.push(Column { type_oid: 25, binary: false, whole: None });
        columns
    };
    lines(&mask, &of(KeepEnds, 25), "4111111111111112\tV\n", "411111******1112\tT\n", 1, 1);
    lines(&mask, &of(KeepEnds, 20), "4111111111111112\tV\n", "4111110000001112\tT\n", 1, 1);
    lines(&mask, &of(KeepNothing, 25), "a\\tb\\\\\tV\n", "******\tT\n", 1, 1);
    lines(&mask, &of(KeepNothing, 25), "\\N\tV\n", "\\N\tT\n", 1, 0);
    lines(&mask, &of(KeepNothing, 25), "\t\n", "\t\n", 0, 1);
    lines(&mask, &of(KeepNothing, 17), "\\\\x3431\t\n", "\\\\x2a2a\t\n", 0, 1);
    let quoted = text(&CopyOptions { null: Some(b"none"), ..csv() });
    lines(&quoted, &of(KeepEnds, 25), "\"4111111111111112\",V\n", "\"411111******1112\",T\n", 1, 1);
    lines(&quoted, &of(KeepEnds, 25), "none,V\n", "none,T\n", 1, 0);
    lines(&quoted, &of(KeepNothing, 25), "\"none\",V\n", "\"****\",T\n", 1, 1);
    lines(&quoted, &of(KeepNothing, 25), "\"a\"\"b,\nc\",V\n", "\"*******\",T\n", 1, 1);
}

#[test]
fn sensitive_fields_that_cannot_be_held() {
    for len in [HOLD_MAX - 1, HOLD_MAX, HOLD_MAX + 1, 1200] {
        let mut columns = sensitive(false, 25, KeepEnds);
        columns.push(Column { type_oid: 25, binary: false, whole: None });
        let (data, stars) = ("7".repeat(len), "*".repeat(len));
        lines(&text(&CopyOptions::default()), &columns, &format!("{data}\tV\n"), &format!("{stars}\tT\n"), 1, 1);
        lines(&text(&csv()), &columns, &format!("\"{data}\",V\n"), &format!("\"{stars}\",T\n"), 1, 1);
        lines(
            &text(&CopyOptions::default()),
            &columns,
            &format!("{data}\\t\\\\\tV\n"),
            &format!("{stars}****\tT\n"),
            1,
            1,
        );
    }
}

#[test]
fn clear_fields() {
    let mut columns = Columns::new();
    columns.push_clear(25, false);
    columns.push(Column { type_oid: 25, binary: false, whole: None });
    lines(&text(&CopyOptions::default()), &columns, "V\\n\tV\n", "V\\n\tT\n", 1, 0);
}

#[test]
fn malformed_text() {
    for (options, columns, body, fault) in [
        (CopyOptions::default(), columns(false, &[25]), "a\tb\n", Malformed::Count),
        (CopyOptions::default(), columns(false, &[25, 25]), "a\n", Malformed::Count),
        (CopyOptions::default(), columns(false, &[25]), "a", Malformed::End),
        (CopyOptions::default(), columns(false, &[25]), "a\\", Malformed::End),
        (CopyOptions::default(), columns(false, &[17]), "\\\\", Malformed::End),
        (CopyOptions::default(), columns(false, &[]), "a\n", Malformed::Count),
        (CopyOptions::default(), sensitive(false, 25, KeepEnds), "abc", Malformed::End),
        (csv(), columns(false, &[25]), "\"a\n", Malformed::End),
        (csv(), sensitive(false, 25, KeepEnds), "a,b\n", Malformed::Count),
    ] {
        check_malformed(&text(&options), &columns, body.as_bytes(), fault);
    }
}

#[test]
fn unfit_options() {
    let text =
        |delimiter| CopyFormat::new(&CopyOptions { delimiter: Some(delimiter), ..CopyOptions::default() }).map(|_| ());
    for delimiter in [b' ', b'-', b'.', b'4', b'a', 0xa0] {
        assert_eq!(text(delimiter), Err(UnfitCopy::Character(delimiter)));
    }
    assert_eq!(text(b'\\'), Err(UnfitCopy::Ambiguous));
    assert_eq!(text(b'\n'), Err(UnfitCopy::Ambiguous));
    assert_eq!(text(b'|'), Ok(()));
    let quoted = |quote, escape| CopyFormat::new(&CopyOptions { quote: Some(quote), escape, ..csv() }).map(|_| ());
    assert_eq!(quoted(b'-', None), Err(UnfitCopy::Character(b'-')));
    assert_eq!(quoted(b'"', Some(b'1')), Err(UnfitCopy::Character(b'1')));
    assert_eq!(quoted(b',', None), Err(UnfitCopy::Ambiguous));
    assert_eq!(quoted(b'\'', Some(b'\\')), Ok(()));
    let null = [b'x'; 33];
    assert_eq!(CopyFormat::new(&CopyOptions { null: Some(&null), ..csv() }).map(|_| ()), Err(UnfitCopy::NullTooLong));
}

fn header() -> Vec<u8> {
    [&b"PGCOPY\n\xff\r\n\0"[..], &[0; 8]].concat()
}

#[test]
fn binary() {
    let columns = columns(true, &[25, 20]);
    let tuple = |text: &[u8]| row(&[Some(text), None]);
    let first = [header(), tuple(VISA)].concat();
    let (second, trailer) = (tuple(b"x"), [0xff, 0xff]);
    let after = [header(), tuple(VISA_TEXT), second.clone(), trailer.to_vec()].concat();
    let mask = BodyMask::copy_binary();
    check_frames(&mask, &columns, &[&first, &second, &trailer], &Ok((after.clone(), 1, 0)));
    check(&mask, &columns, &[first.clone(), second.clone(), trailer.to_vec()].concat(), &after, 1, 0);
    check_frames(
        &mask,
        &columns,
        &[&header(), &tuple(VISA), &trailer],
        &Ok(([header(), tuple(VISA_TEXT), trailer.to_vec()].concat(), 1, 0)),
    );
    let mut extended = header();
    extended[18] = 3;
    extended.extend(b"abc");
    check(
        &mask,
        &columns,
        &[extended.clone(), trailer.to_vec()].concat(),
        &[extended, trailer.to_vec()].concat(),
        0,
        0,
    );
    check_frames(
        &mask,
        &sensitive(true, 20, KeepNothing),
        &[&header(), &row(&[Some(&[1; 8])])],
        &Ok(([header(), row(&[Some(&[0; 8])])].concat(), 0, 1)),
    );
}

#[test]
fn malformed_binary() {
    let columns = columns(true, &[25]);
    let bad = |body: &[u8], fault| check_malformed(&BodyMask::copy_binary(), &columns, body, fault);
    bad(&header()[..18], Malformed::End);
    bad(&[0; 19], Malformed::Value);
    let flagged = |at: usize, byte: u8| {
        let mut header = header();
        header[at] = byte;
        header
    };
    bad(&flagged(12, 1), Malformed::Value);
    bad(&flagged(15, 0xff), Malformed::Length);
    bad(&flagged(18, 2), Malformed::End);
    bad(&[header(), vec![0, 2]].concat(), Malformed::Count);
    bad(&[header(), vec![0xff, 0xfe]].concat(), Malformed::Count);
    bad(&[header(), vec![0xff, 0xff, 0]].concat(), Malformed::End);
    bad(&[header(), vec![0, 1, 0, 0, 0, 9]].concat(), Malformed::End);
    bad(&[header(), vec![0, 1]].concat(), Malformed::End);
}

/// Values that are not null are counted once each, and once for a card in them, however the rows are cut.
#[test]
fn what_is_counted() {
    let csv = CopyOptions { csv: true, header: true, ..CopyOptions::default() };
    let text: (CopyOptions<'_>, &[&[u8]]) = (
        CopyOptions::default(),
        &[b"4111111111111111\t1\n", b"\\N\t\\N\n", b"\t2\n", b"4111\\t5555555555554444\t\\N\n"],
    );
    let csv: (CopyOptions<'_>, &[&[u8]]) =
        (csv, &[b"a,b\n", b"4111111111111111,1\n", b",\n", b"\"\",2\n", b"\"a\"\"5555555555554444\",\n"]);
    for (options, frames) in [text, csv] {
        for cut in [usize::MAX, 1, 2, 3, 7] {
            let mut index = crate::evidence::Index::default();
            let place = index.place("payments", "app");
            let mut columns = Columns::new();
            columns.set_evidence(index.evidence());
            for (attribute, type_oid) in [(1, 25), (2, 23)] {
                columns.push_counted(type_oid, false, Sought::default(), index.describe(place, 16_400, attribute, 0));
            }
            let mask = BodyMask::copy_text(CopyFormat::new(&options).expect("fit"));
            feed(&mask, &columns, frames, |place| place % cut == 0).expect("well formed");
            let seen: Vec<(u64, u64)> = index.evidence().columns().iter().map(|s| (s.values, s.hits)).collect();
            assert_eq!(seen, [(3, 2), (2, 0)], "cut at every {cut}");
        }
    }
}
