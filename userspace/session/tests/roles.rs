//! Whose rights apply: what the server says of it is what the record says, and who changes it is judged as `set-role`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use audit::decode::Fields;
use audit::{RecordType, field};
use session::Mode;
use world::{POLICY, World, open, query};

const MAY: &str = "
[[rule]]
name = \"roles\"
statements = [\"set-role\"]
action = \"allow\"
";

/// The users in the records of this type.
fn users(world: &World, kind: RecordType) -> Vec<String> {
    let of_kind = world.records.iter().filter(|(known, _)| *known == kind.code());
    let named = of_kind.flat_map(|(_, payload)| {
        let fields = Fields::of(payload).flatten().filter(|(number, _)| *number == field::DATABASE_USER);
        fields.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
    });
    named.collect()
}

fn world(policy: &str) -> World {
    let mut world = World::with(open("reconciler", Mode::Enforce, true), policy);
    // A map of pg_ident.conf, or a login of ours: the server calls the user otherwise than the agent does.
    world.server.parameters.retain(|(name, _)| *name != "session_authorization");
    world.server.parameters.push(("session_authorization", "ledger_ro"));
    world.login()
}

#[test]
fn the_record_has_the_user_that_the_server_names() {
    let mut world = world(POLICY);
    world.ask(&query("SELECT 1"));
    assert_eq!(users(&world, RecordType::Login), ["ledger_ro"]);
    assert_eq!(users(&world, RecordType::Decision), ["ledger_ro"]);
}

#[test]
fn another_user_is_named_from_the_next_record_on() {
    let mut world = world(&format!("{POLICY}{MAY}"));
    let heard = world.ask(&query("SET SESSION AUTHORIZATION a_role_with_a_longer_name_than_before"));
    assert!(!heard[0].starts_with("E "), "{heard:?}");
    world.ask(&query("SELECT 1"));
    let named = users(&world, RecordType::Decision);
    assert_eq!(named, ["ledger_ro", "a_role_with_a_longer_name_than_before"]);
    world.close();
    assert_eq!(users(&world, RecordType::SessionEnd), ["a_role_with_a_longer_name_than_before"]);
}

#[test]
fn who_changes_the_role_is_judged_as_set_role() {
    for text in [
        "SET ROLE dba",
        "SET LOCAL ROLE dba",
        "SET SESSION ROLE \"dba\"",
        "set role to none",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION dba",
        "SET LOCAL SESSION AUTHORIZATION DEFAULT",
        "RESET SESSION AUTHORIZATION",
        "SELECT set_config('role', 'dba', false)",
        "SELECT pg_catalog.set_config('session_authorization', 'dba', true)",
    ] {
        let mut world = world(POLICY);
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR 42501 no rule of the policy allows set-role"), "{text}: {heard:?}");
        let may = format!("{POLICY}{MAY}");
        let mut world = self::world(&may);
        let heard = world.ask(&query(text)).join("|");
        assert!(!heard.contains("set-role"), "{text}: {heard}");
    }
}
