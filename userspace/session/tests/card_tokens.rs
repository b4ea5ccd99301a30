//! What a record says of card numbers in texts and parameters: a keyed token of each, and of parameters where results are recorded their values.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::decode::Fields;
use audit::token::{CardKey, CardToken};
use audit::{RecordType, field};
use session::{Database, Mode};
use wire::postgres::{Format, encode};
use world::{PAN, SECRET, World, extended, open, query};

const OTHER: &str = "378282246310005";

/// A world whose database records statements, or results too.
fn world(results: bool) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    open.database = Arc::new(Database { results, ..(*open.database).clone() });
    World::with(open, world::POLICY).login()
}

/// The token of one number.
fn token(number: &str) -> CardToken {
    CardKey::derived(SECRET).unwrap().token(number.as_bytes())
}

/// What the newest record of this type has in one field.
fn newest(world: &World, kind: RecordType, wanted: u8) -> Vec<Vec<u8>> {
    let (_, payload) = world.records.iter().rfind(|(of, _)| *of == kind.code()).unwrap();
    let fields = Fields::of(payload).map(|field| field.unwrap());
    fields.filter(|(number, _)| *number == wanted).map(|(_, value)| value.to_vec()).collect()
}

fn tokens(world: &World, kind: RecordType) -> Vec<CardToken> {
    newest(world, kind, field::CARD_TOKENS).iter().map(|value| CardToken::of_bytes(value).unwrap()).collect()
}

fn parameters(world: &World) -> Vec<String> {
    let values = newest(world, RecordType::Decision, field::PARAMETERS);
    values.into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
}

fn count(world: &World, wanted: u8) -> Option<u64> {
    newest(world, RecordType::Decision, wanted).first().and_then(|value| audit::decode::number(value))
}

/// A statement that is parsed, bound to these and run.
fn bound(text: &str, formats: &[Format], values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = extended(&[&format!("P  {text}")]);
    encode::bind(&mut bytes, b"", b"", formats, values, &[]).unwrap();
    bytes.extend(extended(&["E ", "S"]));
    bytes
}

fn no_card_in(world: &World) -> bool {
    let has = |payload: &[u8], card: &str| payload.windows(card.len()).any(|at| at == card.as_bytes());
    !world.records.iter().any(|(_, payload)| has(payload, PAN) || has(payload, OTHER))
}

#[test]
fn a_text_has_a_token_of_each_number() {
    let mut world = world(false);
    for (text, expected) in [
        ("SELECT 1".to_owned(), vec![]),
        (format!("SELECT '{PAN}'"), vec![token(PAN)]),
        // Found by its shape, in whatever way the number is written.
        (format!("SELECT '{OTHER}'"), vec![token(OTHER)]),
        ("SELECT '4111-1111-1111-1111'".to_owned(), vec![token(PAN)]),
        (format!("SELECT '{PAN}', '{OTHER}', '{PAN}'"), vec![token(PAN), token(OTHER)]),
        ("SELECT '4111111111111112'".to_owned(), vec![]),
    ] {
        world.ask(&query(&text));
        assert_eq!(tokens(&world, RecordType::Decision), expected, "{} bytes", text.len());
    }
    assert!(no_card_in(&world));
}

#[test]
fn a_parameter_has_a_token_and_its_value_only_where_results_are_recorded() {
    let binary = 4_111_111_111_111_111_i64.to_be_bytes();
    let values: [Option<&[u8]>; 5] = [Some(PAN.as_bytes()), None, Some(b"7"), Some(&binary), Some(b"\xff\xfe\xfd")];
    let formats = [Format::Text, Format::Text, Format::Text, Format::Binary, Format::Binary];
    let text = "SELECT $1, $2, $3, $4, $5";
    let mut statements = world(false);
    statements.ask(&bound(text, &formats, &values));
    assert_eq!((tokens(&statements, RecordType::Decision), parameters(&statements)), (vec![token(PAN)], vec![]));
    let mut results = world(true);
    results.ask(&bound(text, &formats, &values));
    assert_eq!(tokens(&results, RecordType::Decision), [token(PAN)]);
    let expected = ["411111******1111", "NULL", "7", "411111******1111", "[3 bytes]"];
    assert!(parameters(&results) == expected, "{} parameters", parameters(&results).len());
    results.ask(&bound("SELECT $1", &[], &[Some(b"ada")]));
    assert_eq!((tokens(&results, RecordType::Decision), parameters(&results)), (vec![], vec!["ada".to_owned()]));
    assert!(no_card_in(&statements) && no_card_in(&results));
}

/// The old fast path: refused or not, its arguments are told of as a Bind's values are.
#[test]
fn a_function_call_has_tokens_of_its_arguments() {
    let rule = "\n[[rule]]\nname = \"lo\"\nstatements = [\"select\", \"function-call\"]\nfunctions = [\"pg_catalog.lowrite\"]\naction = \"allow\"\n";
    let call = |oid: u32| {
        let mut bytes = Vec::new();
        let arguments: [Option<&[u8]>; 2] = [Some(&7_i32.to_be_bytes()), Some(PAN.as_bytes())];
        encode::function_call(&mut bytes, oid, &[Format::Binary], &arguments, Format::Binary).unwrap();
        bytes
    };
    for (results, values) in [(false, vec![]), (true, vec!["7", "411111******1111"])] {
        let mut open = open("reconciler", Mode::Enforce, true);
        open.database = Arc::new(Database { results, ..(*open.database).clone() });
        let mut world = World::with(open, &format!("{}{rule}", world::POLICY)).login();
        world.ask(&call(955));
        assert_eq!(tokens(&world, RecordType::Decision), [token(PAN)]);
        assert!(parameters(&world) == values, "{} parameters", parameters(&world).len());
        // Which function it is nobody can tell, nor whether what it is given may ever be kept.
        assert!(world.ask(&call(42))[0].starts_with("E ERROR 42501"));
        assert_eq!(tokens(&world, RecordType::Decision), []);
        let values = if results { vec!["[redacted]"; 2] } else { vec![] };
        assert!(parameters(&world) == values, "{} parameters", parameters(&world).len());
        assert!(no_card_in(&world));
    }
}

/// A portal that runs twice is told of twice, and the next of its name has values of its own.
#[test]
fn a_portal_keeps_the_values_that_it_was_bound_to() {
    let mut world = world(true);
    let mut bytes = extended(&["P s SELECT $1"]);
    for (portal, value) in [("a", PAN), ("b", "second"), ("a", "third")] {
        encode::bind(&mut bytes, portal.as_bytes(), b"s", &[], &[Some(value.as_bytes())], &[]).unwrap();
    }
    bytes.extend(extended(&["E b", "E a", "S"]));
    world.ask(&bytes);
    let decided: Vec<Vec<u8>> = world
        .records
        .iter()
        .filter(|(kind, _)| *kind == RecordType::Decision.code())
        .flat_map(|(_, payload)| Fields::of(payload).map(|field| field.unwrap()))
        .filter(|(number, _)| *number == field::PARAMETERS)
        .map(|(_, value)| value.to_vec())
        .collect();
    assert_eq!(decided, [b"second".to_vec(), b"third".to_vec()]);
}

/// What stands in such a column may be part of what must never be kept, in whatever form.
#[test]
fn of_what_nobody_may_see_there_is_no_token() {
    let mut world = world(true);
    world.ask(&query(&format!("INSERT INTO payments (id, cvv) VALUES (1, '{PAN}')")));
    assert_eq!(tokens(&world, RecordType::Decision), []);
    world.ask(&bound("INSERT INTO payments (id, cvv) VALUES (1, $1)", &[], &[Some(PAN.as_bytes())]));
    assert_eq!((tokens(&world, RecordType::Decision), parameters(&world)), (vec![], vec!["[redacted]".to_owned()]));
    assert!(no_card_in(&world));
}

#[test]
fn what_is_held_is_asked_about_with_its_tokens() {
    let hold = "\n[[rule]]\nname = \"updates\"\nstatements = [\"update\"]\naction = \"hold\"\n";
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &format!("{}{hold}", world::POLICY)).login();
    let text = format!("UPDATE payments SET id = $1 /* {OTHER} */");
    world.ask(&bound(&text, &[], &[Some(PAN.as_bytes())]));
    let mut told = tokens(&world, RecordType::Ask);
    told.sort_by_key(CardToken::to_string);
    let mut expected = [token(PAN), token(OTHER)];
    expected.sort_by_key(CardToken::to_string);
    assert_eq!(told, expected);
    assert!(no_card_in(&world));
}

/// More numbers, and longer values, than a record has tokens for: it says how much it left off.
#[test]
fn so_many_tokens_and_no_more() {
    let mut world = world(false);
    let numbers: Vec<String> = (0..400).map(with_check_digit).collect();
    let values: Vec<Option<&[u8]>> = numbers.iter().map(|number| Some(number.as_bytes())).collect();
    let names: Vec<String> = (1..=values.len()).map(|at| format!("${at}")).collect();
    world.ask(&bound(&format!("SELECT {}", names.join(", ")), &[], &values));
    let told: Vec<CardToken> = numbers.iter().take(audit::LIST_MAX).map(|number| token(number)).collect();
    let found = tokens(&world, RecordType::Decision);
    assert!(found == told, "{} tokens", found.len());
    assert_eq!(count(&world, field::CARD_TOKENS_OMITTED), Some(400 - told.len() as u64));
    let long = format!("{}{PAN}", "x".repeat(70_000));
    world.ask(&bound("SELECT $1, $2", &[], &[Some(OTHER.as_bytes()), Some(long.as_bytes())]));
    assert_eq!(tokens(&world, RecordType::Decision), [token(OTHER)]);
    let unread = (OTHER.len() + long.len() - (64 << 10)) as u64;
    assert_eq!(count(&world, field::PARAMETERS_UNREAD), Some(unread));
    assert!(no_card_in(&world));
}

/// Sixteen digits that an issuer's number begins with, with a check digit.
fn with_check_digit(number: u64) -> String {
    let body = format!("400000{number:09}");
    let doubled = |(at, digit): (usize, u8)| u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
    let sum: u32 = body.bytes().rev().enumerate().map(doubled).map(|digit| digit / 10 + digit % 10).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}
