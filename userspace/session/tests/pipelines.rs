//! What is sent ahead of the answers: errors that skip to Sync, names that may mean two texts, COPYs that drop Syncs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use audit::RecordType;
use session::{Input, Mode};
use wire::postgres::{Format, encode};
use world::{CVV, World, extended, open, query, startup};

/// A statement that the server rejects when it runs.
const FAILS: [&str; 3] = ["P x INSERT INTO plain (note) VALUES ('twice')", "B x x", "E x"];

fn pipeline(parts: &[&[&str]]) -> Vec<u8> {
    extended(&parts.concat())
}

/// The text of the youngest record of this type.
fn youngest(world: &World, kind: RecordType) -> String {
    let payload = world.records.iter().rev().find(|(known, _)| *known == kind.code()).map(|(_, bytes)| bytes.clone());
    String::from_utf8_lossy(&payload.expect("there is one")).into_owned()
}

/// The database's answer to what was sent so far arrives up to here: at the first message of this type.
fn answer_up_to(world: &mut World, kind: u8) -> Vec<u8> {
    let bytes = world.server.take();
    let mut at = 0;
    while bytes[at] != kind {
        at += 1 + u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
    }
    world.input(Input::FromDatabase(&mut bytes[..at].to_vec()));
    bytes[at..].to_vec()
}

fn copy_data(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::frontend_copy_data(&mut out, text.as_bytes()).unwrap();
    out
}

fn copy_done() -> Vec<u8> {
    let mut out = Vec::new();
    encode::frontend_copy_done(&mut out);
    out
}

fn copy_fail() -> Vec<u8> {
    let mut out = Vec::new();
    encode::copy_fail(&mut out, b"no more").unwrap();
    out
}

fn sync() -> Vec<u8> {
    extended(&["S"])
}

#[test]
fn a_refusal_is_not_the_next_statements_error() {
    let mut world = World::ready();
    world.ask(&query("DROP TABLE payments"));
    world.ask(&query("PREPARE p AS SELECT pan FROM payments"));
    assert!(!youngest(&world, RecordType::Outcome).contains("42501"));
    world.ask(&query("DROP TABLE payments"));
    assert_eq!(world.ask(&query("COPY payments FROM STDIN")), ["G"]);
    assert!(world.ask(&query("SELECT 1"))[0].starts_with("E FATAL 08P01"), "the COPY is known to read");
}

#[test]
fn a_parse_that_the_server_skipped_leaves_the_older_text() {
    let mut world = World::ready();
    world.ask(&extended(&["P  SELECT pan FROM payments", "S"]));
    let heard = world.ask(&pipeline(&[&FAILS, &["P  SELECT cvv FROM payments", "S", "B  ", "E ", "S"]]));
    assert_eq!(heard[..2], ["1", "2"]);
    assert!(heard[2].starts_with("E ERROR 23505"), "{heard:?}");
    assert_eq!(heard[3..], ["Z I", "2", "D 411111******1111", "SELECT 1", "Z I"]);
    assert!(youngest(&world, RecordType::Decision).contains("SELECT pan"), "the text that ran is the one recorded");

    // So it is with a name, and with a refused text.
    let mut world = World::ready();
    world.ask(&extended(&["P s SELECT pan FROM payments", "S"]));
    world.ask(&pipeline(&[&FAILS, &["C S s", "P s SELECT cvv FROM payments", "S", "B  s", "E ", "S"]]));
    assert!(youngest(&world, RecordType::Decision).contains("SELECT pan"));
    world.ask(&extended(&["P  SELECT 1", "S"]));
    let heard = world.ask(&pipeline(&[&FAILS, &["P  DROP TABLE x", "S", "B  ", "E ", "S"]]));
    assert_eq!(heard[heard.len() - 4..], ["2", "D 1", "SELECT 1", "Z I"]);
}

#[test]
fn a_refused_parse_without_a_name_drops_the_older_text() {
    let mut world = World::ready();
    world.ask(&extended(&["P  SELECT 1", "S"]));
    world.ask(&extended(&["P  DROP TABLE x", "S"]));
    assert!(world.ask(&extended(&["B  ", "S"]))[0].starts_with("E ERROR 26000"));
}

#[test]
fn one_unnamed_statement_after_the_other_needs_no_waiting() {
    let mut world = World::ready();
    let bytes =
        extended(&["P  SELECT cvv FROM payments", "B  ", "E ", "P  SELECT pan FROM payments", "B  ", "E ", "S"]);
    world.input(Input::FromAgent(&mut bytes.clone()));
    assert_eq!(world.server.seen, "PBDEPBDES", "all of it went on at once");
    world.answer();
    let heard = world.heard();
    assert_eq!(heard, ["1", "2", "D ***", "SELECT 1", "1", "2", "D 411111******1111", "SELECT 1", "Z I"]);
}

#[test]
fn prepare_by_execute_makes_a_name() {
    let mut world = World::ready();
    assert_eq!(world.ask(&extended(&["P  PREPARE p AS SELECT pan FROM payments", "B  ", "E ", "S"]))[2], "PREPARE");
    assert_eq!(world.ask(&query("EXECUTE p"))[1], "D 411111******1111");
    // One that fails makes none, and the older text stays.
    world.ask(&pipeline(&[&FAILS, &["P  PREPARE p AS SELECT cvv FROM payments", "B  ", "E ", "S"]]));
    world.ask(&extended(&["B  p", "E ", "S"]));
    assert!(youngest(&world, RecordType::Decision).contains("SELECT pan"));
}

#[test]
fn errors_lose_their_values_up_to_the_end_of_the_transaction() {
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    world.ask(&query("INSERT INTO payments (cvv) VALUES ('late')"));
    let heard = world.ask(&query("COMMIT"));
    assert!(heard[0].starts_with("E ERROR 23503") && !heard[0].contains(CVV), "{heard:?}");
    // The implicit transaction of a pipeline ends at Sync.
    let heard = world.ask(&extended(&["P  INSERT INTO payments (cvv) VALUES ('late')", "B  ", "E ", "S"]));
    assert!(heard[3].starts_with("E ERROR 23503") && !heard[3].contains(CVV), "{heard:?}");
    assert_eq!(heard[4], "Z I");
    // A cursor WITH HOLD outlives its transaction.
    world.ask(&query("DECLARE kept CURSOR WITH HOLD FOR SELECT one FROM plain"));
    let heard = world.ask(&query("FETCH kept"));
    assert!(heard[0].starts_with("E ERROR 22P02") && !heard[0].contains(CVV), "{heard:?}");
    // Behind it, what touches nothing sensitive keeps its words.
    let heard = world.ask(&query("INSERT INTO plain (note) VALUES ('twice')"));
    assert_eq!(heard[0], "E ERROR 23505 duplicate key Key (pan)=(411111******1111) already exists.");
}

#[test]
fn our_question_is_not_asked_inside_the_agents_implicit_transaction() {
    let mut world = World::ready();
    world.ask(&extended(&["P s SELECT 1", "B  s", "E ", "H"]));
    world.now.mono_ns += 1_000_000_000_000;
    world.server.seen.clear();
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
    assert_eq!(world.server.seen, "Q", "only the agent's own");
    world.server.seen.clear();
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
    assert_eq!(world.server.seen, "QQ", "now it may be asked");
}

#[test]
fn a_copy_that_fails_leaves_the_queue_in_step() {
    let begin = extended(&["P  COPY payments FROM STDIN", "B  ", "E ", "S"]);
    for end in [[copy_fail(), sync()].concat(), [copy_data("bad\n"), copy_done(), sync()].concat()] {
        let mut world = World::ready();
        assert_eq!(world.ask(&begin), ["1", "2", "G"]);
        let heard = world.ask(&end);
        assert!(heard[0].starts_with("E ERROR") && heard[1..] == ["Z I"], "{heard:?}");
        let heard = world.ask(&query("DROP TABLE payments"));
        assert!(heard[0].starts_with("E ERROR 42501 nothing is dropped here") && heard[1] == "Z I", "{heard:?}");
        assert_eq!(world.ask(&sync()), ["Z I"]);
        assert_eq!(world.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
    }
}

#[test]
fn a_copy_whose_data_and_sync_were_sent_ahead() {
    let mut world = World::ready();
    let mut bytes = extended(&["P  COPY payments FROM STDIN", "B  ", "E "]);
    bytes.extend([copy_data("1\t2\t3\n"), copy_done(), sync(), query("DROP TABLE payments"), sync()].concat());
    let heard = world.ask(&bytes);
    assert_eq!(heard[..5], ["1", "2", "G", "COPY 1", "Z I"]);
    assert!(heard[5].starts_with("E ERROR 42501 nothing is dropped here"), "{heard:?}");
    assert_eq!(heard[6..], ["Z I", "Z I"]);
    // Behind a statement that still runs.
    let mut bytes = [query("SELECT 1"), query("COPY payments FROM STDIN")].concat();
    bytes.extend([copy_data("1\t2\t3\n"), copy_done(), query("SELECT pan FROM payments")].concat());
    let heard = world.ask(&bytes);
    assert_eq!(heard[4..], ["G", "COPY 1", "Z I", "T pan", "D 411111******1111", "SELECT 1", "Z I"]);
}

#[test]
fn what_is_behind_a_sync_is_heard_while_the_error_in_front_of_it_arrives() {
    let mut world = World::ready();
    world.input(Input::FromAgent(&mut pipeline(&[&FAILS, &["S"]])));
    let mut rest = answer_up_to(&mut world, b'Z');
    world.input(Input::FromAgent(&mut query("SELECT pan FROM payments")));
    world.input(Input::FromDatabase(&mut rest));
    world.answer();
    assert_eq!(world.heard()[3..], ["Z I", "T pan", "D 411111******1111", "SELECT 1", "Z I"]);
}

#[test]
fn a_function_call_sent_ahead_does_not_change_the_rows_before_it() {
    let mut world = World::with(open("reconciler", Mode::Observe, true), world::POLICY).login();
    world.input(Input::FromAgent(&mut query("SELECT cvv FROM payments")));
    let mut rest = answer_up_to(&mut world, b'D');
    let mut call = Vec::new();
    encode::function_call(&mut call, 42, &[], &[], Format::Text).unwrap();
    world.input(Input::FromAgent(&mut call));
    world.input(Input::FromDatabase(&mut rest));
    world.answer();
    assert_eq!(world.heard(), ["T cvv", "D ***", "SELECT 1", "Z I", "V 411111******1111", "Z I"]);
}

#[test]
fn every_decided_statement_has_an_outcome_skipped_ones_too() {
    let mut world = World::ready();
    let mut bytes = extended(&FAILS);
    bytes.extend(extended(&["P  SELECT 1", "B  ", "E ", "S"]));
    assert_eq!(world.ask(&bytes).len(), 4);
    assert_eq!((world.decisions_to_run(), world.count(RecordType::Outcome)), (2, 2));
    assert!(youngest(&world, RecordType::Outcome).contains("skipped"));
}

#[test]
fn a_query_in_the_middle_of_a_pipeline_ends_the_session() {
    let mut world = World::ready();
    // What a client makes of a length that has wrapped: the tail of a value is read as messages (CVE-2024-27304).
    let heard = world
        .ask(&[extended(&["P  SELECT pan FROM payments", "B  "]), query("SELECT pan FROM payments"), sync()].concat());
    assert!(heard.iter().any(|said| said.starts_with("E FATAL 08P01 a Query among messages")), "{heard:?}");
    assert!(world.server.log.is_empty());
}

#[test]
fn a_copy_that_could_not_be_parsed_gets_its_data_in_observe() {
    let mut world = World::with(open("reconciler", Mode::Observe, true), world::POLICY).login();
    assert_eq!(world.ask(&query("COPY payments FROM STDIN WITH (((")), ["G"]);
    assert_eq!(world.ask(&[copy_data("1\t2\t3\n"), copy_done()].concat()), ["COPY 1", "Z I"]);
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
}

#[test]
fn beyond_ascii_nothing_is_read_while_the_encoding_may_change() {
    let mut world = World::ready();
    let set = query("SET client_encoding = 'LATIN1'");
    let heard = world.ask(&[set.clone(), query("SELECT 'é'"), query("SELECT 1")].concat());
    assert!(heard[2].starts_with("E ERROR 42501 client_encoding may be changing"), "{heard:?}");
    assert_eq!(heard[5], "D 1");
    world.ask(&set);
    assert_eq!(world.ask(&query("SELECT 'é'"))[1], "D 1");
}

#[test]
fn the_end_of_the_session_is_told_while_we_ask() {
    let mut world = World::new();
    world.server.catalog_dies = true;
    world.send(&startup(0, &[("user", "app")]));
    assert!(world.heard().contains(&"E FATAL 57P01 terminating connection".to_owned()));
}

#[test]
fn observe_goes_on_where_statements_can_no_longer_be_read_and_says_so() {
    let mut world = World::with(open("reconciler", Mode::Observe, true), world::POLICY).login();
    let mut status = Vec::new();
    encode::parameter_status(&mut status, b"standard_conforming_strings", b"off").unwrap();
    world.input(Input::FromDatabase(&mut status));
    world.heard();
    assert_eq!(world.ask(&query("SELECT pan FROM payments"))[1], "D 411111******1111");
    assert!(youngest(&world, RecordType::Decision).contains("standard_conforming_strings is off"));
}

fn bind_in_binary(portal: &str, statement: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::bind(&mut out, portal.as_bytes(), statement.as_bytes(), &[], &[], &[Format::Binary]).unwrap();
    out
}

#[test]
fn what_cannot_be_masked_in_binary_is_refused_where_that_is_known() {
    const REFUSED: &str = "E ERROR 42501 a sensitive column of this type cannot be masked in binary format";
    // Known at Bind: the statement was described.
    let mut world = World::ready();
    world.ask(&extended(&["P s SELECT cvv_at FROM odds", "D S s", "S"]));
    let heard = world.ask(&[bind_in_binary("", "s"), extended(&["E ", "S"])].concat());
    assert!(heard[0].starts_with(REFUSED) && heard[1..] == ["Z I"], "{heard:?}");
    assert_eq!(world.ask(&extended(&["B  s", "E ", "S"]))[0], "2", "as text it may be read");
    // Known at Execute: the portal was described.
    let mut world = World::ready();
    let heard = world
        .ask(&[extended(&["P  SELECT cvv_at FROM odds"]), bind_in_binary("", ""), extended(&["D P ", "H"])].concat());
    assert_eq!(heard, ["1", "2", "T cvv_at"]);
    let heard = world.ask(&extended(&["E ", "S"]));
    assert!(heard[0].starts_with(REFUSED) && heard[1..] == ["Z I"], "{heard:?}");
    // Known too late.
    let mut world = World::ready();
    let heard = world
        .ask(&[extended(&["P  SELECT cvv_at FROM odds"]), bind_in_binary("", ""), extended(&["E ", "S"])].concat());
    assert!(heard[2].starts_with("E FATAL 42501"), "{heard:?}");
}
