//! From the first byte to the first statement, and the end: negotiation, keys, cancel, deadlines, stop.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use session::{Database, Failure, Finish, Input, Masked, Mode};
use wire::postgres::encode;
use world::{World, open, query, startup};

fn fatal(world: &mut World, bytes: &[u8]) -> String {
    let heard = world.ask(bytes);
    assert_eq!(world.finished, Finish::Close, "{heard:?}");
    assert!(!world.server.started, "nothing was forwarded");
    heard.join("|")
}

#[test]
fn encryption_is_declined_once_each() {
    let mut world = World::new();
    let mut ssl = Vec::new();
    encode::ssl_request(&mut ssl);
    let mut gss = Vec::new();
    encode::gssenc_request(&mut gss);
    world.send(&gss);
    world.send(&ssl);
    assert_eq!(world.agent, b"NN");
    world.agent.clear();
    assert!(fatal(&mut world, &ssl).starts_with("E FATAL 0A000"));
}

#[test]
fn bytes_behind_an_encryption_request_end_the_session() {
    let mut bytes = Vec::new();
    encode::ssl_request(&mut bytes);
    bytes.extend(startup(0, &[("user", "app")]));
    // In pieces of seven the request ends within one.
    for cut in [usize::MAX, 7] {
        let mut world = World::new();
        world.cut = cut;
        assert!(fatal(&mut world, &bytes).contains("received unencrypted data"), "{cut}");
    }
}

#[test]
fn startup_keys_have_an_allow_list() {
    for (parameters, want) in [
        (vec![("user", "a"), ("user", "b")], "08P01"),
        (vec![("user", "a"), ("nonsense", "b")], "42501"),
        (vec![("user", "a"), ("replication", "database")], "42501"),
        (vec![("user", "a"), ("options", "-c standard_conforming_strings=off")], "42501"),
        (vec![("user", "a"), ("options", "-c role=dba")], "42501"),
        (vec![("user", "a"), ("options", "-F")], "42601"),
        (vec![("user", "a"), ("client_encoding", "SJIS")], "42501"),
        (vec![("user", "a"), ("role", "dba")], "42501"),
        (vec![("database", "x")], "28000"),
    ] {
        let said = fatal(&mut World::new(), &startup(0, &parameters));
        assert!(said.starts_with(&format!("E FATAL {want}")), "{parameters:?}: {said}");
    }
}

#[test]
fn what_drivers_send_passes() {
    let mut world = World::new();
    world.send(&startup(
        0,
        &[
            ("user", "app"),
            ("database", "payments"),
            ("options", "-c geqo=off --search-path=a,b"),
            ("client_encoding", "'utf-8'"),
            ("DateStyle", "ISO"),
            ("TimeZone", "UTC"),
            ("extra_float_digits", "2"),
            ("application_name", "psql"),
        ],
    ));
    assert!(world.heard().last().unwrap() == "Z I");
    assert_eq!(world.server.startup.len(), 8);
    let options = world.server.startup.iter().find(|(name, _)| name == "options").map(|(_, value)| value.as_str());
    assert_eq!(options, Some("-c geqo=off -c search_path=a,b"), "written anew, as they were read");
}

#[test]
fn a_password_is_read_strictly() {
    for (body, want) in
        [(b"secret\0".as_slice(), "Z I"), (b"secret", "E FATAL 08P01"), (b"se\0cret\0", "E FATAL 08P01")]
    {
        let mut world = World::new();
        world.server.asks_password = true;
        world.send(&startup(0, &[("user", "app")]));
        world.agent.clear();
        let mut bytes = vec![b'p'];
        bytes.extend((body.len() as u32 + 4).to_be_bytes());
        bytes.extend(body);
        let heard = world.ask(&bytes);
        assert!(heard.last().unwrap().starts_with(want), "{heard:?}");
    }
}

#[test]
fn other_databases_are_refused() {
    let mut open = open("reconciler", Mode::Enforce, true);
    open.database = Arc::new(Database { dbnames: vec!["payments".into()], ..(*open.database).clone() });
    let mut world = World::with(open, world::POLICY);
    assert!(fatal(&mut world, &startup(0, &[("user", "app"), ("database", "other")])).starts_with("E FATAL 42501"));
}

#[test]
fn versions_are_negotiated() {
    // 3.2 and an option that we do not know: the server has 3.0 alone, and the agent hears both.
    let mut world = World::new();
    world.send(&startup(2, &[("user", "app"), ("_pq_.x", "1")]));
    assert_eq!(world.server.minor, 2);
    assert_eq!(world.server.startup, [("user".to_owned(), "app".to_owned())]);
    assert_eq!(&world.agent[..17], b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_");
    // A version that nobody speaks yet: we ask for what we know.
    let mut world = World::new();
    world.send(&startup(9999, &[("user", "app")]));
    assert_eq!(world.server.minor, 2);
    assert_eq!(world.agent[0], b'v');
    assert!(fatal(&mut World::new(), &[0, 0, 0, 8, 0, 2, 0, 0]).starts_with("E FATAL 0A000"));
}

#[test]
fn the_servers_secret_never_leaves_and_ours_cancels() {
    let mut world = World::new();
    world.send(&startup(0, &[("user", "app")]));
    let key = world.agent.windows(5).position(|bytes| bytes == b"K\0\0\0\x0c").expect("a key");
    assert_eq!(&world.agent[key + 5..key + 13], b"\0\0\x12\x67ours", "the server's process id, our secret");
    assert!(!world.agent.windows(4).any(|bytes| bytes == b"real"));

    let mut request = Vec::new();
    encode::cancel_request(&mut request, 4711, b"ours").unwrap();
    let keys = std::mem::take(&mut world.keys);
    let mut other = World::new();
    other.keys = keys;
    other.send(&request);
    assert_eq!(other.server.cancelled, Some((4711, b"real".to_vec())));
    assert!(other.agent.is_empty());

    let keys = std::mem::take(&mut other.keys);
    let mut stranger = World::with(open("stranger", Mode::Enforce, true), world::POLICY);
    stranger.keys = keys;
    stranger.send(&request);
    assert!(stranger.server.cancelled.is_none() && stranger.finished == Finish::Close);
    assert!(stranger.agent.is_empty());

    world.keys = std::mem::take(&mut stranger.keys);
    world.close();
    assert!(world.keys.0.borrow().is_empty(), "the key ends with the session");
}

#[test]
fn no_statement_is_read_before_ready_for_query() {
    let mut world = World::new();
    world.cut = 1;
    let mut bytes = startup(0, &[("user", "app")]);
    bytes.extend(query("SELECT pan FROM payments"));
    world.send(&bytes);
    let heard = world.heard();
    assert_eq!(heard[heard.len() - 4..], ["T pan", "D 411111******1111", "SELECT 1", "Z I"]);
}

#[test]
fn unsafe_settings_of_the_server_end_the_session() {
    for parameter in [("standard_conforming_strings", "off"), ("client_encoding", "SJIS")] {
        let mut world = World::new();
        world.server.parameters.push(parameter);
        world.send(&startup(0, &[("user", "app")]));
        assert_eq!(world.finished, Finish::Close);
        assert!(world.heard().last().unwrap().starts_with("E FATAL 42501"));
    }
    let mut world = World::new();
    world.server.parameters = vec![("client_encoding", "SQL_ASCII"), ("server_encoding", "EUC_JP")];
    world.send(&startup(0, &[("user", "app")]));
    assert!(world.heard().last().unwrap().starts_with("E FATAL 42501"));
}

#[test]
fn deadlines() {
    let mut world = World::new();
    let deadline = world.out.deadline.expect("a startup has one");
    world.now.mono_ns = deadline;
    world.input(Input::Deadline);
    assert_eq!(world.finished, Finish::Close);
    assert!(world.heard()[0].starts_with("E FATAL 08P01"));
    let world = World::ready();
    assert_eq!(world.out.deadline, None, "a session that is ready may stay");
}

#[test]
fn a_database_that_is_down_is_said_in_its_own_words() {
    let mut world = World::new();
    world.input(Input::DatabaseFailed(Failure::Refused));
    assert!(world.heard()[0].starts_with("E FATAL 57P03"));
    assert_eq!(world.finished, Finish::Close);
}

#[test]
fn the_end_from_each_side() {
    let mut world = World::ready();
    world.input(Input::AgentClosed);
    assert_eq!(world.finished, Finish::ShutdownDatabase);
    world.input(Input::DatabaseClosed);
    assert_eq!(world.finished, Finish::Close);

    let mut world = World::ready();
    world.send(b"X\0\0\0\x04and what is behind it is not read");
    assert!(world.server.closed);
    assert_eq!(world.server.seen, "X");
}

#[test]
fn a_stop_waits_for_the_statement_and_the_transaction() {
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    world.input(Input::Stop);
    assert_eq!(world.finished, Finish::No);
    let heard = world.ask(&query("COMMIT"));
    assert_eq!(heard[..2], ["COMMIT", "Z I"]);
    assert!(heard[2].starts_with("E FATAL 57P01"), "{heard:?}");
    assert_eq!(world.finished, Finish::Close);
}

#[test]
fn a_person_ends_a_session_whatever_runs() {
    let why = || Input::End(Box::new(Masked::of("by ann: card 4111111111111111 leaks")));
    let mut world = World::ready();
    world.ask(&query("BEGIN"));
    world.input(why());
    let heard = world.heard();
    let words =
        "E FATAL 57P01 terminating connection due to administrator command: by ann: card 411111******1111 leaks";
    assert!(heard.len() == 1 && heard[0].starts_with(words));
    assert_eq!(world.finished, Finish::Close);
    world.send(&query("SELECT note FROM tickets"));
    assert!(!world.server.seen.contains("tickets"), "nothing of it goes on");
    assert_eq!(world.cancels(), 0, "nothing runs");
    world.close();
    assert_eq!(world.count(RecordType::SessionEnd), 1);
    world.input(why());
    assert!(world.heard().is_empty(), "it is over");
    let mut world = World::ready();
    world.send(&query("SELECT note FROM tickets"));
    world.input(why());
    assert_eq!((world.cancels(), world.finished), (1, Finish::Close), "what runs is cancelled");
}

#[test]
fn a_lost_record_is_the_sessions_last_word() {
    let mut world = World::ready();
    let records = world.records.len();
    world.input(Input::RecordLost);
    let heard = world.heard();
    assert!(heard.len() == 1 && heard[0].starts_with("E FATAL 53100 the record of this session"), "{heard:?}");
    assert_eq!((world.finished, world.records.len()), (Finish::Close, records));
    // Nothing of it goes on.
    world.send(&query("SELECT note FROM tickets"));
    assert!(world.server.seen.is_empty());
}

/// The startup of the agent, and what the database answers to it up to its ReadyForQuery, in one piece.
fn logged_in() -> World {
    let mut world = World::new();
    world.input(Input::FromAgent(&mut startup(0, &[("user", "app"), ("database", "payments")])));
    let mut answer = world.server.take();
    world.input(Input::FromDatabase(&mut answer));
    world
}

#[test]
fn the_agent_may_begin_while_the_names_are_asked_for_and_its_statement_waits() {
    let mut world = logged_in();
    assert!(world.agent.ends_with(b"Z\0\0\0\x05I") && world.server.own_asked.len() == 1);
    world.agent.clear();
    assert!(world.out.read_agent, "its statement may come");
    world.input(Input::FromAgent(&mut query("SELECT pan FROM payments")));
    assert!(world.server.log.is_empty() && !world.out.read_agent, "one chunk waits, no more is read");
    world.answer();
    assert_eq!(world.heard(), ["T pan", "D 411111******1111", "SELECT 1", "Z I"]);
}

#[test]
fn an_answer_that_comes_is_waited_for_and_silence_is_not() {
    let mut world = logged_in();
    let pause_ns = world.limits.catalog_ms * 1_000_000 + 1;
    let answer = world.server.take();
    let (begin, rest) = answer.split_at(answer.len() / 2);
    // As where the process itself stood still: the clock says that it is late, and half of the answer was there all the time.
    world.now.mono_ns += pause_ns;
    world.input(Input::FromDatabase(&mut begin.to_vec()));
    world.input(Input::Deadline);
    assert_eq!(world.finished, Finish::No);
    world.now.mono_ns += pause_ns;
    world.input(Input::Deadline);
    assert!(world.heard().last().unwrap().starts_with("E FATAL 57P03"));
    assert_eq!((world.finished, rest.is_empty()), (Finish::Close, false));
}

#[test]
fn a_cancel_while_the_first_statement_waits_for_the_names_is_its() {
    let mut world = World::new();
    world.server.catalog_fails = Some(("57014", "canceling statement due to user request"));
    world.input(Input::FromAgent(&mut startup(0, &[("user", "app"), ("database", "payments")])));
    let mut answer = world.server.take();
    world.input(Input::FromDatabase(&mut answer));
    world.agent.clear();
    world.input(Input::FromAgent(&mut query("SELECT 1")));
    world.answer();
    let heard = world.heard();
    assert!(heard[0].starts_with("E ERROR 57014") && heard[1] == "Z I", "{heard:?}");
}

#[test]
fn an_answer_that_lacks_a_part_ends_the_session() {
    let mut world = logged_in();
    world.server.take();
    let mut answer = Vec::new();
    encode::command_complete(&mut answer, b"SET").unwrap();
    encode::ready_for_query(&mut answer, wire::postgres::backend::TransactionStatus::Idle);
    world.input(Input::FromDatabase(&mut answer));
    assert!(world.heard().last().unwrap().starts_with("E FATAL 08P01"), "nothing is judged by half an answer");
    assert_eq!(world.finished, Finish::Close);
}

#[test]
fn temporary_relations_are_asked_for_where_there_may_be_some() {
    let temporary = |text: &String| text.contains("n.oid = pg_my_temp_schema()");
    let mut world = World::ready();
    assert!(!world.server.own_asked.iter().any(temporary));
    // The session has one since: the question that finds it is followed by one that reads it, later ones ask at once.
    world.server.has_temporary_schema = true;
    for asked in [3, 4] {
        world.ask(&query("SET search_path = public"));
        assert_eq!(world.ask(&query("SELECT 1"))[1], "D 1");
        assert_eq!(world.server.own_asked.len(), asked);
        assert!(world.server.own_asked.last().is_some_and(temporary));
    }
    assert!(!temporary(&world.server.own_asked[1]));
    // A server's session that is not new: the same before its first statement.
    let mut world = World::new();
    world.server.has_temporary_schema = true;
    let world = world.login();
    assert_eq!(world.server.own_asked.iter().map(temporary).collect::<Vec<_>>(), [false, true]);
}
