//! What a real server sent (`server15.txt`) is well formed to us, and nothing of its card leaves in any form.

use super::*;

/// The card as text, as the hex text of a bytea, as an int8, as a numeric's words.
const FORMS: [&[u8]; 4] = [
    VISA,
    b"34313131313131313131313131313131",
    &4_111_111_111_111_111_i64.to_be_bytes(),
    &[0x10, 0x0f, 0x04, 0x57, 0x04, 0x57, 0x04, 0x57],
];

pub(super) fn mask_of(kind: &str) -> BodyMask {
    let copy = |options| BodyMask::copy_text(CopyFormat::new(&options).expect("fit options"));
    let csv = CopyOptions { csv: true, ..CopyOptions::default() };
    match kind {
        "row" => BodyMask::row(),
        "names" => BodyMask::strings(Message::RowDescription, Strip::Nothing),
        "error" => BodyMask::strings(Message::Error, Strip::Nothing),
        "text" => copy(CopyOptions::default()),
        "csv" => copy(csv),
        "csvheader" => copy(CopyOptions { header: true, ..csv }),
        "binary" => BodyMask::copy_binary(),
        other => panic!("no such kind: {other}"),
    }
}

pub(super) fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

struct Sent {
    kind: &'static str,
    binary: bool,
    oids: Vec<u32>,
    frames: Vec<Vec<u8>>,
}

/// What the file says, line after line.
fn sent() -> impl Iterator<Item = (usize, Sent)> {
    include_str!("server15.txt").lines().enumerate().skip(1).map(|(number, line)| {
        let mut words = line.split(' ');
        let (kind, format, oids) =
            (words.next().expect("kind"), words.next().expect("format"), words.next().expect("OIDs"));
        let oids = oids.split(',').filter_map(|oid| oid.parse().ok()).collect();
        (number + 1, Sent { kind, binary: format == "1", oids, frames: words.map(unhex).collect() })
    })
}

pub(super) fn count(haystack: &[u8], form: &[u8]) -> usize {
    haystack.windows(form.len()).filter(|window| *window == form).count()
}

#[test]
fn nothing_leaves_by_content() {
    let (mut before, mut masked) = (0, 0);
    for (line, sent) in sent() {
        let frames: Vec<&[u8]> = sent.frames.iter().map(Vec::as_slice).collect();
        let columns = columns(sent.binary, &sent.oids);
        let outcome = feed(&mask_of(sent.kind), &columns, &frames, |_| false);
        let (out, cards, _) = outcome.clone().unwrap_or_else(|fault| panic!("line {line}: {fault:?}"));
        for (form, bytes) in FORMS.iter().enumerate() {
            before += count(&frames.concat(), bytes);
            assert_eq!(count(&out, bytes), 0, "line {line}: the card left in form {form}");
        }
        masked += cards;
        check_frames(&mask_of(sent.kind), &columns, &frames, &outcome);
    }
    assert!(before > 60, "{before} cards were in there");
    assert!(masked as usize >= before, "{masked} of {before}");
}

/// The same, each column in its turn sensitive: masked, or refused where its type has no fill.
#[test]
fn nothing_leaves_of_sensitive_columns() {
    let mut masked = 0;
    for (line, sent) in sent() {
        let frames: Vec<&[u8]> = sent.frames.iter().map(Vec::as_slice).collect();
        for chosen in 0..sent.oids.len() {
            let mut columns = Columns::new();
            for (index, &type_oid) in sent.oids.iter().enumerate() {
                let whole = (index == chosen).then_some(Whole::KeepNothing);
                columns.push(Column { type_oid, binary: sent.binary, whole });
            }
            let outcome = feed(&mask_of(sent.kind), &columns, &frames, |_| false);
            match &outcome {
                Ok((out, _, sensitive)) => {
                    assert!(FORMS.iter().all(|form| count(out, form) == 0), "line {line}, column {chosen}");
                    masked += sensitive;
                }
                Err(fault) => {
                    assert_eq!(*fault, Malformed::Unmaskable { column: chosen }, "line {line}");
                    assert!(sent.binary, "line {line}: text always has a fill");
                }
            }
            let pieces = feed(&mask_of(sent.kind), &columns, &frames, |place| place % 3 == 0);
            assert!(pieces == outcome, "line {line}, column {chosen}: {}", difference(&pieces, &outcome));
        }
    }
    assert!(masked > 100, "{masked} values");
}
