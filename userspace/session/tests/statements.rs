//! Statements: judged, refused in place, masked, recorded; simple and extended, pipelined, in transactions.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use audit::RecordType;
use world::{CVV, PAN, POLICY, World, extended, policy, query};

const DROPPED: &str = "E ERROR 42501 nothing is dropped here record 3-";

fn refused(said: &str) -> bool {
    said.starts_with(DROPPED)
}

#[test]
fn a_select_is_masked_and_recorded() {
    let mut world = World::ready();
    let heard = world.ask(&query("SELECT * FROM payments"));
    assert_eq!(heard, ["T id,pan,cvv", "D 1,411111******1111,***", "SELECT 1", "Z I"]);
    assert_eq!(world.decisions_to_run(), 1);
    assert_eq!(world.count(RecordType::Outcome), 1);
    assert_eq!(world.durable, 0, "a read need not wait for the disk");
}

#[test]
fn a_drop_is_refused_and_the_connection_lives() {
    let mut world = World::ready();
    let heard = world.ask(&query("DROP TABLE payments"));
    assert!(refused(&heard[0]) && heard[1] == "Z I", "{heard:?}");
    assert_eq!(world.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
    assert_eq!(world.server.log, ["SELECT 1"]);
    assert_eq!(world.decisions_to_run(), 2);
    assert_eq!(world.count(RecordType::Outcome), 1);
}

#[test]
fn decisions_are_counted_by_the_rule_that_they_name() {
    let mut world = World::ready();
    let hits = |world: &World, rule: &str| {
        let place = world.policy.place(rule).expect("there is one");
        world.cache.hits().counts.get(usize::from(place)).copied().unwrap_or_default()
    };
    let before = hits(&world, "work");
    world.ask(&query("SELECT 1"));
    world.ask(&query("SELECT 1"));
    world.ask(&query("DROP TABLE payments"));
    world.ask(&query("CREATE TABLE of_no_rule(x int)"));
    assert_eq!((hits(&world, "work") - before, hits(&world, "no drops"), hits(&world, "updates wait")), (2, 1, 0));
    world.policy = policy(&(POLICY.to_owned() + "\n# another text\n"));
    world.ask(&query("SELECT 1"));
    assert_eq!((hits(&world, "work"), hits(&world, "no drops")), (1, 0), "a policy begins anew");
    assert_eq!(world.cache.hits().policy, world.policy.version());
}

#[test]
fn one_refusal_refuses_all_of_a_query() {
    let mut world = World::ready();
    let heard = world.ask(&query("SELECT 1; DROP TABLE x"));
    assert!(refused(&heard[0]));
    assert!(world.server.log.is_empty());
}

#[test]
fn a_refusal_fails_the_transaction_as_the_servers_own_error_does() {
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    let heard = world.ask(&query("DROP TABLE payments"));
    assert!(refused(&heard[0]) && heard[1] == "Z E", "{heard:?}");
    assert_eq!(world.ask(&query("SELECT 1"))[0], "E ERROR 25P02 current transaction is aborted");
    assert_eq!(world.ask(&query("ROLLBACK")), ["COMMIT", "Z I"]);
}

#[test]
fn what_does_not_parse_is_blocked() {
    let mut world = World::ready();
    let heard = world.ask(&query("SELEC 1"));
    assert!(heard[0].starts_with("E ERROR 42501 syntax error"), "{heard:?}");
    assert!(world.server.log.is_empty());
}

#[test]
fn extended_query_with_and_without_describe() {
    let mut world = World::ready();
    let heard = world.ask(&extended(&["P s SELECT * FROM payments", "B  s", "D P ", "E ", "S"]));
    assert_eq!(heard, ["1", "2", "T id,pan,cvv", "D 1,411111******1111,***", "SELECT 1", "Z I"]);
    world.server.seen.clear();
    // No Describe: ours is put in front of Execute, its answer swallowed.
    let heard = world.ask(&extended(&["B  s", "E ", "S"]));
    assert_eq!(heard, ["2", "D 1,411111******1111,***", "SELECT 1", "Z I"]);
    assert_eq!(world.server.seen, "BDES");
    assert_eq!(world.decisions_to_run(), 2);
    assert_eq!(world.server.log.len(), 2);
}

#[test]
fn a_pipelined_rebind_of_the_same_portal_keeps_each_results_columns() {
    let mut world = World::ready();
    let heard = world.ask(&extended(&[
        "P a SELECT cvv FROM payments",
        "P b SELECT pan FROM payments",
        "B  a",
        "E ",
        "B  b",
        "E ",
        "S",
    ]));
    assert_eq!(heard, ["1", "1", "2", "D ***", "SELECT 1", "2", "D 411111******1111", "SELECT 1", "Z I"]);
}

#[test]
fn a_refused_parse_skips_to_sync() {
    let mut world = World::ready();
    let heard = world.ask(&extended(&[
        "P  SELECT 1",
        "B  ",
        "E ",
        "P  DROP TABLE x",
        "B  ",
        "E ",
        "S",
        "P  SELECT 1",
        "B  ",
        "E ",
        "S",
    ]));
    assert_eq!(heard[..4], ["1", "2", "D 1", "SELECT 1"]);
    assert!(refused(&heard[4]));
    assert_eq!(heard[5..], ["Z I", "1", "2", "D 1", "SELECT 1", "Z I"]);
    assert_eq!(world.server.log, ["SELECT 1", "SELECT 1"]);
}

#[test]
fn an_error_of_the_server_skips_to_sync_and_the_queue_follows() {
    let mut world = World::ready();
    let heard =
        world.ask(&extended(&["P  INSERT INTO payments (pan) VALUES ('twice')", "B  ", "E ", "E ", "D P ", "S"]));
    assert_eq!(heard[..2], ["1", "2"]);
    // The statement names a sensitive column: what its DETAIL quotes is hidden as a whole.
    assert_eq!(heard[2], format!("E ERROR 23505 duplicate key {}", "*".repeat(44)));
    assert_eq!(heard[3..], ["Z I"]);
    assert_eq!(world.ask(&query("SELECT 1")).last().unwrap(), "Z I");
    // Two Executes were decided: one failed, one was skipped; then the Query.
    assert_eq!(world.count(RecordType::Outcome), 3);
}

#[test]
fn what_does_not_exist_is_the_servers_own_error() {
    let mut world = World::ready();
    let heard = world.ask(&extended(&["B  nope", "E ", "S"]));
    assert!(heard[0].starts_with("E ERROR 26000 prepared statement \"nope\" does not exist"), "{heard:?}");
    assert_eq!(heard[1], "Z I");
    let heard = world.ask(&extended(&["E nope", "S"]));
    assert!(heard[0].starts_with("E ERROR 34000 portal \"nope\" does not exist"), "{heard:?}");
}

#[test]
fn a_simple_query_drops_the_unnamed_statement() {
    let mut world = World::ready();
    world.ask(&extended(&["P  SELECT 1", "S"]));
    world.ask(&query("SELECT 1"));
    assert!(world.ask(&extended(&["B  ", "S"]))[0].starts_with("E ERROR 26000"));
}

#[test]
fn sql_prepare_and_execute_share_the_name_space() {
    let mut world = World::ready();
    assert_eq!(world.ask(&query("PREPARE p AS SELECT pan FROM payments")), ["PREPARE", "Z I"]);
    assert_eq!(world.ask(&query("EXECUTE p")), ["T pan", "D 411111******1111", "SELECT 1", "Z I"]);
    assert_eq!(world.ask(&extended(&["B  p", "E ", "S"]))[1], "D 411111******1111");
    assert!(world.ask(&query("EXECUTE q"))[0].starts_with("E ERROR 26000"));
}

#[test]
fn execute_of_what_may_not_run_is_refused() {
    let mut world = World::ready();
    let heard = world.ask(&query("PREPARE p AS DELETE FROM payments"));
    assert!(heard[0].starts_with("E ERROR 42501 no rule"), "{heard:?}");
    world.ask(&query("PREPARE p AS SELECT pan FROM payments"));
    world.policy = policy(
        "[[rule]]\nname = \"all\"\nstatements = [\"session\"]\naction = \"allow\"\n[[rule]]\nname = \"no\"\n\
         statements = [\"select\"]\naction = \"block\"\nmessage = \"not today\"\n",
    );
    let heard = world.ask(&query("EXECUTE p"));
    assert!(heard[0].starts_with("E ERROR 42501 not today"), "{heard:?}");
    assert!(world.server.log.iter().all(|text| !text.starts_with("EXECUTE")));
}

#[test]
fn a_changed_policy_is_asked_again_at_bind() {
    let mut world = World::ready();
    world.ask(&extended(&["P s SELECT 1", "S"]));
    world.policy = policy("[[rule]]\nname = \"none\"\nstatements = [\"select\"]\naction = \"block\"\n");
    let heard = world.ask(&extended(&["B  s", "E ", "S"]));
    assert!(heard[0].starts_with("E ERROR 42501"), "{heard:?}");
    assert!(world.server.log.is_empty());
}

#[test]
fn errors_of_statements_on_secret_columns_lose_their_values() {
    let mut world = World::ready();
    let heard = world.ask(&query("INSERT INTO payments (cvv) VALUES ('737')"));
    assert!(heard[0].starts_with("E ERROR 23514"), "{heard:?}");
    assert!(!heard[0].contains(CVV));
    let text = String::from_utf8_lossy(&world.records.iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>())
        .into_owned();
    assert!(!text.contains(CVV) && !text.contains(PAN));
    assert_eq!(world.durable, 1, "a write waits for the disk");
}

#[test]
fn a_card_number_is_in_no_record_and_no_notification() {
    let mut world = World::ready();
    world.ask(&query(&format!("SELECT pan, '{PAN}' FROM payments")));
    assert_eq!(world.ask(&query("NOTIFY ch")), ["A 411111******1111", "NOTIFY", "Z I"]);
    world.close();
    let written: Vec<u8> = world.records.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert!(!String::from_utf8_lossy(&written).contains(PAN));
}

#[test]
fn a_function_call_by_oid_is_refused() {
    let mut world = World::ready();
    let mut call = Vec::new();
    wire::postgres::encode::function_call(&mut call, 42, &[], &[], wire::postgres::Format::Text).unwrap();
    let heard = world.ask(&call);
    assert!(heard[0].starts_with("E ERROR 42501 a function call by OID"), "{heard:?}");
    assert_eq!(heard[1], "Z I");
    // A large object's functions are known by their OIDs: policy decides.
    let mut call = Vec::new();
    wire::postgres::encode::function_call(&mut call, 954, &[], &[], wire::postgres::Format::Text).unwrap();
    let heard = world.ask(&call);
    assert!(heard[0].contains("function-call of function pg_catalog.loread"), "{heard:?}");
    let text = POLICY.to_owned()
        + "[[rule]]\nname = \"lo\"\nstatements = [\"select\", \"function-call\"]\nfunctions = [\"pg_catalog.loread\"]\naction = \"allow\"\n";
    let mut world = World::with(world::open("reconciler", session::Mode::Enforce, true), &text).login();
    assert_eq!(world.ask(&call), ["V 411111******1111", "Z I"]);
    assert_eq!(world.durable, 1);
}

#[test]
fn settings_that_change_lexing_keep_their_safe_value() {
    let mut world = World::ready();
    for text in [
        "SET standard_conforming_strings = off",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "SET client_encoding = 'SJIS'",
        "SET backslash_quote = on",
        "ALTER ROLE app SET standard_conforming_strings = off",
    ] {
        assert!(world.ask(&query(text))[0].starts_with("E ERROR 42501"), "{text}");
    }
    assert_eq!(world.ask(&query("SET client_encoding = 'UTF-8'")), ["SET", "Z I"]);
}

#[test]
fn a_statement_over_the_limit_is_refused_and_the_connection_lives() {
    let mut world = World::ready();
    let long = format!("SELECT '{}'", "x".repeat(world.limits.statement + 300_000));
    for bytes in [query(&long), query(&long[..world.limits.statement + 100])] {
        assert!(world.ask(&bytes)[0].starts_with("E ERROR 54000"));
    }
    let heard = world.ask(&extended(&[&format!("P  {long}"), "B  ", "S"]));
    assert!(heard[0].starts_with("E ERROR 54000") && heard[1] == "Z I");
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
}

#[test]
fn too_many_statements_or_portals_are_refused_not_evicted() {
    let mut world = World::ready();
    world.limits.statements = 2;
    for name in ["a", "b"] {
        assert_eq!(world.ask(&extended(&[&format!("P {name} SELECT 1"), "S"]))[0], "1");
    }
    assert!(world.ask(&extended(&["P c SELECT 1", "S"]))[0].starts_with("E ERROR 54000"));
    assert_eq!(world.ask(&extended(&["C S a", "P c SELECT 1", "S"]))[0], "3");
    assert_eq!(world.ask(&extended(&["B  b", "E ", "S"]))[1], "D 1");
}

#[test]
fn a_search_path_that_may_have_changed_is_judged_both_ways_until_it_is_known() {
    let text = r#"
[[rule]]
name = "public alone"
statements = ["select", "session"]
tables = ["public.*"]
action = "allow"
"#;
    let mut world = World::with(world::open("reconciler", session::Mode::Enforce, true), text).login();
    assert_eq!(world.ask(&query("SELECT pan FROM payments")), ["T pan", "D 411111******1111", "SELECT 1", "Z I"]);
    assert_eq!(world.ask(&query("BEGIN")), ["BEGIN", "Z T"]);
    assert_eq!(world.ask(&query("SET search_path = evil, public")), ["SET", "Z T"]);
    assert!(world.ask(&query("SELECT pan FROM payments"))[0].starts_with("E ERROR 42501"));
    world.ask(&query("ROLLBACK"));
    // Idle again: the schemas are asked for, and they are the old ones.
    let heard = world.ask(&query("SELECT pan FROM payments"));
    assert_eq!(heard, ["T pan", "D 411111******1111", "SELECT 1", "Z I"], "{:?}", world.server.log);
}

#[test]
fn when_the_catalog_cannot_be_read_statements_are_refused() {
    let mut world = World::new();
    world.server.catalog_fails = Some(("42501", "permission denied for table pg_class"));
    let mut world = world.login();
    assert!(world.ask(&query("SELECT 1"))[0].contains("could not be looked up: permission denied"));
    world.server.catalog_fails = None;
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
}

/// Another session drops, or holds locked, what our question looks at: no statement is refused for it, save one that reads a view of which
/// the question could not tell the definition.
#[test]
fn another_sessions_change_does_not_fail_the_catalogs_question() {
    for (codes, definitions, reads_table, reads_view) in [
        (&[][..], &[true][..], true, true),
        (&["XX000"], &[true, true], true, true),
        (&["42P01"], &[true, true], true, true),
        (&["42704", "XX000"], &[true, true, false], true, false),
        (&["55P03"], &[true, false], true, false),
        (&["XX000", "XX000", "XX000"], &[true, true, false], false, false),
        (&["42501"], &[true], false, false),
    ] {
        let mut world = World::new();
        world.server.catalog_stumbles = codes.to_vec();
        let mut world = world.login();
        assert_eq!(world.server.asked_definitions, definitions, "{codes:?}");
        for (text, passes) in [("SELECT id FROM payments", reads_table), ("SELECT ref FROM v_payments", reads_view)] {
            // Idle, the session may ask again.
            world.server.catalog_stumbles = if passes { Vec::new() } else { vec!["42501"] };
            let heard = world.ask(&query(text));
            assert_eq!(!heard[0].starts_with('E'), passes, "{codes:?}: {text}: {heard:?}");
        }
    }
}

/// What is changed past the interceptor is seen then. Inside a transaction its snapshot would answer.
#[test]
fn a_catalog_that_is_too_old_is_asked_for_again_outside_of_a_transaction() {
    let mut world = World::ready();
    let asked = |world: &World| world.server.asked_definitions.len();
    world.ask(&query("SELECT id FROM payments"));
    let first = asked(&world);
    world.now.mono_ns += world.limits.catalog_age_ms * 1_000_000 / 2;
    world.ask(&query("SELECT id FROM payments"));
    assert_eq!(asked(&world), first, "it is young enough");
    world.ask(&query("BEGIN"));
    world.now.mono_ns += world.limits.catalog_age_ms * 1_000_000;
    world.ask(&query("SELECT id FROM payments"));
    assert_eq!(asked(&world), first, "a transaction is open");
    world.ask(&query("COMMIT"));
    world.ask(&query("SELECT id FROM payments"));
    assert_eq!(asked(&world), first + 1);
}

/// The agent's cancel request meant its statement, which waits for our question.
#[test]
fn a_cancel_that_hits_our_question_cancels_the_statement_that_waits_for_it() {
    const CANCELLED: (&str, &str) = ("57014", "canceling statement due to user request");
    let mut world = World::new();
    world.server.catalog_fails = Some(CANCELLED);
    let mut world = world.login();
    // There was no statement yet: asked again, and again in vain.
    for asked in [query("SELECT 1"), extended(&["P  SELECT 1", "B  ", "E ", "S"])] {
        let heard = world.ask(&asked);
        assert!(heard[0].starts_with("E ERROR 57014") && heard[0].contains(CANCELLED.1), "{heard:?}");
        assert_eq!(heard[1..], ["Z I"]);
    }
    world.server.catalog_fails = None;
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");

    let mut world = World::new();
    world.server.catalog_fails = Some(CANCELLED);
    let mut world = world.login();
    world.server.catalog_fails = None;
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1", "the cancel came before the first statement");
}
