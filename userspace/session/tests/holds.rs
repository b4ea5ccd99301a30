//! Statements that wait for a person: approved, denied, expired, cancelled, left; alone, in a transaction, in a pipeline.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use audit::RecordType;
use session::{Ask, AskEnd, AskId, Asking, Finish, Input, Mode, Vote};
use wire::postgres::encode;
use world::{POLICY, Seed, World, extended, open, policy, query};

const UPDATE: &str = "UPDATE payments SET id = 1";
const MESSAGE: &str = "updates are approved by a lead";

impl World {
    fn asked(&self) -> &Ask {
        let mut asks = self.asking.iter().filter_map(|asking| match asking {
            Asking::Ask(ask) => Some(&**ask),
            _ => None,
        });
        asks.next_back().expect("a person is asked")
    }

    fn ends(&self) -> Vec<AskEnd> {
        let end = |asking: &Asking| match asking {
            Asking::Over(_, end) => Some(*end),
            _ => None,
        };
        self.asking.iter().filter_map(end).collect()
    }

    fn vote(&mut self, approve: bool, reviewer: &str, groups: &[&str], reason: &str) {
        let vote = Vote {
            ask: self.asked().id,
            approve,
            reviewer: reviewer.into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
            login: "unix socket, uid 1001".into(),
            reason: reason.into(),
            standing: None,
            break_glass: false,
        };
        self.say(vote);
    }

    fn say(&mut self, vote: Vote) {
        self.input(Input::Vote(Box::new(vote)));
        self.answer();
    }

    fn approve(&mut self) -> Vec<String> {
        self.vote(true, "ann", &["leads"], "ticket 7");
        self.heard()
    }

    fn deny(&mut self) -> Vec<String> {
        self.vote(false, "ann", &["leads"], "not on a friday");
        self.heard()
    }

    fn expire(&mut self) -> Vec<String> {
        self.now.mono_ns = self.out.deadline.expect("a deadline");
        self.input(Input::Deadline);
        self.answer();
        self.heard()
    }

    fn cancel(&mut self) -> Vec<String> {
        self.input(Input::CancelHeld);
        self.answer();
        self.heard()
    }

    /// The notice, in the words of `heard`.
    fn notice(&self) -> String {
        let id = self.asked().id;
        format!(
            "E NOTICE 00000 held for approval {id}: {MESSAGE} {{\"interceptor\":\"pending\",\"id\":\"{id}\",\"expires\":\"2026-09-21T14:23:20Z\"}}"
        )
    }

    fn lives(&mut self) {
        assert_eq!(self.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
    }
}

fn held() -> World {
    let mut world = World::ready();
    let heard = world.ask(&query(UPDATE));
    assert_eq!(heard, [world.notice()]);
    assert!(world.server.log.is_empty(), "nothing goes on before a person says so");
    world
}

fn held_in_a_pipeline() -> World {
    let mut world = World::ready();
    let parse = format!("P  {UPDATE}");
    let heard = world.ask(&extended(&[&parse, "B  ", "D P ", "E ", "S"]));
    assert_eq!(heard, ["1".to_owned(), world.notice()], "what is in front is answered first");
    assert!(world.server.log.is_empty());
    world
}

/// A person is asked about a search for a whole value for just that, and a yes answers it; what asks in another way stays refused.
#[test]
fn a_search_for_a_whole_value_may_wait_for_a_person() {
    let text = "\n[[rule]]\nname = \"searches\"\nstatements = [\"select\"]\nmatch = true\naction = \"hold\"\napprovers = [\"group:leads\"]\n";
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &format!("{POLICY}{text}")).login();
    let search = "SELECT id FROM payments WHERE pan = '4'";
    let heard = world.ask(&query(search));
    assert!(heard[0].starts_with("E NOTICE 00000 held for approval"), "{heard:?}");
    assert!(world.server.log.is_empty());
    assert!(world.approve().iter().any(|said| said.starts_with("D ")));
    assert_eq!(world.server.log, [search]);
    for text in ["SELECT id FROM payments WHERE pan LIKE '4%'", "SELECT id FROM payments WHERE pan = '4' AND pan < '5'"]
    {
        assert!(world.ask(&query(text))[0].starts_with("E ERROR 42501"), "{text}");
    }
    world.lives();
}

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
fn the_reviewer_sees_the_parameters_masked() {
    let mut world = World::ready();
    let mut bytes = extended(&["P  UPDATE payments SET id = $1"]);
    encode::bind(&mut bytes, b"", b"", &[], &[Some(world::PAN.as_bytes()), None], &[]).unwrap();
    bytes.extend(extended(&["E ", "S"]));
    world.ask(&bytes);
    let shown: Vec<&str> = world.asked().parameters.iter().map(|value| value.as_str()).collect();
    assert!(shown == ["411111******1111", "NULL"], "{} parameters", shown.len());
    assert_eq!(world.asked().tables.iter().map(|t| t.as_str()).collect::<Vec<_>>(), ["payments"]);
    let mut world = World::ready();
    let mut bytes = extended(&["P  UPDATE payments SET cvv = $1 WHERE id = 737"]);
    encode::bind(&mut bytes, b"", b"", &[], &[Some(b"737")], &[]).unwrap();
    bytes.extend(extended(&["E ", "S"]));
    world.ask(&bytes);
    assert!(world.asked().redacted && !format!("{:?}", world.asked()).contains(world::CVV));
    assert!(world.records.iter().all(|(_, payload)| !payload.windows(3).any(|w| w == world::CVV.as_bytes())));
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
fn as_many_people_as_the_rule_asks_for() {
    let text = POLICY.replace("action = \"hold\"", "action = \"hold\"\napprovals = 2");
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &text).login();
    world.ask(&query(UPDATE));
    for (reviewer, groups) in [("ann", &["leads"][..]), ("ann", &["leads"]), ("bob", &["others"]), ("leads", &[])] {
        world.vote(true, reviewer, groups, "fine");
        assert_eq!(world.heard(), [""; 0], "{reviewer}");
    }
    let id = world.asked().id;
    assert!(matches!(world.asking[1..], [Asking::Counted(of, 1)] if of == id), "{:?}", world.asking);
    assert_eq!(world.count(RecordType::Approval), 1);
    world.vote(true, "cyd", &["leads"], "fine");
    assert_eq!(world.heard(), ["SET", "Z I"]);
    // The one who approved may think better of it, while the other one has not spoken.
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &text).login();
    world.ask(&query(UPDATE));
    world.vote(true, "ann", &["leads"], "fine");
    world.vote(false, "ann", &["leads"], "on second thought");
    assert!(world.heard()[0].contains("on second thought"));
}

#[test]
fn every_group_must_have_spoken() {
    let policy = POLICY.replace(
        "approvers = [\"group:leads\"]",
        "approvers = [\"group:leads\", \"group:security\"]\napprovals = \"all-groups\"",
    );
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &policy).login();
    world.ask(&query(UPDATE));
    world.vote(true, "ann", &["leads"], "fine");
    world.vote(true, "bob", &["leads"], "fine");
    world.vote(true, "ann", &["leads", "security"], "for both");
    assert!(world.server.log.is_empty(), "nobody of security but one who speaks for leads");
    world.vote(true, "eve", &["security"], "fine");
    assert_eq!(world.server.log, [UPDATE]);
}

#[test]
fn one_person_breaks_glass_where_the_rule_says_so_and_every_rule_must() {
    let rule = "\n[[rule]]\nname = \"also\"\nstatements = [\"update\"]\naction = \"hold\"\napprovers = [\"bob\"]\n";
    let two = POLICY.replace(
        "approvers = [\"group:leads\"]",
        "approvers = [\"group:leads\"]\napprovals = 2\nbreak_glass = [\"eve\"]",
    );
    for (policy, by, break_glass, ran) in [
        (two.clone(), "eve", true, true),
        (two.clone(), "eve", false, false),
        (two.clone(), "mal", true, false),
        (POLICY.to_owned(), "eve", true, false),
        (two.clone() + rule, "eve", true, false),
        (two + rule + "break_glass = [\"eve\"]\n", "eve", true, true),
    ] {
        let mut world = World::with(open("reconciler", Mode::Enforce, true), &policy).login();
        world.ask(&query(UPDATE));
        let vote = Vote {
            ask: world.asked().id,
            approve: true,
            reviewer: by.into(),
            groups: vec![],
            login: "unix socket, uid 1001".into(),
            reason: "the house burns".into(),
            standing: None,
            break_glass,
        };
        world.say(vote.clone());
        assert_eq!(!world.server.log.is_empty(), ran, "{by} {break_glass}");
        world.say(Vote { approve: false, ..vote });
        assert_eq!(!world.server.log.is_empty(), ran, "to deny is no emergency");
    }
}

#[test]
fn a_word_about_another_id_or_out_of_time_changes_nothing() {
    let mut world = held();
    let right = world.asked().id;
    let vote = |ask| Vote {
        ask,
        approve: true,
        reviewer: "ann".into(),
        groups: vec!["leads".into()],
        login: String::new(),
        reason: String::new(),
        standing: None,
        break_glass: false,
    };
    world.say(vote(AskId::of(99)));
    assert_eq!((world.heard(), world.ends()), (vec![], vec![AskEnd::Gone]));
    world.now.mono_ns += 600_000_000_000;
    world.say(vote(right));
    assert!(world.heard()[0].contains("expired"));
    assert!(world.server.log.is_empty());
    world.lives();
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
fn a_block_beside_a_hold_blocks() {
    let mut world = World::ready();
    world.ask(&query("PREPARE u AS UPDATE payments SET id = 1"));
    assert_eq!(world.approve(), ["PREPARE", "Z I"]);
    world.asking.clear();
    for text in [
        "UPDATE payments SET id = 1; DROP TABLE payments",
        "EXECUTE u; SET standard_conforming_strings = off",
        "EXECUTE u; EXECUTE nobody",
        "UPDATE payments SET id = 1; EXECUTE nobody",
        "UPDATE payments SET id = 1; SET standard_conforming_strings = off",
    ] {
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR") && heard[1] == "Z I", "{text}: {heard:?}");
        assert!(world.asking.is_empty(), "{text}");
    }
    world.ask(&query("EXECUTE u"));
    assert_eq!(world.asked().text.as_str(), "EXECUTE u\n-- EXECUTE runs:\nUPDATE payments SET id = 1");
    assert_eq!(world.approve().last().unwrap(), "Z I");
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

/// What an agent may send, and how many ReadyForQuery it brings.
fn messages() -> Vec<(Vec<u8>, usize)> {
    let parse = format!("P  {UPDATE}");
    let named = format!("P u {UPDATE}");
    vec![
        (query(UPDATE), 1),
        (query("SELECT 1"), 1),
        (query("BEGIN"), 1),
        (query("ROLLBACK"), 1),
        (query("DROP TABLE payments"), 1),
        (query(&format!("SELECT 1; {UPDATE}")), 1),
        (extended(&[&parse, "B  ", "D P ", "E ", "S"]), 1),
        (extended(&["P  SELECT 1", "B  ", "E ", &parse, "B  ", "E ", "S"]), 1),
        (extended(&[&named, "S", "B  u", "E ", "B  u", "E ", "S"]), 2),
        (extended(&["B  nobody", "E ", "S"]), 1),
        (extended(&["P  INSERT INTO payments (pan) VALUES ('twice')", "B  ", "E ", &parse, "B  ", "E ", "S"]), 1),
    ]
}

struct Run {
    world: World,
    seed: Seed,
}

impl Run {
    /// One thing that happens to whoever waits, or to nobody.
    fn happen(&mut self) {
        let asks = self.world.asking.iter().filter_map(|asking| match asking {
            Asking::Ask(ask) => Some(ask.id),
            _ => None,
        });
        let all: Vec<AskId> = asks.collect();
        let ask = if all.is_empty() || self.seed.next(8) == 0 { AskId::of(1 << 40) } else { all[all.len() - 1] };
        let vote = |approve| Vote {
            ask,
            approve,
            reviewer: "ann".into(),
            groups: vec!["leads".into()],
            login: String::new(),
            reason: "x".into(),
            standing: None,
            break_glass: false,
        };
        match self.seed.next(8) {
            0..=2 => self.world.input(Input::Vote(Box::new(vote(true)))),
            3 => self.world.input(Input::Vote(Box::new(vote(false)))),
            4 => self.world.input(Input::CancelHeld),
            5 => self.world.input(Input::Unheard(ask)),
            6 => {
                self.world.now.mono_ns += 601_000_000_000;
                self.world.input(Input::Deadline);
            }
            _ => {
                let lines = self.seed.next(3);
                self.world.policy = policy(&format!("{POLICY}{}", "\n# again".repeat(lines)));
            }
        }
        self.world.answer();
        self.check();
    }

    /// Nothing runs that was not approved, and nothing twice.
    fn check(&self) {
        let ran = self.world.server.log.iter().filter(|text| text.contains("UPDATE")).count();
        let approved = self.world.ends().iter().filter(|end| **end == AskEnd::Approved).count();
        assert!(ran <= approved, "{ran} ran, {approved} were approved");
    }

    fn waits(&self) -> bool {
        let asked = self.world.asking.iter().filter(|asking| matches!(asking, Asking::Ask(_))).count();
        asked > self.world.ends().iter().filter(|end| **end != AskEnd::Gone).count()
    }
}

#[test]
fn whatever_happens_nothing_runs_unasked_and_nobody_is_stuck() {
    let messages = messages();
    let (mut approved, mut denied) = (0, 0);
    for seed in 1..=600 {
        let mut run = Run { world: World::ready(), seed: Seed(seed * 0x9E37_79B9) };
        let leaves = run.seed.next(6) == 0;
        let mut ready = 0;
        for _ in 0..run.seed.next(12) + 1 {
            let (bytes, answers) = &messages[run.seed.next(messages.len())];
            ready += answers;
            run.world.cut = run.seed.next(60) + 1;
            run.world.send(bytes);
            run.check();
            if run.seed.next(2) == 0 {
                run.happen();
            }
        }
        if leaves {
            run.world.input(Input::AgentClosed);
        } else {
            let mut turns = 0;
            while run.waits() {
                run.happen();
                turns += 1;
                assert!(turns < 1000, "seed {seed}: stuck");
            }
            let heard = run.world.heard();
            assert_eq!(heard.iter().filter(|said| said.starts_with('Z')).count(), ready, "seed {seed}: {heard:?}");
            assert!(run.world.out.read_agent, "seed {seed}");
            let ran = run.world.server.log.iter().filter(|text| text.contains("UPDATE")).count();
            let ends = run.world.ends();
            assert_eq!(ran, ends.iter().filter(|end| **end == AskEnd::Approved).count(), "seed {seed}");
            approved += ran;
            denied += ends.len() - ran;
        }
        run.world.close();
        run.check();
        assert!(!run.waits(), "seed {seed}: somebody waits for a session that is over");
        let over = run
            .world
            .ends()
            .iter()
            .filter(|end| !matches!(end, AskEnd::Approved | AskEnd::Denied | AskEnd::Gone))
            .count();
        assert_eq!(run.world.count(RecordType::AskOver), over, "seed {seed}");
    }
    assert!(approved > 300 && denied > 300, "too tame: {approved} approved, {denied} not");
}
