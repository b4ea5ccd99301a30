//! What is before and behind a held statement: pipelines, transactions, prepared statements, portals.

use super::*;

#[test]
fn what_is_pipelined_behind_waits_and_then_goes_in_order() {
    let mut world = World::ready();
    let mut bytes = query(UPDATE);
    bytes.extend(query("SELECT 1"));
    assert_eq!(world.ask(&bytes), [world.notice()]);
    assert_eq!(world.ask(&query("SELECT 1")), [""; 0]);
    assert!(world.server.log.is_empty());
    let one = ["T one", "D 1", "SELECT 1", "Z I"];
    assert_eq!(world.approve(), [["SET", "Z I"].as_slice(), &one, &one].concat());
    assert_eq!(world.server.log, [UPDATE, "SELECT 1", "SELECT 1"]);
}

#[test]
fn what_waits_behind_it_is_bounded() {
    let mut world = held();
    let select = query(&format!("SELECT 1 /* {} */", "x".repeat(10_000)));
    let mut sent = 0;
    while world.out.read_agent {
        world.input(Input::FromAgent(&mut select.clone()));
        sent += 1;
        assert!(sent < 100, "the agent is read on and on");
    }
    assert!(sent > 10);
    assert_eq!(world.approve().iter().filter(|said| *said == "SELECT 1").count(), sent);
    assert!(world.out.read_agent);
}

#[test]
fn in_a_transaction_its_state_stays_the_servers() {
    for (approved, expected) in [(true, "Z T"), (false, "Z E")] {
        let mut world = World::ready();
        world.ask(&query("BEGIN"));
        world.ask(&query(UPDATE));
        assert!(world.asked().in_transaction);
        assert_eq!(world.asked().transaction_since_s, Some(world.now.wall_ns / 1_000_000_000));
        let heard = if approved { world.approve() } else { world.deny() };
        assert_eq!(heard.last().unwrap(), expected);
        assert_eq!(world.ask(&query("ROLLBACK")), ["COMMIT", "Z I"]);
        world.lives();
    }
}

#[test]
fn in_a_failed_transaction_nobody_is_asked() {
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    world.ask(&query("DROP TABLE payments"));
    let heard = world.ask(&query(UPDATE));
    assert!(heard[0].starts_with("E ERROR 25P02 current transaction is aborted") && heard[1] == "Z E", "{heard:?}");
    assert!(world.asking.is_empty());
}

#[test]
fn extended_is_held_at_its_bind() {
    let mut world = held_in_a_pipeline();
    assert_eq!((world.asked().request, world.server.seen.as_str()), ("bind", "PH"));
    assert_eq!(world.approve(), ["2", "n", "SET", "Z I"]);
    assert_eq!(world.server.log, [UPDATE]);
    assert_eq!(world.decisions_to_run(), 1);
    world.lives();
    let mut world = held_in_a_pipeline();
    let heard = world.deny();
    assert!(heard[0].starts_with("E ERROR 42501") && heard[1] == "Z I" && heard.len() == 2, "{heard:?}");
    assert!(world.server.log.is_empty());
    world.lives();
    let mut world = held_in_a_pipeline();
    assert_eq!(world.cancel(), ["E ERROR 57014 canceling statement due to user request", "Z I"]);
    world.lives();
    let mut world = held_in_a_pipeline();
    assert!(world.expire()[0].contains("expired"));
    world.lives();
}

#[test]
fn a_prepared_statement_is_asked_about_each_time_that_it_is_bound() {
    let mut world = World::ready();
    let parse = format!("P s {UPDATE}");
    assert_eq!(world.ask(&extended(&[&parse, "D S s", "S"])), ["1", "t", "n", "Z I"]);
    assert!(world.asking.is_empty(), "to prepare runs nothing");
    for run in 1..3 {
        assert_eq!(world.ask(&extended(&["B  s", "E ", "S"])), [world.notice()]);
        assert_eq!(world.approve(), ["2", "SET", "Z I"]);
        assert_eq!(world.server.log.len(), run);
    }
    assert_eq!(world.ends(), [AskEnd::Approved; 2]);
    let ids: Vec<AskId> = world
        .asking
        .iter()
        .filter_map(|a| match a {
            Asking::Ask(ask) => Some(ask.id),
            _ => None,
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn an_error_in_front_skips_it_and_nobody_is_asked() {
    let mut world = World::ready();
    let parse = format!("P u {UPDATE}");
    world.ask(&extended(&[&parse, "S"]));
    let heard =
        world.ask(&extended(&["P  INSERT INTO payments (pan) VALUES ('twice')", "B  ", "E ", "B  u", "E ", "S"]));
    assert_eq!((heard.len(), heard[3].as_str()), (4, "Z I"), "{heard:?}");
    assert!(world.asking.is_empty());
    world.lives();
}

#[test]
fn a_cursor_that_nobody_declared_is_refused_and_nobody_is_asked() {
    let text = POLICY.to_owned() + "\n[[rule]]\nname = \"fetches\"\nstatements = [\"fetch\"]\naction = \"hold\"\n";
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &text).login();
    let heard = world.ask(&query("FETCH ALL FROM nowhere"));
    assert!(heard[0].starts_with("E ERROR 34000 cursor \"nowhere\" does not exist") && heard[1] == "Z I", "{heard:?}");
    assert!(world.asking.is_empty());
}

#[test]
fn a_portal_is_approved_with_its_bind_and_not_by_a_later_policy() {
    // The rule begins to hold within the portal's life.
    let later = POLICY.replace("action = \"hold\"", "action = \"hold\"\nvalid = \"2026-09-22/2026-12-01\"")
        + "\n[[rule]]\nname = \"updates\"\nstatements = [\"update\"]\naction = \"allow\"\n";
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &later).login();
    let parse = format!("P  {UPDATE}");
    world.ask(&extended(&[&parse, "B  ", "H"]));
    world.now.wall_ns += 86_400_000_000_000;
    let heard = world.ask(&extended(&["E ", "S"]));
    assert!(heard[0].starts_with("E ERROR 42501 updates are approved by a lead"), "{heard:?}");
    assert!(world.server.log.is_empty() && world.asking.is_empty());
}

#[test]
fn cut_at_every_byte() {
    type Script = (fn() -> Vec<u8>, fn(&mut World) -> Vec<String>);
    fn simple() -> Vec<u8> {
        [query("BEGIN"), query(UPDATE), query("SELECT 1")].concat()
    }
    fn pipeline() -> Vec<u8> {
        let parse = format!("P  {UPDATE}");
        extended(&["P a SELECT 1", "B  a", "E ", &parse, "B  ", "D P ", "E ", "S", "B  a", "E ", "S"])
    }
    let scripts: [Script; 8] = [
        (simple, World::approve),
        (simple, World::deny),
        (simple, World::cancel),
        (simple, World::expire),
        (pipeline, World::approve),
        (pipeline, World::deny),
        (pipeline, World::cancel),
        (pipeline, World::expire),
    ];
    for (at, (bytes, decide)) in scripts.into_iter().enumerate() {
        let run = |cut: usize| {
            let mut world = World::ready();
            world.cut = cut;
            world.send(&bytes());
            let mut heard = world.heard();
            heard.extend(decide(&mut world));
            (heard, world.server.log.clone(), world.ends())
        };
        let whole = run(usize::MAX);
        assert_eq!(whole.2.len(), 1);
        for cut in 1..bytes().len() {
            assert_eq!(run(cut).1, whole.1, "script {at}, cut {cut}");
            assert_eq!(run(cut).0.len(), whole.0.len(), "script {at}, cut {cut}");
            assert_eq!(run(cut).2, whole.2, "script {at}, cut {cut}");
        }
    }
}
