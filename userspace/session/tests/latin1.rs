//! client_encoding LATIN1: texts are read letter by letter before they are judged, the agent's own bytes go on, names mean the same in
//! SQL and in the protocol, and what comes back is scanned with LATIN1's no-break space as a separator.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use session::{Input, Mode};
use wire::postgres::backend::{Field, TransactionStatus};
use wire::postgres::{Format, encode};
use world::{PAN, POLICY, World, open, policy};

const BLOCKS: &str = "
[[rule]]
name = \"no counters\"
tables = [\"public.z\u{e4}hler\"]
statements = [\"*\"]
action = \"block\"
message = \"counters are not for agents\"
";

const BLOCKED: &str = "E ERROR 42501 counters are not for agents";

fn blocking() -> String {
    format!("{POLICY}{BLOCKS}")
}

/// A session whose server says that it reads this encoding.
fn world_in(encoding: &str, text: &str) -> World {
    let mut world = World::with(open("reconciler", Mode::Enforce, true), text).login();
    switch(&mut world, encoding);
    world
}

fn switch(world: &mut World, encoding: &str) {
    let mut status = Vec::new();
    encode::parameter_status(&mut status, b"client_encoding", encoding.as_bytes()).unwrap();
    world.input(Input::FromDatabase(&mut status));
    world.heard();
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).expect("LATIN1 has it")).collect()
}

fn query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::query(&mut out, text).unwrap();
    out
}

fn parse(name: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::parse(&mut out, name, text, [].into_iter()).unwrap();
    encode::sync(&mut out);
    out
}

fn run(statement: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::bind(&mut out, b"", statement, &[], &[], &[]).unwrap();
    encode::execute(&mut out, b"", 0).unwrap();
    encode::sync(&mut out);
    out
}

#[test]
fn a_text_is_read_as_latin1_and_goes_on_as_it_came() {
    let text = "SELECT 1 AS \"z\u{e4}hler\"";
    let mut world = world_in("LATIN1", &blocking());
    world.sent.clear();
    assert_eq!(world.ask(&query(&latin1(text)))[1], "D 1");
    assert_eq!(world.sent, query(&latin1(text)), "the bytes are the agent's");
    let heard = world.ask(&query(&latin1("SELECT * FROM z\u{e4}hler")));
    assert!(heard[0].starts_with(BLOCKED), "{heard:?}");
    // The same table's UTF-8 is another name there, and the other way round.
    assert!(!world.ask(&query("SELECT * FROM z\u{e4}hler".as_bytes()))[0].starts_with(BLOCKED));
    let mut world = world_in("UTF8", &blocking());
    assert!(world.ask(&query("SELECT * FROM z\u{e4}hler".as_bytes()))[0].starts_with(BLOCKED));
    let heard = world.ask(&query(&latin1("SELECT * FROM z\u{e4}hler")));
    assert!(heard[0].starts_with("E ERROR 22021"), "{heard:?}");
}

#[test]
fn the_record_has_the_text_and_not_its_bytes() {
    let mut world = world_in("LATIN1", POLICY);
    world.ask(&query(&latin1("SELECT 1 AS \"gr\u{f6}\u{df}e\"")));
    let shown: Vec<_> = world.records.iter().map(|(_, payload)| String::from_utf8_lossy(payload)).collect();
    assert!(shown.iter().any(|payload| payload.contains("gr\u{f6}\u{df}e")));
}

#[test]
fn what_prepare_keeps_is_judged_again_as_it_was_read() {
    let mut world = world_in("LATIN1", POLICY);
    world.ask(&query(&latin1("PREPARE p AS SELECT * FROM z\u{e4}hler")));
    world.policy = policy(&blocking());
    let heard = world.ask(&query(b"EXECUTE p"));
    assert!(heard[0].starts_with(BLOCKED), "{heard:?}");
}

#[test]
fn a_statement_of_the_encoding_before_is_judged_again_as_it_was_read() {
    for (before, after) in [("UTF8", "LATIN1"), ("LATIN1", "UTF8")] {
        let text = "SELECT * FROM z\u{e4}hler";
        let bytes = if before == "UTF8" { text.as_bytes().to_vec() } else { latin1(text) };
        let mut world = world_in(before, POLICY);
        assert_eq!(world.ask(&parse(b"s", &bytes)), ["1", "Z I"]);
        switch(&mut world, after);
        world.policy = policy(&blocking());
        let heard = world.ask(&run(b"s"));
        assert!(heard[0].starts_with(BLOCKED), "{before}, then {after}: {heard:?}");
    }
}

#[test]
fn names_are_the_same_in_sql_and_in_the_protocol() {
    let mut world = world_in("LATIN1", POLICY);
    let (name, other) = (latin1("\u{e9}"), "\u{e9}".as_bytes());
    // The small server knows no encodings: what went on shows whether the name was known here.
    let went_on = |world: &mut World, text: &[u8]| {
        let before = world.server.log.len();
        world.ask(&query(text));
        world.server.log.len() > before
    };
    world.ask(&parse(other, b"SELECT 1"));
    assert!(!went_on(&mut world, &latin1("EXECUTE \u{e9}")), "another name");
    assert_eq!(world.ask(&parse(&name, b"SELECT 1")), ["1", "Z I"]);
    assert!(went_on(&mut world, &latin1("EXECUTE \u{e9}")));
    assert_eq!(world.ask(&run(&name)), ["2", "D 1", "SELECT 1", "Z I"]);
    switch(&mut world, "UTF8");
    assert!(went_on(&mut world, "EXECUTE \u{e9}".as_bytes()), "it kept its name");
}

#[test]
fn a_name_beyond_ascii_is_not_read_while_the_encoding_may_change() {
    let mut world = World::ready();
    let all = [query(b"SET client_encoding = 'LATIN1'"), parse("\u{e9}".as_bytes(), b"SELECT 1")].concat();
    let heard = world.ask(&all);
    assert!(
        heard.iter().any(|said| said.starts_with("E ERROR 42501 client_encoding may be changing: a name")),
        "{heard:?}"
    );
}

#[test]
fn the_question_for_the_columns_means_the_same_in_every_encoding() {
    let sensitive = "[[sensitive]]\ncolumns = [\"public.z\u{e4}hler.*\"]\nkind = \"pan\"\n";
    let mut world = world_in("LATIN1", POLICY);
    world.sent.clear();
    world.policy = policy(&format!("{sensitive}{POLICY}"));
    world.ask(&query(b"SELECT 1"));
    let sent = String::from_utf8_lossy(&world.sent).into_owned();
    let question = sent.split("/* interceptor */").nth(1).and_then(|sent| sent.split('\0').next()).unwrap();
    assert!(question.is_ascii());
    assert!(sent.contains(r"U&'z\+0000e4hler'"), "the question names the table");
}

#[test]
fn rows_are_scanned_with_its_no_break_space() {
    let printed: Vec<u8> = PAN.as_bytes().chunks(4).collect::<Vec<_>>().join(&0xa0);
    for cut in [usize::MAX, 1, 7] {
        let mut world = world_in("LATIN1", POLICY);
        world.cut = cut;
        world.input(Input::FromAgent(&mut query(b"SELECT 1")));
        // Another answer in place of the server's.
        world.server.take();
        let mut answer = Vec::new();
        let field = Field {
            name: b"n",
            table: 0,
            attribute: 0,
            type_oid: 25,
            type_len: -1,
            name_range: 0..0,
            type_modifier: -1,
            format: Format::Text,
        };
        encode::row_description(&mut answer, [field]).unwrap();
        encode::data_row(&mut answer, &[Some(&[b"\xe4 ", &printed[..], b" \xe4"].concat())]).unwrap();
        encode::command_complete(&mut answer, b"SELECT 1").unwrap();
        encode::ready_for_query(&mut answer, TransactionStatus::Idle);
        world.server.out = answer;
        world.answer();
        let masked = b"\xe4 4111\xa011**\xa0****\xa01111 \xe4";
        let found = world.agent.windows(masked.len()).any(|bytes| bytes == masked);
        assert!(found && !world.agent.windows(printed.len()).any(|bytes| bytes == printed), "cut at {cut}");
    }
}
