//! Messages of strings.

use super::*;

fn mask(message: Message) -> BodyMask {
    BodyMask::strings(message, Strip::Nothing)
}

/// V: the card, T: its masked text; `|` ends a string.
fn body(pattern: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for byte in pattern.bytes() {
        match byte {
            b'V' => body.extend(VISA),
            b'T' => body.extend(VISA_TEXT),
            b'|' => body.push(0),
            byte => body.push(byte),
        }
    }
    body
}

#[track_caller]
fn strings(message: Message, before: &str, after: &str, cards: u32) {
    check(&mask(message), &Columns::new(), &body(before), &body(after), cards, 0);
}

#[test]
fn by_content() {
    strings(
        Message::Error,
        "SERROR|C22P02|Mbad: \"V\"|DV|Wx V|Fnumutils.c|L4|Rpg|zV||",
        "SERROR|C22P02|Mbad: \"T\"|DT|Wx T|Fnumutils.c|L4|Rpg|zT||",
        4,
    );
    strings(Message::Error, "|", "|", 0);
    strings(Message::ParameterStatus, "application_name|V|", "application_name|T|", 1);
    strings(Message::ParameterStatus, "V||", "T||", 1);
    strings(Message::CommandComplete, "SELECT 1|", "SELECT 1|", 0);
    strings(Message::CommandComplete, "V|", "T|", 1);
    strings(Message::Notification, "aaaaV|V|", "aaaaT|T|", 2);
}

#[test]
fn column_names() {
    let numbers = [b'4'; 18]; // the fixed part is no text, whatever it looks like
    let before = [&[0, 2][..], b"id\0", &numbers, VISA, b"\0", &numbers].concat();
    let after = [&[0, 2][..], b"id\0", &numbers, VISA_TEXT, b"\0", &numbers].concat();
    check(&mask(Message::RowDescription), &Columns::new(), &before, &after, 1, 0);
    check(&mask(Message::RowDescription), &Columns::new(), &[0, 0], &[0, 0], 0, 0);
}

#[test]
fn stripped() {
    let strip = |before: &str, after: &str, cards: u32| {
        let mask = BodyMask::strings(Message::Error, Strip::Values);
        check(&mask, &Columns::new(), &body(before), &body(after), cards, 0);
    };
    strip("C23505|Mkey \"a\" b|DKey (x)=(1)|tpay|cpan||", "C23505|Mkey \"*\" b|D***********|tpay|cpan||", 0);
    strip("C22P02|Mfor \"a\"b\" V x|Wl|qs|z1||", "C22P02|Mfor \"***\" T x|W*|q*|z*||", 1);
    strip("C22P02|Mopen \"abc def||", "C22P02|Mopen \"*******||", 0);
    strip("C22P02|Mno quotes V|Hdo 'x'||", "C22P02|Mno quotes T|Hdo '*'||", 1);
    strip("C22P02|MWert »123« x||", "C22P02|MWert ******* x||", 0);
    strip("CP0001|Mvalue is 123|H5||", "CP0001|M************|H*||", 0);
    strip("Mbefore its state|C00000||", "M****************|C00000||", 0);
    let long = "y".repeat(HOLD_MAX);
    strip(&format!("C22P02|M{long}V 'a' b||"), &format!("C22P02|M{long}V *****||"), 0); // a letter beside it
    strip(&format!("C22P02|M{long} V 'a' b||"), &format!("C22P02|M{long} T *****||"), 1);
    strip(&format!("C22P02|D{long}V||"), &format!("C22P02|D{}||", "*".repeat(HOLD_MAX + 16)), 0);
}

/// What one error said of itself says nothing of the next.
#[test]
fn stripped_twice() {
    let mask = BodyMask::strings(Message::Error, Strip::Values);
    let frames = [&body("C22P02|Mis \"1\"||")[..], &body("Mis 1||")];
    check_frames(&mask, &Columns::new(), &frames, &Ok((body("C22P02|Mis \"*\"||M****||"), 0, 0)));
}

#[test]
fn sqlstate() {
    for cut in [1, 3, 100] {
        let mut masker = mask(Message::Error);
        let mut bytes = body("SERROR|C42501|Mno||");
        let mut start = 0;
        let len = bytes.len();
        let mut end = 0;
        while end < len {
            end = len.min(end + cut);
            start += masker.feed(&mut bytes[start..end], end == len, &Columns::new()).expect("well formed").done;
        }
        let BodyMask::Strings(strings) = &masker else { unreachable!("made as strings") };
        assert_eq!(strings.sqlstate(), Some(*b"42501"));
    }
}

#[test]
fn malformed() {
    for (message, bytes, fault) in [
        (Message::Error, "SERROR|", Malformed::End),
        (Message::Error, "SERROR", Malformed::End),
        (Message::Error, "", Malformed::End),
        (Message::Error, "||", Malformed::End),
        (Message::Error, "C4250||", Malformed::Value),
        (Message::Error, "C425011||", Malformed::Value),
        (Message::ParameterStatus, "a|b", Malformed::End),
        (Message::ParameterStatus, "a|", Malformed::End),
        (Message::ParameterStatus, "a|b||", Malformed::End),
        (Message::CommandComplete, "a", Malformed::End),
        (Message::CommandComplete, "a||", Malformed::End),
        (Message::Notification, "aaa", Malformed::End),
        (Message::Notification, "aaaab|", Malformed::End),
        (Message::RowDescription, "|", Malformed::End),
    ] {
        check_malformed(&mask(message), &Columns::new(), &body(bytes), fault);
    }
    check_malformed(&mask(Message::RowDescription), &Columns::new(), b"\0\x01a\0short", Malformed::End);
    check_malformed(&mask(Message::RowDescription), &Columns::new(), &[0, 0, 0], Malformed::End);
}

/// A message that may stay as it is comes out of its masker as it is.
#[test]
fn what_may_stay_stays() {
    let (mut stayed, columns) = (0, Columns::new());
    for round in 0..20_000_u64 {
        let mut noise = Noise(0x57a1 + round * 0x9e37_79b9);
        let names = noise.below(3);
        let mut some = || -> Vec<u8> {
            let parts: [&[u8]; 7] = [b"SELECT ", b"12", b"name", VISA, b"4111-1111-1111-1111", b"1234567890", b""];
            let odd: &[u8] = if noise.below(30) == 0 { b"\0" } else { b"" };
            [parts[noise.below(7)], parts[noise.below(7)], odd].concat()
        };
        let tag = [&some()[..], b"\0"].concat();
        let count = u16::try_from(names).unwrap().to_be_bytes().to_vec();
        let described = (0..names).fold(count, |body, _| [&body[..], &some(), b"\0", &[b'0'; 18]].concat());
        for (message, mut body) in [(Message::CommandComplete, tag), (Message::RowDescription, described)] {
            if noise.below(20) == 0 {
                body.pop();
            }
            if columns.strings_pass(message, &body) {
                assert!(feed(&mask(message), &columns, &[&body], |_| false) == Ok((body, 0, 0)), "round {round}");
                stayed += 1;
            }
        }
    }
    assert!(stayed > 10_000, "{stayed}");
    let eager = Sought { mode: pan::Mode::Strict, patterns: 0 };
    for sought in [eager, Sought { mode: pan::Mode::Balanced, patterns: 1 }] {
        let mut columns = Columns::new();
        columns.set_sought(sought, None);
        assert!(!columns.strings_pass(Message::CommandComplete, b"SELECT 1\0"));
    }
    assert!(!columns.strings_pass(Message::Error, b"\0"));
}
