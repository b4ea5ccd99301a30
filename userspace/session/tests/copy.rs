//! COPY in both directions, and observe.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use session::{Finish, Mode};
use wire::postgres::encode;
use world::{PAN, World, extended, open, query};

#[test]
fn copy_out_is_masked_by_position() {
    let mut world = World::ready();
    let heard = world.ask(&query("COPY payments TO STDOUT"));
    assert_eq!(heard, ["H", "d 1\t411111******1111\t***", "c", "COPY 1", "Z I"]);
    let heard = world.ask(&query("COPY payments (cvv, pan) TO STDOUT"));
    assert_eq!(heard, ["H", "d ***\t411111******1111", "c", "COPY 1", "Z I"]);
}

#[test]
fn a_copy_of_a_query_is_masked_by_position() {
    let mut world = World::ready();
    let heard = world.ask(&query("COPY (SELECT * FROM payments) TO STDOUT"));
    assert_eq!(heard, ["H", "d 1\t411111******1111\t***", "c", "COPY 1", "Z I"]);
    // Another result than was foreseen.
    let heard = world.ask(&query("COPY (SELECT cvv FROM payments) TO STDOUT"));
    assert_eq!(heard[1], "d *\t****************\t***");
}

#[test]
fn copies_that_cannot_be_masked_are_refused() {
    let mut world = World::ready();
    for text in [
        "COPY (SELECT left(cvv, 2) FROM payments) TO STDOUT",
        "COPY (SELECT array_agg(cvv) FROM payments) TO STDOUT (FORMAT binary)",
        "COPY payments TO STDOUT (DELIMITER '1')",
        "COPY payments TO STDOUT (ENCODING 'SJIS')",
    ] {
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR 42501"), "{text}: {heard:?}");
    }
    assert!(world.server.log.is_empty());
}

#[test]
fn a_copy_in_an_encoding_that_can_be_read_is_masked() {
    let mut world = World::ready();
    for encoding in ["sql_ascii", "utf8", "latin1"] {
        let heard = world.ask(&query(&format!("COPY payments TO STDOUT (ENCODING '{encoding}')")));
        assert_eq!(heard[1], "d 1\t411111******1111\t***");
    }
}

#[test]
fn in_observe_a_copy_that_cannot_be_masked_is_refused_and_the_connection_lives() {
    let block = "[[sensitive]]\ncolumns = [\"*.pan\"]\nkind = \"pan\"\n";
    let mut world = World::with(open("reconciler", Mode::Observe, true), block).login();
    let heard = world.ask(&query("COPY payments TO STDOUT (ENCODING 'SJIS')"));
    assert!(heard[0].starts_with("E ERROR 42501") && heard[1] == "Z I", "{heard:?}");
}

fn data(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::frontend_copy_data(&mut out, text.as_bytes()).unwrap();
    out
}

#[test]
fn copy_in_streams() {
    let mut world = World::ready();
    assert_eq!(world.ask(&query("COPY payments FROM STDIN")), ["G"]);
    world.send(&data(&"1\t2\t3\n".repeat(100_000)));
    let mut done = Vec::new();
    encode::frontend_copy_done(&mut done);
    assert_eq!(world.ask(&done), ["COPY 1", "Z I"]);
    assert_eq!(world.durable, 1);
}

#[test]
fn syncs_that_a_copy_swallows_are_not_waited_for() {
    let mut world = World::ready();
    // libpq sends Sync right behind Execute, and again behind CopyDone.
    assert_eq!(world.ask(&extended(&["P  COPY payments FROM STDIN", "B  ", "E ", "S"])), ["1", "2", "G"]);
    let mut rest = data("1\t2\t3\n");
    encode::frontend_copy_done(&mut rest);
    encode::sync(&mut rest);
    assert_eq!(world.ask(&rest), ["COPY 1", "Z I"]);
    assert_eq!(world.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
}

#[test]
fn a_failed_copy_in_leaves_the_session_in_step() {
    let mut world = World::ready();
    world.ask(&extended(&["P  COPY payments FROM STDIN", "B  ", "E ", "S"]));
    let mut rest = Vec::new();
    encode::copy_fail(&mut rest, b"no more").unwrap();
    encode::sync(&mut rest);
    let heard = world.ask(&rest);
    assert!(heard[0].starts_with("E ERROR 57014") && heard[1] == "Z I", "{heard:?}");
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
    assert_eq!(world.ask(&extended(&["P  SELECT 1", "B  ", "E ", "S"]))[2], "D 1");
}

#[test]
fn other_messages_inside_copy_in_end_the_session() {
    let mut world = World::ready();
    world.ask(&query("COPY payments FROM STDIN"));
    let heard = world.ask(&query("SELECT 1"));
    assert!(heard[0].starts_with("E FATAL 08P01"), "{heard:?}");
    assert_eq!(world.finished, Finish::Close);
}

#[test]
fn copy_data_outside_a_copy_goes_nowhere() {
    let mut world = World::ready();
    let mut bytes = data("1\n");
    bytes.extend(query("SELECT 1"));
    world.server.seen.clear();
    assert_eq!(world.ask(&bytes)[1], "D 1");
    assert_eq!(world.server.seen, "Q");
}

#[test]
fn observe_forwards_and_says_what_it_would_have_done() {
    let mut world = World::with(open("reconciler", Mode::Observe, true), world::POLICY).login();
    assert_eq!(world.ask(&query("DROP TABLE payments")), ["SET", "Z I"]);
    let records: Vec<u8> = world.records.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert!(String::from_utf8_lossy(&records).contains("nothing is dropped here"));
    // Masking is no verdict.
    assert_eq!(world.ask(&query("SELECT pan FROM payments"))[1], "D 411111******1111");
    assert_eq!(world.ask(&query("this is no SQL"))[0], "SET");
    assert_eq!(world.server.log.len(), 3);
    assert_eq!(world.decisions_to_run(), 3);
    // Malformed frames are refused all the same.
    assert!(world.ask(b"Q\0\0\0\x03")[0].starts_with("E FATAL 08P01"));
}

#[test]
fn without_masking_nothing_is_asked_and_nothing_changed() {
    let mut world = World::with(open("reconciler", Mode::Observe, false), world::POLICY).login();
    assert!(!world.server.seen.contains('Q'));
    let heard = world.ask(&query("SELECT * FROM payments"));
    assert_eq!(heard, ["T id,pan,cvv".to_owned(), format!("D 1,{PAN},737"), "SELECT 1".into(), "Z I".into()]);
    assert_eq!(world.ask(&query("COPY (SELECT * FROM payments) TO STDOUT"))[1], format!("d 1\t{PAN}\t737"));
}
