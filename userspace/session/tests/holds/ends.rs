//! How a hold ends: by people, time, the agent, the database, the service, the policy.

use super::*;

#[test]
fn approved_it_runs_once_and_is_on_disk_first() {
    let mut world = held();
    let durable = world.durable;
    assert_eq!(world.approve(), ["SET", "Z I"]);
    assert_eq!(world.server.log, [UPDATE]);
    assert_eq!(world.durable, durable + 1, "its record is on disk before it goes on");
    assert_eq!(world.ends(), [AskEnd::Approved]);
    world.lives();
    assert_eq!(world.server.log.len(), 2);
    for (kind, count) in
        [(RecordType::Ask, 1), (RecordType::Approval, 1), (RecordType::AskOver, 0), (RecordType::Outcome, 2)]
    {
        assert_eq!(world.count(kind), count, "{kind}");
    }
    assert_eq!(world.decisions_to_run(), 2);
}

#[test]
fn denied_it_fails_with_the_reviewers_reason() {
    let mut world = held();
    let id = world.asked().id;
    let heard = world.deny();
    let expected = format!(
        "E ERROR 42501 {MESSAGE} {{\"interceptor\":\"denied\",\"id\":\"{id}\",\"by\":\"ann\",\"reason\":\"not on a friday\",\"record\":\"3-"
    );
    assert!(heard[0].starts_with(&expected), "{heard:?}");
    assert_eq!(heard[1..], ["Z I"]);
    assert!(world.server.log.is_empty());
    assert_eq!(world.ends(), [AskEnd::Denied]);
    world.lives();
}

#[test]
fn a_reason_is_masked_and_made_harmless() {
    let mut world = held();
    world.vote(false, "ann", &["leads"], &format!("card {}\n\x1b[2J\"}}", world::PAN));
    let heard = world.heard();
    assert!(heard[0].contains(r#""reason":"card 411111******1111\u000a\u001b[2J\"}""#), "{}", heard[0]);
}

#[test]
fn nobody_decides() {
    let mut world = held();
    assert_eq!(world.out.deadline, Some(world.now.mono_ns + 600_000_000_000));
    let heard = world.expire();
    assert!(heard[0].starts_with(&format!("E ERROR 42501 {MESSAGE} {{\"interceptor\":\"expired\"")), "{heard:?}");
    assert_eq!((world.ends(), world.count(RecordType::AskOver)), (vec![AskEnd::Expired], 1));
    world.lives();
}

#[test]
fn cancelled_it_says_what_the_server_says() {
    let mut world = held();
    assert_eq!(world.cancel(), ["E ERROR 57014 canceling statement due to user request", "Z I"]);
    assert_eq!(world.ends(), [AskEnd::Cancelled]);
    world.lives();
    assert_eq!(world.cancel(), [""; 0], "a cancel that comes too late does nothing");
}

#[test]
fn a_cancel_request_reaches_what_is_held_and_not_the_database() {
    let mut world = held();
    let keys: Vec<_> = world.keys.0.borrow().iter().map(|(key, target)| (key.clone(), target.clone())).collect();
    let (issued, target) = keys.first().expect("a key");
    let mut other = World::new();
    other.keys.0.borrow_mut().insert(issued.clone(), target.clone());
    let mut request = Vec::new();
    encode::cancel_request(&mut request, issued.pid, issued.secret()).unwrap();
    other.send(&request);
    assert_eq!((other.cancel_held.as_slice(), other.finished), ([1].as_slice(), Finish::Close));
    assert!(other.sent.is_empty());
    world.approve();
    let mut later = World::new();
    later.keys.0.borrow_mut().insert(issued.clone(), target.clone());
    later.send(&request);
    assert!(later.cancel_held.is_empty() && !later.sent.is_empty(), "what runs is the database's to cancel");
}

#[test]
fn the_agent_leaves() {
    let mut world = held();
    let mut terminate = Vec::new();
    encode::terminate(&mut terminate);
    world.send(&terminate);
    assert_eq!(world.finished, Finish::No, "what is behind the held statement waits");
    world.input(Input::AgentClosed);
    assert_eq!((world.finished, world.ends()), (Finish::ShutdownDatabase, vec![AskEnd::Closed]));
    assert!(world.server.log.is_empty() && world.server.out.is_empty());
    world.vote(true, "ann", &["leads"], "too late");
    assert_eq!(world.ends(), [AskEnd::Closed, AskEnd::Gone]);
    assert!(world.server.log.is_empty());
}

#[test]
fn the_database_ends_the_session_with_its_own_words() {
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    world.ask(&query(UPDATE));
    let mut words = Vec::new();
    let code = wire::postgres::SqlState::of_bytes(b"25P03").unwrap();
    encode::error_response(&mut words, "FATAL", code, "terminating connection due to idle-in-transaction timeout", &[]);
    world.input(Input::FromDatabase(&mut words));
    assert_eq!(world.heard(), ["E FATAL 25P03 terminating connection due to idle-in-transaction timeout"]);
    world.input(Input::DatabaseClosed);
    assert_eq!(world.finished, Finish::Close);
    world.close();
    assert_eq!((world.ends(), world.count(RecordType::AskOver)), (vec![AskEnd::Closed], 1));
}

#[test]
fn the_service_stops() {
    let mut world = held();
    world.input(Input::Stop);
    world.answer();
    let heard = world.heard();
    assert!(heard[0].contains("42501") && heard[1] == "Z I" && heard[2].contains("57P01"), "{heard:?}");
    assert_eq!((world.finished, world.ends()), (Finish::Close, vec![AskEnd::Stopping]));
}

#[test]
fn a_person_ends_a_session_that_waits() {
    let mut world = held();
    world.input(Input::End(Box::new(session::Masked::of("by ann"))));
    let heard = world.heard();
    assert!(heard.len() == 1 && heard[0].starts_with("E FATAL 57P01"), "{heard:?}");
    assert_eq!((world.finished, world.ends()), (Finish::Close, vec![AskEnd::Closed]));
}

#[test]
fn the_policy_of_the_moment_decides() {
    let blocks = POLICY.replace("action = \"hold\"\napprovers = [\"group:leads\"]", "action = \"block\"");
    let allows = POLICY.replace(
        "action = \"hold\"\napprovers = [\"group:leads\"]\nmessage = \"updates are approved by a lead\"",
        "action = \"allow\"",
    );
    let others = POLICY.replace("group:leads", "group:others");
    for (text, expected, end) in [
        (blocks.as_str(), "E ERROR 42501 updates are approved by a lead record 3-", AskEnd::PolicyChanged),
        (&allows, "SET", AskEnd::PolicyChanged),
        (&others, "E ERROR 42501 updates are approved by a lead {\"interceptor\":\"denied\"", AskEnd::PolicyChanged),
        (&format!("{POLICY}\n# a comment"), "SET", AskEnd::Approved),
    ] {
        let mut world = held();
        world.policy = policy(text);
        let heard = world.approve();
        assert!(heard[0].starts_with(expected) && heard[1] == "Z I", "{heard:?}");
        assert_eq!(world.ends(), [end]);
        world.lives();
    }
}

#[test]
fn where_nobody_can_be_asked_it_is_denied() {
    let mut world = held();
    let id = world.asked().id;
    world.input(Input::Unheard(AskId::of(99)));
    assert_eq!(world.heard(), [""; 0]);
    world.input(Input::Unheard(id));
    world.answer();
    assert!(world.heard()[0].contains("\"interceptor\":\"unavailable\""));
    world.lives();
}

#[test]
fn without_room_in_the_record_nobody_is_asked() {
    let mut world = World::ready();
    world.room = 2000;
    assert!(world.ask(&query(UPDATE))[0].starts_with("E ERROR 53100"));
    assert!(world.asking.is_empty());
    let mut world = held();
    world.room = 0;
    let heard = world.approve();
    assert!(heard[0].starts_with("E ERROR"), "{heard:?}");
    assert!(world.server.log.is_empty());
    assert_eq!(world.ends(), [AskEnd::Unrecorded]);
    world.room = 1 << 30;
    world.lives();
}
