//! What a real server sent (`server15.txt`) is well formed to us, and nothing of its card leaves in any form.

use super::*;

/// The card as text, as the hex text of a bytea, as an int8, as a numeric's words.
const FORMS: [&[u8]; 4] = [
    VISA,
    b"34313131313131313131313131313131",
    &4_111_111_111_111_111_i64.to_be_bytes(),
    &[0x10, 0x0f, 0x04, 0x57, 0x04, 0x57, 0x04, 0x57],
];

fn mask_of(kind: &str) -> BodyMask {
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

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn nothing_leaves_of_what_a_server_sends() {
    let (mut cards_before, mut masked) = (0, 0);
    for (number, line) in include_str!("server15.txt").lines().enumerate().skip(1) {
        let mut words = line.split(' ');
        let (kind, format, oids) =
            (words.next().expect("kind"), words.next().expect("format"), words.next().expect("OIDs"));
        let oids: Vec<u32> = oids.split(',').filter_map(|oid| oid.parse().ok()).collect();
        let frames: Vec<Vec<u8>> = words.map(unhex).collect();
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let columns = columns(format == "1", &oids);
        let outcome = feed(&mask_of(kind), &columns, &frames, |_| false);
        let (out, cards, _) = outcome.clone().unwrap_or_else(|fault| panic!("line {}: {fault:?}", number + 1));
        for (form, bytes) in FORMS.iter().enumerate() {
            let left = |haystack: &[u8]| haystack.windows(bytes.len()).filter(|window| window == bytes).count();
            cards_before += left(&frames.concat());
            assert_eq!(left(&out), 0, "line {}: the card left in form {form}", number + 1);
        }
        masked += cards;
        check_frames(&mask_of(kind), &columns, &frames, &outcome);
    }
    assert!(cards_before > 60, "{cards_before} cards were in there");
    assert!(masked as usize >= cards_before, "{masked} of {cards_before}");
}
