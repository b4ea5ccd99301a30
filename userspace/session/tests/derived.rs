//! What derives from a sensitive column leaves masked or does not leave, and the agent is told why.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::sync::Arc;

use session::{Catalogs, Mode, Taints};
use world::{POLICY, World, extended, open, query};

const ANY: &str = "
[[sensitive]]
columns = [\"public.payments.pan\"]
kind = \"pan\"

[[rule]]
name = \"any\"
action = \"allow\"
";

fn with_cvv() -> String {
    format!("{ANY}[[sensitive]]\ncolumns = [\"*.cvv\"]\nkind = \"cvv\"\n")
}

fn world(policy: &str) -> World {
    World::with(open("reconciler", Mode::Enforce, true), policy).login()
}

#[test]
fn a_column_is_masked_by_its_place_wherever_it_comes_through() {
    let mut world = World::ready();
    assert_eq!(world.ask(&query("SELECT ref FROM v_payments"))[1], "D 411111******1111");
    assert_eq!(world.ask(&extended(&["P  SELECT ref FROM v_payments", "B  ", "E ", "S"]))[2], "D 411111******1111");
    world.ask(&query("PREPARE q AS SELECT ref FROM v_payments"));
    assert_eq!(world.ask(&query("EXECUTE q"))[1], "D 411111******1111");
}

#[test]
fn what_cannot_be_masked_is_refused_with_the_expression_and_the_reason() {
    let mut world = World::ready();
    for (text, detail) in [
        ("SELECT reverse(pan) FROM payments", ": reverse(pan) tells public.payments.pan in part"),
        ("SELECT left(ref, 4) FROM v_payments", " tells public.payments.pan in part"),
        ("SELECT id FROM payments ORDER BY pan", " asks public.payments.pan in an order"),
        ("SELECT one FROM nowhere", ": not known: what nowhere is"),
        ("SELECT most_common_vals FROM pg_stats", "pg_stats is not bound to the tables"),
    ] {
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR 42501") && heard[0].contains(detail), "{text}: {heard:?}");
        assert_eq!(heard[1], "Z I");
    }
    assert!(world.server.log.is_empty());
    assert_eq!(world.ask(&query("SELECT count(*) FROM payments"))[1], "D 1");
}

#[test]
fn equality_with_a_whole_value_is_policys_to_allow() {
    let text = "SELECT id FROM payments WHERE pan = $1";
    let parse = ["P  SELECT id FROM payments WHERE pan = $1", "B  ", "E ", "S"];
    assert!(!world(ANY).ask(&extended(&parse)).iter().any(|said| said.starts_with("D ")), "{text}");
    let mut world = world(&ANY.replace("action = \"allow\"", "match = true\naction = \"allow\""));
    assert!(world.ask(&extended(&parse)).iter().any(|said| said.starts_with("D ")), "{text}");
    assert!(world.ask(&query("SELECT id FROM payments WHERE pan LIKE '4%'"))[0].starts_with("E ERROR 42501"));
}

/// Where a person is asked about changes of the table: a check tells of the values that it is about when it is set up, and of each row that is
/// changed afterwards. None of that is a person's to allow; whether there is a value tells nothing of it.
#[test]
fn a_person_is_asked_about_a_check_that_tells_no_value() {
    let holds = ANY.replace("action = \"allow\"", "statements = [\"alter-table\"]\naction = \"hold\"");
    for (text, reason) in [
        ("ALTER TABLE payments ADD CHECK (pan < '5' OR id > 0)", "asks public.payments.pan in a condition"),
        ("ALTER TABLE payments ADD CHECK (id > 0), ADD CHECK (pan LIKE '4%')", "asks public.payments.pan"),
        ("ALTER TABLE payments ADD UNIQUE (pan)", "asks public.payments.pan where its value shows"),
        ("ALTER TABLE payments ADD COLUMN x text GENERATED ALWAYS AS (reverse(pan)) STORED", "not known: a column x"),
        ("ALTER TABLE payments ALTER pan TYPE text USING reverse(pan)", "payments would tell public.payments.pan"),
        ("ALTER TABLE payments RENAME pan TO x", "not known: ALTER ... RENAME of what matters"),
    ] {
        let mut world = world(&holds);
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR 42501") && heard[0].contains(reason), "{text}: {heard:?}");
        assert!(world.asking.is_empty(), "{text}");
    }
    let mut world = world(&holds);
    let heard = world.ask(&query("ALTER TABLE payments ADD CHECK (pan IS NULL)"));
    assert!(matches!(&*heard, [notice] if notice.starts_with("E NOTICE 00000 held for approval")), "{heard:?}");
    assert!(!world.asking.is_empty() && world.server.log.is_empty());
}

#[test]
fn what_the_open_transaction_has_changed_is_not_known_until_it_ends() {
    let mut world = world(ANY);
    world.ask(&query("BEGIN"));
    assert_eq!(world.ask(&query("SELECT one FROM plain"))[1], "D 1");
    world.ask(&query("ALTER TABLE plain ADD more text"));
    let heard = world.ask(&query("SELECT one FROM plain"));
    assert!(heard[0].contains("what plain is, which the open transaction has changed"), "{heard:?}");
    world.ask(&query("ROLLBACK"));
    assert_eq!(world.ask(&query("SELECT one FROM plain"))[1], "D 1");
}

#[test]
fn a_column_that_was_filled_from_a_sensitive_one_is_sensitive_for_everyone() {
    let taints = Arc::new(Taints::default());
    let joins = |policy: &str| {
        let mut world = World::with(open("reconciler", Mode::Enforce, true), policy);
        world.catalogs = Catalogs::with(Arc::default(), Arc::clone(&taints), Arc::default());
        world.login()
    };
    let (mut one, mut other) = (joins(POLICY), joins(POLICY));
    assert_eq!(other.ask(&query("SELECT one FROM plain"))[1], "D 1");
    other.ask(&query("BEGIN"));
    one.ask(&query("INSERT INTO plain (one) SELECT pan FROM payments"));
    assert_eq!(taints.snapshot().0.len(), 1);
    for world in [&mut one, &mut other, &mut joins(POLICY)] {
        assert_eq!(world.ask(&query("SELECT one FROM plain"))[1], "D *");
        let heard = world.ask(&query("SELECT reverse(one) FROM plain"));
        assert!(heard[0].contains("reverse(one) tells public.plain.one in"), "{heard:?}");
    }
}

#[test]
fn errors_that_a_value_decides_are_counted() {
    let mut world = world(&with_cvv());
    let text = query("UPDATE payments SET cvv = cvv::int WHERE id = 1");
    let heard = world.ask(&text);
    assert!(!heard[0].starts_with("E"), "{heard:?}");
    world.limits.value_errors_per_hour = 0;
    let heard = world.ask(&text);
    assert!(heard[0].starts_with("E ERROR 42501 too many statements of this agent have failed"), "{heard:?}");
}

/// The account is the agent's, in whatever session; by default eight errors in an hour of the clock.
#[test]
fn the_ninth_error_of_an_hour_that_a_value_decides_is_not_made() {
    const REFUSED: &str = "E ERROR 42501 too many statements of this agent have failed";
    let budgets = Arc::default();
    let joins = |agent: &str| {
        let mut world = World::with(open(agent, Mode::Enforce, true), &with_cvv());
        world.catalogs = Catalogs::with(Arc::default(), Arc::default(), Arc::clone(&budgets));
        world.login()
    };
    // The small server fails it with 23514.
    let fails = query("INSERT INTO payments (cvv) SELECT cvv FROM payments");
    let (mut one, mut other, mut somebody_else) = (joins("reconciler"), joins("reconciler"), joins("auditor"));
    for number in 1..=8 {
        let world = if number % 2 == 0 { &mut one } else { &mut other };
        let heard = world.ask(&fails);
        assert!(heard[0].starts_with("E ERROR 23514"), "{number}: {heard:?}");
    }
    for world in [&mut one, &mut other] {
        let heard = world.ask(&fails);
        assert!(heard[0].starts_with(REFUSED), "{heard:?}");
        assert_eq!(world.server.log.len(), 4, "it is not executed");
        // What no value can fail goes on.
        assert_eq!(world.ask(&query("SELECT count(*) FROM payments"))[1], "D 1");
    }
    assert!(somebody_else.ask(&fails)[0].starts_with("E ERROR 23514"));
    one.now.wall_ns += 3_600_000_000_000;
    assert!(one.ask(&fails)[0].starts_with("E ERROR 23514"), "another hour");
}

#[test]
fn hidden_digits_are_not_moved_to_where_a_mask_keeps_them() {
    let mut world = world(&with_cvv());
    for text in [
        "INSERT INTO payments (pan) SELECT substr(pan, 7) FROM payments",
        "UPDATE payments SET pan = substr(pan, 7) || left(pan, 6)",
    ] {
        let heard = world.ask(&query(text));
        assert!(heard[0].contains("payments would tell public.payments.pan"), "{text}: {heard:?}");
    }
    // Of this one nothing is kept.
    assert!(!world.ask(&query("UPDATE payments SET cvv = reverse(cvv)"))[0].starts_with("E"));
    assert!(!world.ask(&query("INSERT INTO payments (pan) SELECT pan FROM payments"))[0].starts_with("E"));
}

#[test]
fn in_observe_what_would_be_refused_is_hidden() {
    let mut world = World::with(open("reconciler", Mode::Observe, true), POLICY).login();
    // The small server calls the column `one`.
    assert_eq!(world.ask(&query("SELECT reverse(pan) FROM payments"))[1], "D *");
    let heard = world.ask(&query("COPY (SELECT reverse(nothing) FROM payments) TO STDOUT"));
    assert!(heard[0].starts_with("E ERROR 42501"), "it cannot be told what would be copied: {heard:?}");
}

#[test]
fn a_table_is_not_made_of_what_a_name_stands_for() {
    let mut world = world(ANY);
    world.ask(&query("PREPARE q AS SELECT pan FROM payments"));
    let heard = world.ask(&query("CREATE TABLE copy AS EXECUTE q"));
    assert!(heard[0].contains("not known: EXECUTE of an unknown statement"), "{heard:?}");
}

#[test]
fn a_sensitive_value_is_not_written_where_the_table_itself_looks_at_it() {
    let text = query("INSERT INTO checked (word) SELECT pan FROM payments");
    let mut world = world(ANY);
    let heard = world.ask(&text);
    assert!(heard[0].contains("a check of checked would tell of public.payments.pan"), "{heard:?}");
    assert!(!world.ask(&query("INSERT INTO checked (note) SELECT pan FROM payments"))[0].starts_with("E"));
    assert!(!world.ask(&query("INSERT INTO checked (word) SELECT one FROM plain"))[0].starts_with("E"));
    // The owner of a column that policy names has set up what is over it.
    let mut world = self::world(&ANY.replace("\"public.payments.pan\"", "\"public.payments.pan\", \"*.word\""));
    assert!(!world.ask(&text)[0].starts_with("E"));
}

/// Two sessions that hear of each other's changes.
fn two() -> [World; 2] {
    let taints = Arc::new(Taints::default());
    [(); 2].map(|()| {
        let mut world = World::with(open("reconciler", Mode::Enforce, true), ANY);
        world.catalogs = Catalogs::with(Arc::default(), Arc::clone(&taints), Arc::default());
        world.login()
    })
}

#[test]
fn a_transaction_ends_whatever_another_session_has_changed() {
    let [mut one, mut other] = two();
    one.ask(&query("BEGIN"));
    other.ask(&query("ALTER SCHEMA public OWNER TO app"));
    assert_eq!(one.ask(&query("SET LOCAL work_mem = '8MB'"))[0], "SET");
    assert_eq!(one.ask(&query("COMMIT"))[0], "COMMIT");
    one.ask(&query("BEGIN"));
    other.ask(&query("ALTER SCHEMA public OWNER TO app"));
    let heard = one.ask(&query("SELECT one FROM plain"));
    assert!(heard[0].contains("what another session has changed"), "{heard:?}");
}

#[test]
fn a_table_that_is_being_changed_elsewhere_is_not_filled() {
    let [mut one, mut other] = two();
    other.ask(&query("BEGIN"));
    other.ask(&query("CREATE INDEX ON plain (one)"));
    let filled = query("INSERT INTO plain (one) SELECT pan FROM payments");
    let heard = one.ask(&filled);
    assert!(heard[0].contains("what an open transaction makes of the table"), "{heard:?}");
    assert!(!one.ask(&query("INSERT INTO plain (one) VALUES ('x')"))[0].starts_with("E"));
    // Gone without a word: nobody knows whether it was committed.
    drop(other);
    assert!(!one.ask(&filled)[0].starts_with("E"));
}
