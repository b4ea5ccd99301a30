//! Every brand and length of the issuer table in every form that it is printed or encoded in, at every alignment and cut.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input must fail")]

use pan::{Fill, Scanner, mask_int8, mask_text, naive};

/// One number per prefix and length of the rows found by content, its check digit right.
fn numbers() -> Vec<String> {
    let mut numbers = Vec::new();
    for row in include_str!("../iin.csv").lines().filter(|line| line.contains(",balanced,")) {
        let fields: Vec<&str> = row.splitn(8, ',').collect();
        for prefix in [fields[1], fields[2]] {
            for length in fields[3].split(' ').map(|length| length.parse::<usize>().unwrap()) {
                numbers.push(complete(prefix, length));
            }
        }
    }
    numbers
}

fn complete(prefix: &str, length: usize) -> String {
    let body: String = prefix.chars().chain("2983475610293847561".chars()).take(length - 1).collect();
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, byte)| if i % 2 == 0 { doubled(byte - b'0') } else { u32::from(byte - b'0') })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn doubled(digit: u8) -> u32 {
    u32::from(digit * 2 / 10 + digit * 2 % 10)
}

fn groups(number: &str) -> Option<Vec<&str>> {
    let shape: &[usize] = match number.len() {
        14 => &[4, 6, 4],
        15 => &[4, 6, 5],
        16 => &[4, 4, 4, 4],
        19 => &[4, 4, 4, 4, 3],
        _ => return None,
    };
    let mut rest = number;
    let cut = |&count: &usize| {
        let (group, after) = rest.split_at(count);
        rest = after;
        group
    };
    Some(shape.iter().map(cut).collect())
}

/// The forms, each before and after masking.
fn forms(number: &str) -> Vec<(String, String)> {
    let masked = hidden(number);
    let mut forms = Vec::new();
    for (left, right, after) in [
        ("", "", ""),
        ("_", "_", "_"),
        ("\\n", "\\n", "\\n"),
        ("%B", "^DOE/JOHN Q^25121011234567890?", "^DOE/JOHN Q^*****************?"),
        (";", "=25121011234567890?", "=*****************?"),
        ("", "D25121011234567890F", "D*****************F"),
        ("", "d25121011234567890f", "d*****************f"),
    ] {
        forms.push((format!("{left}{number}{right}"), format!("{left}{masked}{after}")));
    }
    for separator in
        [" ", "-", ".", "\u{a0}", "\u{2007}", "\u{2009}", "\u{200a}", "\u{202f}", "\u{205f}", "\u{3000}", "\u{2013}"]
    {
        let joined = groups(number).map(|groups| groups.join(separator));
        forms.extend(joined.map(|joined| (joined.clone(), hidden(&joined))));
    }
    forms
}

/// What the rule of DESIGN invariant 3 leaves of a number, separators kept.
fn hidden(printed: &str) -> String {
    let digits = printed.chars().filter(char::is_ascii_digit).count();
    let mut index = 0;
    let hide = |c: char| {
        let middle = c.is_ascii_digit() && (6.min(digits - 9)..digits - 4).contains(&index);
        index += usize::from(c.is_ascii_digit());
        if middle { '*' } else { c }
    };
    printed.chars().map(hide).collect()
}

#[test]
fn every_brand_length_and_form_at_every_alignment() {
    let numbers = numbers();
    assert!(numbers.len() > 150);
    for (index, number) in numbers.iter().enumerate() {
        for (form, (value, masked)) in forms(number).into_iter().enumerate() {
            for alignment in 0..128 {
                let (left, right) = (" ".repeat(alignment), " - ");
                let mut bytes = format!("{left}{value}{right}").into_bytes();
                assert_eq!(mask_text(&mut bytes, Fill::Text), 1, "number {index}, form {form}, alignment {alignment}");
                assert!(
                    bytes == format!("{left}{masked}{right}").into_bytes(),
                    "number {index}, form {form}, alignment {alignment}"
                );
            }
        }
    }
}

#[test]
fn every_cut_in_two() {
    for (index, number) in numbers().iter().enumerate() {
        for (form, (value, masked)) in forms(number).into_iter().enumerate() {
            for cut in 0..=value.len() {
                let mut scanner = Scanner::new(Fill::Text);
                let mut first = value.as_bytes()[..cut].to_vec();
                let scan = scanner.scan(&mut first, false);
                let mut second = first.split_off(cut - scan.hold);
                second.extend_from_slice(&value.as_bytes()[cut..]);
                let last = scanner.scan(&mut second, true);
                assert_eq!(scan.cards + last.cards, 1, "number {index}, form {form}, cut {cut}");
                assert!([first, second].concat() == masked.as_bytes(), "number {index}, form {form}, cut {cut}");
            }
        }
    }
}

/// Test numbers that the schemes and processors publish.
#[test]
fn published_test_numbers() {
    for number in [
        "4111111111111111",
        "4012888888881881",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "2223000048400011",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "30569309025904",
        "38520000023237",
        "36227206271667",
        "3530111333300000",
        "3566002020360505",
        "6200000000000005",
        "6205500000000000004",
        "6759649826438453",
    ] {
        let mut bytes = number.as_bytes().to_vec();
        assert_eq!(mask_text(&mut bytes, Fill::Text), 1, "{} digits", number.len());
        assert!(bytes == hidden(number).into_bytes());
        let filled = number.parse().ok().and_then(mask_int8).unwrap();
        assert_eq!(mask_int8(filled), None);
        let mut text = number.as_bytes().to_vec();
        mask_text(&mut text, Fill::Number);
        assert!(text == filled.to_string().into_bytes(), "text and binary show the same");
    }
}

#[test]
fn inside_other_text() {
    let card = "4111111111111111";
    let shown = "411111******1111";
    for (before, after) in [
        ("{\"pan\": \"", "\"}"),
        ("1,", ",2"),
        ("Key (pan)=(", ") already exists."),
        ("\u{5361}\u{53f7}", "\u{3002}"),
        ("card_", "_x"),
        ("*", "*"),
        ("-", ".00"),
        ("5105105105105100 ", ""),
        ("'", "'::text"),
        ("a.", "."),
    ] {
        let mut bytes = format!("{before}{card}{after}").into_bytes();
        assert!(mask_text(&mut bytes, Fill::Text) >= 1);
        assert!(String::from_utf8(bytes).unwrap().contains(shown));
    }
}

#[test]
fn json_numbers_stay_numbers() {
    let json = br#"{"n": 4111111111111111, "s": "\"4111111111111111", "a": [378282246310005]}"#;
    let mut masked = json.to_vec();
    assert_eq!(mask_text(&mut masked, Fill::Json), 3);
    let (number, rest) = (&masked[6..22], &masked[22..]);
    assert!(number.starts_with(b"411111") && number.ends_with(b"1111") && number.iter().all(u8::is_ascii_digit));
    assert!(
        rest == br#", "s": "\"411111******1111", "a": [378282000000005]}"#
            || rest == br#", "s": "\"411111******1111", "a": [378282000010005]}"#
    );
}

#[test]
fn hex_of_bytea() {
    let mut hex = b"\\x343131313131313131313131313131313d32353132ff".to_vec();
    assert_eq!(mask_text(&mut hex, Fill::Hex), 1);
    assert!(hex == b"\\x3431313131312a2a2a2a2a2a313131313d2a2a2a2aff");
    assert_eq!(mask_text(&mut hex, Fill::Hex), 0);
}

/// The tail of a track streams: it is hidden by state, never held.
#[test]
fn a_long_tail_is_not_held() {
    let mut scanner = Scanner::new(Fill::Text);
    let mut head = b"%B4111111111111111^DOE/JOHN^2512".to_vec();
    assert_eq!(scanner.scan(&mut head, false), pan::Scan { cards: 1, hold: 0 });
    for _ in 0..100 {
        let mut tail = b"4111111111111111".to_vec();
        assert_eq!(scanner.scan(&mut tail, false), pan::Scan { cards: 0, hold: 0 });
        assert!(tail == b"****************");
    }
    let mut end = b"12?34".to_vec();
    assert_eq!(scanner.scan(&mut end, false).hold, 2);
    assert!(end == b"**?34");
}

/// What cannot be part of a card leaves at once.
#[test]
fn holds_only_what_may_be_a_card() {
    for (value, hold) in [
        ("", 0),
        ("text", 0),
        ("text ", 0),
        ("41", 2),
        ("1", 1),
        ("17", 2),
        ("1763", 0),
        ("x4111", 0),
        ("4111", 4),
        ("4111 ", 5),
        ("4111 1", 6),
        ("4111 12x", 0),
        ("4111, ", 0),
        ("4111 1111 1111 1112 ", 20),
        ("4111 1111 1111 1112 x", 0),
        ("4111111111111111", 16),
        ("4111111111111111 ", 0),
        ("4111111111111111111", 19),
        ("41111111111111111111", 0),
        ("%B4111111111111111^", 17),
        ("4111111111111111D", 17),
        ("0.4111111", 0),
        ("+4111", 0),
        ("4111\u{a0}", 6),
    ] {
        for fill in [Fill::Text, Fill::Number, Fill::Json] {
            let mut bytes = value.as_bytes().to_vec();
            assert_eq!(Scanner::new(fill).scan(&mut bytes, false).hold, hold, "{} bytes", value.len());
            assert_eq!(Scanner::new(fill).scan(&mut bytes, true).hold, 0);
        }
    }
    let mut longest = format!("%B{}^{}", ["4111"; 4].join("\u{2009}") + "\u{2009}110", "N".repeat(32)).into_bytes();
    assert!(Scanner::new(Fill::Text).scan(&mut longest, false).hold <= Scanner::HOLD_MAX / 2);
}

/// The size of a scanner bounds what a session carries per value.
#[test]
fn small() {
    assert!(size_of::<Scanner>() <= 176);
    const { assert!(Scanner::HOLD_MAX <= 512) };
    assert_eq!(naive::mask_text(&mut [], Fill::Text), 0);
}

/// Values are independent: nothing of one value's end makes a number with the next one's beginning.
#[test]
fn values_do_not_run_together() {
    let (mut first, mut second) = (*b"4111 1111 ", *b"1111 1111.");
    assert_eq!(mask_text(&mut first, Fill::Text) + mask_text(&mut second, Fill::Text), 0);
}

/// The rules on what stands beside a number, each with its other side.
#[test]
fn boundaries() {
    let card = "4111111111111111";
    for (before, after, found) in [
        ("", "", true),
        ("x", "", false),
        ("", "x", false),
        ("1", "", false),
        ("\u{e9}", "\u{e9}", true),
        ("_", "_", true),
        ("+", "", false),
        ("-", "-", true),
        ("1.", "", false),
        (".", "", true),
        ("x.", ".5", true),
        ("%B", "^", true),
        ("B", "^", false),
        ("\\t", "", true),
        ("t", "", false),
        ("", "D2", true),
        ("", "D", false),
        ("", "DE", false),
        ("", "d2512", true),
        ("", "d2513", false),
        ("", "=", true),
    ] {
        let mut bytes = format!("{before}{card}{after}").into_bytes();
        assert_eq!(mask_text(&mut bytes, Fill::Text) == 1, found, "{before:?} {after:?}");
    }
    for (value, found) in [
        ("DE89 4111 1111 1111 1111 00", false),
        ("GB29 NWBK 4111 1111 1111 1111", false),
        ("AB12 4111 1111 1111 1111", true),  // no country
        ("XDE89 4111 1111 1111 1111", true), // no head: a letter stands before it
        ("DE89-4111 1111 1111 1111", true),  // another separator
        ("4111 1111 1111 1111 2", true),
        ("4111 1111 1111 11112", false),
        ("4111 1111 1111 1111D25", false),
        ("4111  1111 1111 1111", false),
        ("4111-1111 1111-1111", false),
        ("41 11111111111111", false),
    ] {
        assert_eq!(mask_text(&mut value.to_owned().into_bytes(), Fill::Text) == 1, found, "{} bytes", value.len());
    }
}
