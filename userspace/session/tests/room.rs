//! The record without room: statements are refused with 53100 in their place, nothing of them goes on, the connection lives, and
//! they work again once there is room.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use audit::RecordType;
use session::{Finish, Input, Mode};
use wire::postgres::encode;
use world::{POLICY, Seed, World, extended, open, query, startup};

const FULL: &str = "E ERROR 53100 the interceptor has no room to record this; nothing was forwarded";

#[test]
fn a_statement_without_room_is_refused_and_works_again_with_room() {
    let mut world = World::ready();
    let (decisions, outcomes) = (world.count(RecordType::Decision), world.count(RecordType::Outcome));
    world.room = 0;
    assert_eq!(world.ask(&query("SELECT * FROM payments")), [FULL, "Z I"]);
    assert_eq!(world.ask(&query("DROP TABLE payments")), [FULL, "Z I"], "a refusal has no record either");
    assert_eq!(world.unrecorded, 2);
    assert!(world.server.log.is_empty());
    assert_eq!((world.count(RecordType::Decision), world.count(RecordType::Outcome)), (decisions, outcomes));
    world.room = 1 << 20;
    assert_eq!(world.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
    assert_eq!(world.server.log, ["SELECT 1"]);
    world.close();
    assert_eq!(world.count(RecordType::SessionEnd), 1);
}

#[test]
fn a_transaction_fails_by_it_as_by_any_error() {
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    world.room = 0;
    assert_eq!(world.ask(&query("SELECT 1")), [FULL, "Z E"]);
    world.room = 1 << 20;
    assert_eq!(world.ask(&query("SELECT 1"))[0], "E ERROR 25P02 current transaction is aborted");
    assert_eq!(world.ask(&query("ROLLBACK")), ["COMMIT", "Z I"]);
}

#[test]
fn each_message_of_the_extended_protocol_is_refused_up_to_its_sync() {
    let mut world = World::ready();
    world.ask(&extended(&["P s SELECT * FROM payments", "S"]));
    world.room = 0;
    assert_eq!(world.ask(&extended(&["P t SELECT 1", "B  t", "E ", "S"])), [FULL, "Z I"]);
    assert_eq!(world.ask(&extended(&["B  s", "E ", "S"])), ["2", FULL, "Z I"]);
    assert_eq!(world.ask(&extended(&["E nobody", "S"])), [FULL, "Z I"]);
    assert_eq!(world.ask(&extended(&["B  nobody", "E ", "S"])), [FULL, "Z I"]);
    assert!(world.server.log.is_empty());
    world.room = 1 << 20;
    let heard = world.ask(&extended(&["B  s", "E ", "S"]));
    assert_eq!(heard, ["2", "D 1,411111******1111,***", "SELECT 1", "Z I"]);
}

#[test]
fn too_long_a_text_and_a_function_call_are_refused_too() {
    let mut world = World::ready();
    world.limits.statement = 100;
    world.room = 0;
    assert_eq!(world.ask(&query(&format!("SELECT '{}'", "x".repeat(600 << 10)))), [FULL, "Z I"]);
    let mut call = Vec::new();
    call.extend([b'F', 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(world.ask(&call), [FULL, "Z I"]);
    assert_eq!(world.unrecorded, 2);
}

#[test]
fn observe_forwards_nothing_that_it_cannot_record() {
    let mut world = World::with(open("reconciler", Mode::Observe, true), POLICY).login();
    world.room = 0;
    assert_eq!(world.ask(&query("SELECT 1")), [FULL, "Z I"]);
    assert_eq!(world.ask(&extended(&["E inner", "S"])), [FULL, "Z I"]);
    assert!(world.server.log.is_empty());
}

#[test]
fn the_sessions_own_question_needs_room_too() {
    let mut world = World::ready();
    // The catalog ages out: the question would come before the statement.
    world.now.mono_ns += 600_000_000_000;
    world.room = 1500;
    assert_eq!(world.ask(&query("SELECT 1")), [FULL, "Z I"]);
    assert!(world.server.log.is_empty());
    world.room = 1 << 20;
    assert_eq!(world.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
    assert!(world.server.log.last().is_some_and(|last| last == "SELECT 1"));
}

#[test]
fn more_than_one_call_may_record_waits_for_the_next_call() {
    let mut world = World::ready();
    world.room = 6000;
    let many: Vec<u8> = (0..40).flat_map(|n| query(&format!("SELECT 1 /* {n} */"))).collect();
    world.send(&many);
    while world.out.deadline.is_some_and(|at| at <= world.now.mono_ns) {
        assert!(!world.out.read_agent, "no further bytes before those that wait");
        world.input(Input::Deadline);
        world.answer();
    }
    let heard = world.heard();
    assert_eq!(heard.iter().filter(|said| *said == "SELECT 1").count(), 40, "{heard:?}");
    assert_eq!((world.server.log.len(), world.unrecorded), (40, 0));
}

#[test]
fn a_new_connection_is_told_so_behind_its_startup_packet() {
    let mut world = World::new_in(0);
    let mut ssl = Vec::new();
    encode::ssl_request(&mut ssl);
    world.send(&ssl);
    assert_eq!(std::mem::take(&mut world.agent), b"N");
    let heard = world.ask(&startup(0, &[("user", "app"), ("database", "payments")]));
    assert_eq!(heard, ["E FATAL 53100 the interceptor has no room to record this session; nothing was forwarded"]);
    assert_eq!(world.finished, Finish::Close);
    world.close();
    assert!(!world.server.started && world.records.is_empty(), "what has no room leaves no record");
}

#[test]
fn a_cancel_request_without_room_is_not_passed_on() {
    let mut world = World::new_in(0);
    let mut cancel = Vec::new();
    encode::cancel_request(&mut cancel, 1, b"1234").unwrap();
    world.send(&cancel);
    assert_eq!((world.finished, world.agent.len()), (Finish::Close, 0));
    assert!(!world.server.started);
}

#[test]
fn a_login_that_the_room_ends_in_is_refused() {
    let mut world = World::new();
    world.room = 0;
    let heard = world.ask(&startup(0, &[("user", "app"), ("database", "payments")]));
    assert!(heard.last().is_some_and(|last| last.starts_with("E FATAL 53100")), "{heard:?}");
    world.close();
    assert_eq!((world.count(RecordType::Login), world.count(RecordType::SessionEnd)), (1, 1));
}

/// The world checks each call: what was written and is owed found its room before.
#[test]
fn with_any_room_every_statement_that_runs_is_recorded() {
    let texts = ["SELECT 1", "SELECT * FROM payments", "DROP TABLE payments", "BEGIN", "ROLLBACK", "SELEC"];
    for seed in 1..400 {
        let mut seeded = Seed(seed);
        let mut world = World::ready();
        world.cut = 1 + seeded.next(400);
        for round in 0..30 {
            world.room = seeded.next(5000);
            let text = format!("{} /* {round} */", texts[seeded.next(texts.len())]);
            if seeded.next(2) == 0 {
                world.send(&query(&text));
            } else {
                world.send(&extended(&[&format!("P  {text}"), "B  ", "E ", "S"]));
            }
            for _ in 0..100 {
                if world.out.deadline.is_none_or(|at| at > world.now.mono_ns) {
                    break;
                }
                world.input(Input::Deadline);
                world.answer();
            }
        }
        assert_eq!(world.finished, Finish::No, "seed {seed}");
        let ran = world.server.log.iter().filter(|text| !text.contains("/* interceptor */")).count();
        assert!(world.decisions_to_run() >= ran, "seed {seed}");
        assert_eq!(world.count(RecordType::Outcome), ran, "seed {seed}");
        world.close();
    }
}
