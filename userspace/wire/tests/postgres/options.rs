//! The startup parameter `options`, read as the server reads it.

use wire::postgres::startup::options::parse;
use wire::postgres::{Malformed, encode};

type Pair = (Vec<u8>, Vec<u8>);

fn settings(options: &[u8]) -> Result<Vec<Pair>, Malformed> {
    parse(options).map(|setting| setting.map(|setting| (setting.name().collect(), setting.value().collect()))).collect()
}

#[test]
fn settings_are_read_as_the_server_reads_them() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("", &[]),
        ("  \t\n\x0b\x0c\r ", &[]),
        ("-c geqo=off", &[("geqo", "off")]),
        ("-cgeqo=off", &[("geqo", "off")]),
        ("--geqo=off", &[("geqo", "off")]),
        ("  -c  geqo=off  --seed=1 ", &[("geqo", "off"), ("seed", "1")]),
        ("--statement-timeout=5s", &[("statement_timeout", "5s")]),
        ("-c a-b=c-d", &[("a_b", "c-d")]),
        ("-c a=b=c", &[("a", "b=c")]),
        ("-c a=", &[("a", "")]),
        (r"-c a=b\ c", &[("a", "b c")]),
        (r"-c a=b\\c", &[("a", r"b\c")]),
        (r"-c a\=b", &[("a", "b")]),
        (r"\-c a=b", &[("a", "b")]),
        (r"-\c a=b", &[("a", "b")]),
        (r"\-\-a=b", &[("a", "b")]),
        (r"-c search_path=x\,\ y -c a=1", &[("search_path", "x, y"), ("a", "1")]),
        (r"-c a=b\", &[("a", "b")]),
        ("-c --a=b", &[("__a", "b")]),
        ("-c -c=b", &[("_c", "b")]),
        ("-c\ta=b\n--c=d", &[("a", "b"), ("c", "d")]),
        ("-c a=\u{e0}", &[("a", "\u{e0}")]),
    ];
    for (options, expected) in rows {
        let expected: Vec<Pair> =
            expected.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        assert_eq!(settings(options.as_bytes()), Ok(expected), "{options:?}");
    }
}

#[test]
fn all_else_is_refused() {
    let rows = [
        ("geqo=off", Malformed::OptionSwitch),
        ("-", Malformed::OptionSwitch),
        ("--", Malformed::OptionSwitch),
        ("-c a=b --", Malformed::OptionSwitch),
        ("-c a=b word", Malformed::OptionSwitch),
        ("-d 5", Malformed::OptionSwitch),
        ("-e", Malformed::OptionSwitch),
        ("-fs", Malformed::OptionSwitch),
        ("-ec a=b", Malformed::OptionSwitch),
        ("-C data_directory", Malformed::OptionSwitch),
        (r"\ -c a=b", Malformed::OptionSwitch),
        ("-c", Malformed::OptionValue),
        ("-c ", Malformed::OptionValue),
        ("-c a", Malformed::OptionValue),
        ("-c =b", Malformed::OptionValue),
        ("--a", Malformed::OptionValue),
        ("--=b", Malformed::OptionValue),
        ("--a =b", Malformed::OptionValue),
    ];
    for (options, why) in rows {
        assert_eq!(settings(options.as_bytes()), Err(why), "{options:?}");
    }
}

#[test]
fn nothing_is_read_behind_an_error() {
    assert_eq!(parse(b"-e -c a=b --c=d").count(), 1);
}

#[test]
fn what_is_written_is_read_again() {
    let value: Vec<u8> = (1..=255).collect();
    let mut options = Vec::new();
    encode::option(&mut options, b"search_path", &value).unwrap();
    encode::option(&mut options, b"seed", b"").unwrap();
    assert!(settings(&options) == Ok(vec![(b"search_path".to_vec(), value), (b"seed".to_vec(), Vec::new())]));
}
