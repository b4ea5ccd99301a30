//! What policy and configuration say of the search reaches the values of a session.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use session::{Mode, Open};
use world::{POLICY, World, extended, open, policy, query};

fn with(more: &str) -> World {
    World::with(open("reconciler", Mode::Enforce, true), &format!("{POLICY}{more}")).login()
}

fn note(world: &mut World) -> String {
    world.ask(&query("SELECT note FROM tickets"))[1].clone()
}

#[test]
fn a_pattern_holds_from_the_next_statement_on_after_a_reload() {
    let mut world = with("");
    assert_eq!(note(&mut world), "D 411111******1111");
    world.policy = policy(&format!("{POLICY}[[pattern]]\nname = \"all\"\nregex = '[0-9]{{16}}'\n"));
    assert_eq!(note(&mut world), "D ****************");
    let heard = world.ask(&extended(&["P  SELECT note FROM tickets", "B  ", "E ", "S"]));
    assert!(heard.contains(&"D ****************".to_owned()), "{heard:?}");
    world.policy = policy(POLICY);
    assert_eq!(note(&mut world), "D 411111******1111");
}

#[test]
fn a_pattern_of_columns_is_for_them_and_for_what_has_no_column() {
    let mut world = with("[[pattern]]\nname = \"one\"\nregex = '1'\ncolumns = [\"public.payments.id\"]\n");
    assert_eq!(world.ask(&query("SELECT * FROM payments"))[1], "D *,411111******1111,***");
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D *", "an expression may be made of any column");
    assert_eq!(note(&mut world), "D 411111******1111", "another table's column is none of them");
}

#[test]
fn a_pattern_of_another_database_is_not_sought() {
    let names = policy::Names {
        agents: vec!["reconciler".into()],
        groups: vec!["leads".into()],
        databases: vec!["payments".into(), "other".into()],
        ..Default::default()
    };
    let text = format!("{POLICY}[[pattern]]\nname = \"one\"\nregex = '1'\ndatabases = [\"other\"]\n");
    let mut world = with("");
    world.policy = Arc::new(policy::Policy::parse(&text, &names).unwrap());
    assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
}

#[test]
fn a_column_or_a_database_is_searched_strictly() {
    // A letter in front of a card.
    for (strict_column, strict_database, left) in [
        (false, false, "D x4111111111111111"),
        (true, false, "D x411111******1111"),
        (false, true, "D x411111******1111"),
    ] {
        let scan = "[[scan]]\ncolumns = [\"public.odds.odd\"]\nmode = \"strict\"\n";
        let opened = open("reconciler", Mode::Enforce, true);
        let mut database = (*opened.database).clone();
        database.masking = if strict_database { pan::Mode::Strict } else { pan::Mode::Balanced };
        let opened = Open { database: Arc::new(database), ..opened };
        let text = format!("{POLICY}{}", if strict_column { scan } else { "" });
        let mut world = World::with(opened, &text).login();
        assert_eq!(world.ask(&query("SELECT odd FROM odds"))[1], left, "{strict_column} {strict_database}");
    }
}
