//! What is counted of columns, and what of it is written down.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use session::{Catalogs, Evidence, Mode, Session};
use world::{World, extended, open, query};

/// A world whose shard's evidence can be read, and a session that is ready.
fn counted() -> (World, Arc<Evidence>) {
    let evidence = Arc::new(Evidence::default());
    let mut world = World::new();
    world.catalogs = Catalogs::with(Arc::clone(&evidence), Arc::default(), Arc::default());
    (world.login(), evidence)
}

fn counts(evidence: &Evidence) -> Vec<String> {
    evidence.columns().iter().map(|seen| format!("{seen}: {} of {}", seen.hits, seen.values)).collect()
}

#[test]
fn a_column_that_is_plainly_cards_is_a_finding_once() {
    let (mut world, evidence) = counted();
    for round in 1..=12 {
        let heard = world.ask(&query("SELECT note FROM tickets"));
        assert_eq!(heard[1], "D 411111******1111");
        assert_eq!(world.count(RecordType::Finding), usize::from(round >= 8), "round {round}");
    }
    assert_eq!(counts(&evidence), ["column 1 of the table with OID 16500: 12 of 12"]);
    assert!(evidence.columns()[0].found && evidence.findings() == 1);
    let (_, payload) = world.records.iter().find(|(kind, _)| *kind == RecordType::Finding.code()).unwrap();
    let has = |word: &str| payload.windows(word.len()).any(|bytes| bytes == word.as_bytes());
    assert!(has("OID 16500") && has("hits=8") && has("values=8") && has("payments"));
    // It is masked as before.
    assert_eq!(world.ask(&query("SELECT note FROM tickets"))[1], "D 411111******1111");
}

#[test]
fn what_policy_names_is_not_counted_and_no_more_is_an_expression() {
    let (mut world, evidence) = counted();
    for _ in 0..20 {
        world.ask(&query("SELECT * FROM payments"));
        world.ask(&query("SELECT 1"));
    }
    let seen: Vec<(i16, u64, u64)> = evidence.columns().iter().map(|s| (s.attribute, s.hits, s.values)).collect();
    assert_eq!(seen, [(1, 0, 20), (2, 0, 0), (3, 0, 0)], "pan and cvv are masked as a whole");
    assert_eq!(world.count(RecordType::Finding), 0);
}

#[test]
fn a_name_comes_with_the_next_question_that_is_asked_anyway() {
    let (mut world, evidence) = counted();
    world.ask(&extended(&["P  SELECT note FROM tickets", "B  ", "E ", "S"]));
    assert_eq!(counts(&evidence), ["column 1 of the table with OID 16500: 1 of 1"]);
    // Another session of the shard logs in.
    world.session = Session::new(open("reconciler", Mode::Enforce, true));
    world.server = world::Server::new();
    let mut world = world.login();
    assert_eq!(counts(&evidence), ["public.tickets.note: 1 of 1"]);
    assert_eq!(world.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
}
