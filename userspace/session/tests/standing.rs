//! Words that were said before and stand: an approval that covers further runs of one statement, and a grant of a rule for a while; and
//! approvals that are for so many rows as the planner expects.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use session::{Ask, AskId, Asking, Estimate, Input, Mode, Standing, Vote};
use wire::postgres::{Format, encode};
use world::{POLICY, World, extended, open, query};

const UPDATE: &str = "UPDATE payments SET id = 1";

fn hold(keys: &str) -> String {
    POLICY.replace("action = \"hold\"", &format!("action = \"hold\"\n{keys}"))
}

fn world(keys: &str) -> World {
    World::with(open("reconciler", Mode::Enforce, true), &hold(keys)).login()
}

impl World {
    fn asks(&self) -> Vec<&Ask> {
        fn ask(asking: &Asking) -> Option<&Ask> {
            match asking {
                Asking::Ask(ask) => Some(ask),
                _ => None,
            }
        }
        self.asking.iter().filter_map(ask).collect()
    }

    fn binding(&mut self, bytes: &[u8]) -> [u8; 32] {
        self.send(bytes);
        let binding = self.asks().last().expect("a person is asked").binding;
        self.input(Input::CancelHeld);
        self.answer();
        self.heard();
        binding
    }

    fn vote(&mut self, reviewer: &str, standing: Option<Standing>) -> Vec<String> {
        let ask = self.asks().last().expect("a person is asked").id;
        self.input(Input::Vote(Box::new(Vote {
            ask,
            approve: true,
            reviewer: reviewer.into(),
            groups: vec!["leads".into()],
            login: "unix socket, uid 1001".into(),
            reason: "ticket 7".into(),
            standing,
            break_glass: false,
        })));
        self.answer();
        self.heard()
    }

    fn now_s(&self) -> u64 {
        self.now.wall_ns / 1_000_000_000
    }

    fn stands(&self, ago_s: u64, rule: Option<&str>) -> Option<Standing> {
        Some(Standing { approval: AskId::of(7), given_s: self.now_s() - ago_s, rule: rule.map(str::to_owned) })
    }
}

#[test]
fn a_word_that_stands_counts_where_the_rule_takes_it_and_in_time() {
    for (keys, ago_s, rule, goes_on) in [
        ("covers = \"15m\"", 899, None, true),
        ("covers = \"15m\"", 900, None, false),
        ("", 1, None, false),
        ("grant = \"15m\"", 1, None, false),
        ("grant = \"15m\"", 899, Some("updates wait"), true),
        ("grant = \"15m\"", 900, Some("updates wait"), false),
        ("grant = \"15m\"", 1, Some("another"), false),
        ("covers = \"15m\"", 1, Some("updates wait"), false),
        ("covers = \"15m\"\napprovals = 2", 1, None, false),
    ] {
        let mut world = world(keys);
        world.ask(&query(UPDATE));
        let standing = world.stands(ago_s, rule);
        let heard = world.vote("ann", standing);
        assert_eq!(heard == ["SET", "Z I"], goes_on, "{keys} {ago_s} {rule:?}: {heard:?}");
        assert_eq!(world.server.log.len(), usize::from(goes_on));
    }
}

#[test]
fn every_run_has_its_own_record_which_names_the_approval_that_it_is_under() {
    let mut world = world("covers = \"15m\"");
    world.ask(&query(UPDATE));
    let standing = world.stands(60, None);
    assert_eq!(world.vote("ann", standing), ["SET", "Z I"]);
    let approval = world.records.iter().find(|(kind, _)| *kind == RecordType::Approval.code()).expect("a record");
    let under = AskId::of(7).to_string();
    assert!(approval.1.windows(under.len()).any(|window| window == under.as_bytes()));
    assert_eq!((world.count(RecordType::Ask), world.count(RecordType::Approval)), (1, 1));
}

#[test]
fn people_who_stand_and_people_who_speak_are_counted_together_and_once() {
    let mut world = world("covers = \"15m\"\napprovals = 2");
    world.ask(&query(UPDATE));
    for _ in 0..2 {
        let standing = world.stands(60, None);
        assert_eq!(world.vote("ann", standing), [""; 0]);
    }
    assert_eq!(world.vote("ann", None), [""; 0], "the same person twice");
    assert_eq!(world.vote("bob", None), ["SET", "Z I"]);
}

#[test]
fn another_statement_has_another_binding() {
    let mut world = world("covers = \"15m\"");
    let bind = |value: &[u8], format: Format| {
        let mut bytes = extended(&["P  UPDATE payments SET id = $1"]);
        encode::bind(&mut bytes, b"", b"", &[format], &[Some(value)], &[]).unwrap();
        bytes.extend(extended(&["E ", "S"]));
        bytes
    };
    let first = world.binding(&query(UPDATE));
    assert_eq!(world.binding(&query(UPDATE)), first, "the same again");
    let mut all = vec![first];
    all.push(world.binding(&query("UPDATE payments SET id = 2")));
    all.push(world.binding(&query("UPDATE payments  SET id = 1")));
    all.push(world.binding(&bind(b"1", Format::Text)));
    all.push(world.binding(&bind(b"2", Format::Text)));
    all.push(world.binding(&bind(b"\x31", Format::Binary)));
    world.policy = world::policy(&format!("{}\n# a comment", hold("covers = \"15m\"")));
    all.push(world.binding(&query(UPDATE)));
    world.ask(&query("BEGIN"));
    all.push(world.binding(&query(UPDATE)));
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != one), "number {at} is bound to what another one is");
    }
}

fn estimated(rows: Option<u64>) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    Arc::get_mut(&mut open.database).expect("ours alone").estimates = true;
    let policy = hold("rows = true").replace("[\"update\"]", "[\"select\"]\ntables = [\"public.payments\"]");
    let mut world = World::with(open, &policy).login();
    world.send(&query("SELECT id FROM payments"));
    let number = world.asking.iter().find_map(|asking| match asking {
        Asking::Estimate(ask) => Some(ask.number),
        _ => None,
    });
    let estimate = rows.map(|rows| Estimate { rows, cost: 7 });
    world.input(Input::Estimated { number: number.expect("the planner is asked"), estimate });
    world.answer();
    world
}

#[test]
fn without_an_estimate_an_approval_that_is_bound_to_one_is_not_asked_for() {
    let mut world = estimated(None);
    let heard = world.heard();
    assert!(heard[0].starts_with("E ERROR 42501 an approval of this statement is for as many rows"), "{heard:?}");
    assert!(world.asks().is_empty());
    for (rows, bound) in [(7, 100), (60, 120), (u64::MAX, u64::MAX)] {
        assert_eq!(estimated(Some(rows)).asks()[0].rows_bound, Some(bound));
    }
}

#[test]
fn more_rows_than_were_approved_do_not_leave() {
    let rows = |heard: &[String]| heard.iter().filter(|said| said.starts_with("D ")).count();
    let mut world = estimated(Some(7));
    world.server.rows = 101;
    let heard = world.vote("ann", None);
    assert_eq!(rows(&heard), 100);
    assert!(
        heard.iter().any(|said| said.starts_with("E ERROR 54000 more than 100 rows: the approval was given for no"))
    );
    let mut world = estimated(Some(7));
    world.server.rows = 100;
    let heard = world.vote("ann", None);
    assert_eq!((rows(&heard), heard.last().unwrap().as_str()), (100, "Z I"));
}
